//! Functions of each value, in place, four at a time.

use wide::f32x4;

/// Hendrycks and Gimpel 2016, "Gaussian Error Linear Units".
pub fn gelu(values: &mut [f32]) {
    each(values, |x| 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)));
}

/// The same by a hyperbolic tangent, as GPT-2 has it: x · (1 + tanh u) / 2, which is x / (1 + e^(−2u)).
pub fn gelu_tanh(values: &mut [f32]) {
    // Where the exponent is above 80 the quotient is as good as 0, and the exponential is still a number.
    each(values, |x| {
        x / (1.0 + (-1.595_769 * (x + 0.044_715 * x * x * x)).fast_min(f32x4::splat(80.0)).exp())
    });
}

/// What is above 0.
pub fn relu(values: &mut [f32]) {
    each(values, |x| x.max(f32x4::ZERO));
}

/// x · sigmoid(x), also called swish.
pub fn silu(values: &mut [f32]) {
    each(values, |x| x / (1.0 + (-x).exp()));
}

/// The hyperbolic tangent.
pub fn tanh(values: &mut [f32]) {
    each(values, f32x4::tanh);
}

/// `function` of every value.
pub(crate) fn each(values: &mut [f32], function: impl Fn(f32x4) -> f32x4) {
    let (fours, rest) = values.as_chunks_mut::<4>();
    for four in fours {
        *four = function(f32x4::from(*four)).to_array();
    }
    let mut last = [0.0; 4];
    last[..rest.len()].copy_from_slice(rest);
    rest.copy_from_slice(&function(f32x4::from(last)).as_array()[..rest.len()]);
}

/// The error function, within 3e-7 (Abramowitz and Stegun 1964, formula 7.1.26).
fn erf(x: f32x4) -> f32x4 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let series =
        ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_74) * t + 0.254_829_6) * t;
    (1.0 - series * (-x * x).exp()).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function_is_right() {
        // By the definition's series (Abramowitz and Stegun 1964, table 7.1).
        for (x, value) in [
            (0.0, 0.0),
            (0.1, 0.112_462_9),
            (0.5, 0.520_499_9),
            (1.0, 0.842_700_8),
            (2.0, 0.995_322_3),
            (9.0, 1.0),
        ] {
            let ours = erf(f32x4::from([x, -x, x, -x])).to_array();
            assert!((ours[0] - value).abs() < 3e-7 && (ours[1] + value).abs() < 3e-7, "{x}: {ours:?}");
        }
    }

    #[test]
    fn every_value_is_reached_however_many_they_are() {
        for count in 0..10 {
            let mut values: Vec<f32> = (0..count).map(|i| i as f32 - 4.0).collect();
            relu(&mut values);
            assert_eq!(values, (0..count).map(|i| (i as f32 - 4.0).max(0.0)).collect::<Vec<f32>>());
        }
    }
}
