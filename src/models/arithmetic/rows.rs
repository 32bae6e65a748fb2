//! Functions of rows.

use wide::f32x4;

use super::pointwise::each;

/// Softmax of each row of `length` values.
pub fn softmax(values: &mut [f32], length: usize) {
    for row in values.chunks_mut(length.max(1)) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        each(row, |x| (x - largest).exp());
        let share = 1.0 / sum(row, |x| x);
        each(row, |x| x * share);
    }
}

/// Layer norm (Ba et al. 2016) of rows that are as long as `gamma` and `beta`.
pub fn layer_norm(values: &mut [f32], gamma: &[f32], beta: &[f32], epsilon: f32) {
    let count = gamma.len() as f32;
    for row in values.chunks_mut(gamma.len().max(1)) {
        let mean = sum(row, |x| x) / count;
        each(row, |x| x - mean);
        let deviation = (sum(row, |x| x * x) / count + epsilon).sqrt().recip();
        for ((x, gamma), beta) in row.iter_mut().zip(gamma).zip(beta) {
            *x = *x * deviation * gamma + beta;
        }
    }
}

/// The sum of products.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let fours = a.iter().zip(b).fold(f32x4::ZERO, |sum, (a, b)| sum + f32x4::from(*a) * f32x4::from(*b));
    fours.reduce_add() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

/// Adds `factor * x` to `y`.
pub(crate) fn add_scaled(y: &mut [f32], x: &[f32], factor: f32) {
    let ((y, y_rest), (x, x_rest)) = (y.as_chunks_mut::<4>(), x.as_chunks::<4>());
    for (y, x) in y.iter_mut().zip(x) {
        *y = (f32x4::from(*y) + f32x4::from(*x) * factor).to_array();
    }
    for (y, x) in y_rest.iter_mut().zip(x_rest) {
        *y += x * factor;
    }
}

/// The sum of `function` of each value; it is 0 for 0.
fn sum(values: &[f32], function: impl Fn(f32x4) -> f32x4) -> f32 {
    let (fours, rest) = values.as_chunks::<4>();
    let mut last = [0.0; 4];
    last[..rest.len()].copy_from_slice(rest);
    let fours = fours.iter().chain([&last]);
    fours.fold(f32x4::ZERO, |sum, four| sum + function(f32x4::from(*four))).reduce_add()
}
