//! The two colour ramps: sequential for weights, diverging for signed values (design: section 3).

use std::sync::LazyLock;

use crate::trace::Family;

/// Shades between the paper and a full diverging colour: next to each other, more than an eye can tell apart.
const SHADES: i32 = 64;

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

/// The colour of a signed value in −1 to 1, in the nearest shade: purple below 0, green above, paper at 0.
pub fn diverging(value: f32, paper: Paper) -> &'static str {
    // A picture has some thousand of them: to write a colour takes longer than to fill a cell with it.
    static LIGHT: LazyLock<Vec<String>> = LazyLock::new(|| shades(Paper::Light));
    static DARK: LazyLock<Vec<String>> = LazyLock::new(|| shades(Paper::Dark));
    let shade = (value.clamp(-1.0, 1.0) * SHADES as f32).round() as i32 + SHADES;
    let shades = match paper {
        Paper::Light => &LIGHT,
        Paper::Dark => &DARK,
    };
    &shades[shade as usize]
}

/// The diverging colours from −1 to 1, as CSS colours.
fn shades(paper: Paper) -> Vec<String> {
    let (lightness, swing, base) = match paper {
        Paper::Light => (0.965, -0.5, 0.008),
        Paper::Dark => (0.26, 0.5, 0.015),
    };
    let colour = |shade: i32| {
        let t = shade.abs() as f32 / SHADES as f32;
        let hue = if shade < 0 { 308 } else { 152 };
        format!("oklch({:.3} {:.3} {hue})", lightness + swing * t, base + 0.12 * t)
    };
    (-SHADES..=SHADES).map(colour).collect()
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

    #[test]
    fn signed_values_go_from_purple_by_way_of_the_paper_to_green() {
        for (paper, at_zero, at_one) in
            [(Paper::Light, "0.965 0.008", "0.465 0.128"), (Paper::Dark, "0.260 0.015", "0.760 0.135")]
        {
            assert_eq!(diverging(0.0, paper), format!("oklch({at_zero} 152)"));
            for full in [1.0, 7.0, f32::INFINITY] {
                assert_eq!(diverging(full, paper), format!("oklch({at_one} 152)"));
                assert_eq!(diverging(-full, paper), format!("oklch({at_one} 308)"));
            }
        }
        // A shade is as good for all values that are nearer to it than to the next.
        assert_eq!(diverging(0.5, Paper::Light), diverging(0.507, Paper::Light));
        assert_ne!(diverging(0.5, Paper::Light), diverging(0.51, Paper::Light));
    }
}
