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

/// Σ e^(x − largest), by which a softmax divides.
pub fn sum_of_exponentials(values: &[f32], largest: f32) -> f64 {
    // So few at a time that single precision holds their sum.
    let of_part = |part: &[f32]| {
        let (fours, rest) = part.as_chunks::<4>();
        let fours = fours.iter().fold(f32x4::ZERO, |sum, four| sum + (f32x4::from(*four) - largest).exp());
        f64::from(fours.reduce_add() + rest.iter().map(|x| (x - largest).exp()).sum::<f32>())
    };
    values.chunks(256).map(of_part).sum()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_summed_as_precisely_as_a_probability_is_told() {
        for count in [1, 3, 255, 257, 1030, 50_257] {
            let values: Vec<f32> =
                (0..count).map(|i| ((i * 7919 + 13) % 1009) as f32 / 40.0 - 120.0 * (i % 2) as f32).collect();
            let largest = values.iter().copied().fold(f32::MIN, f32::max);
            let expected: f64 = values.iter().map(|x| (f64::from(*x) - f64::from(largest)).exp()).sum();
            let off = (sum_of_exponentials(&values, largest) / expected - 1.0).abs();
            assert!(off < 1e-6, "{count} values: off by {off}");
        }
    }
}
