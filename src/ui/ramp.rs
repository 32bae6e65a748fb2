//! The two colour ramps: sequential for weights, diverging for signed values (design: section 3).

use crate::trace::Family;

/// Light or dark paper under the colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paper {
    /// Light paper.
    Light,
    /// Dark paper.
    Dark,
}

/// The colour of a weight in 0 to 1, as a CSS colour: OKLCH, lightness linear in √weight, the same for both voices, so
/// that two heatmaps compare and print in grey.
pub fn sequential(weight: f32, voice: Family, paper: Paper) -> String {
    let t = weight.clamp(0.0, 1.0).sqrt();
    let hue = match voice {
        Family::Bert => 252,
        Family::Gpt2 => 48,
    };
    let (base, swing) = match paper {
        Paper::Light => (0.006, 0.135),
        Paper::Dark => (0.02, 0.135),
    };
    let chroma = base + swing * (std::f32::consts::PI * 0.62 * t).sin();
    format!("oklch({:.3} {chroma:.3} {hue})", lightness(weight, paper))
}

/// The OKLCH lightness of a weight's cell; print white on it below 0.58, else black.
pub fn lightness(weight: f32, paper: Paper) -> f32 {
    let t = weight.clamp(0.0, 1.0).sqrt();
    match paper {
        Paper::Light => 0.972 - 0.59 * t,
        Paper::Dark => 0.235 + 0.62 * t,
    }
}

/// The colour of a signed value in −1 to 1: purple below 0, green above, paper at 0.
pub fn diverging(value: f32, paper: Paper) -> String {
    let t = value.abs().min(1.0);
    let hue = if value < 0.0 { 308 } else { 152 };
    match paper {
        Paper::Light => format!("oklch({:.3} {:.3} {hue})", 0.965 - 0.5 * t, 0.008 + 0.12 * t),
        Paper::Dark => format!("oklch({:.3} {:.3} {hue})", 0.26 + 0.5 * t, 0.015 + 0.12 * t),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_weights_have_equal_lightness_in_both_voices_and_grow_apart_from_the_paper() {
        for paper in [Paper::Light, Paper::Dark] {
            let mut last = lightness(0.0, paper);
            for step in 1..=10 {
                let weight = step as f32 / 10.0;
                let here = lightness(weight, paper);
                assert!(if paper == Paper::Light { here < last } else { here > last });
                last = here;
                let prefix = format!("oklch({here:.3} ");
                assert!(sequential(weight, Family::Bert, paper).starts_with(&prefix));
                assert!(sequential(weight, Family::Gpt2, paper).starts_with(&prefix));
            }
        }
    }
}
