//! From logits to the next token: temperature, top-k, top-p, rescaling, and a draw that repeats itself.
//!
//! Everything here is total: logits that are no numbers get probability 0, and parameters outside their range are
//! taken to its nearest end, so that neither a broken checkpoint nor a hostile address can stop a lesson.

use std::cmp::Ordering;

use crate::engine::protocol::Sampling;

/// Which filter took a candidate away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It is not among the k most probable (Fan et al. 2018).
    TopK,
    /// The more probable ones reach p without it (nucleus sampling, Holtzman et al. 2019).
    TopP,
}

/// One piece of the vocabulary, before and after the filters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Considered {
    /// Its row in the vocabulary.
    pub id: u32,
    /// Softmax of the logits, in 0 to 1.
    pub before: f32,
    /// The probability it is drawn with, in 0 to 1.
    pub after: f32,
    /// The filter that took it away, if one did.
    pub cut: Option<Cut>,
}

/// Probabilities of `logits`, which may have any scale. They sum to 1, or are all 0 if no logit is a number above
/// −∞. A logit that is no number gets 0; infinite ones share everything.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let weights = weights(logits, 1.0);
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| share(*weight, total)).collect()
}

/// What becomes of the whole vocabulary, by falling logit and so by falling `before`; equal ones by rising id.
///
/// The order of the filters is fixed: temperature, top-k, top-p (the fewest candidates that reach p together, at
/// least one), then rescaling of what is left to 1. Temperature 0 gives everything to the most probable piece, of
/// equals the one with the lowest id, and the filters have nothing left to cut.
///
/// A negative temperature counts as 0, a `top_p` below 0 or above 1 as that end; what is no number counts as 1.
pub fn distribution(logits: &[f32], sampling: &Sampling) -> Vec<Considered> {
    let temperature =
        if sampling.temperature.is_nan() { 1.0 } else { f64::from(sampling.temperature.max(0.0)) };
    let top_p = if sampling.top_p.is_nan() { 1.0 } else { f64::from(sampling.top_p.clamp(0.0, 1.0)) };
    let before = softmax(logits);
    let mut considered: Vec<Considered> = (0u32..)
        .zip(&before)
        .map(|(id, before)| Considered { id, before: *before, after: 0.0, cut: None })
        .collect();
    considered
        .sort_unstable_by(|a, b| falling(logits[a.id as usize], logits[b.id as usize]).then(a.id.cmp(&b.id)));

    if temperature == 0.0 {
        if let Some(first) = considered.first_mut().filter(|first| first.before > 0.0) {
            first.after = 1.0;
        }
        return considered;
    }

    let heated = weights(logits, temperature);
    let weight = |candidate: &Considered| heated[candidate.id as usize];
    let within_k = if sampling.top_k == 0 { considered.len() } else { sampling.top_k.min(considered.len()) };
    let reach = top_p * considered[..within_k].iter().map(weight).sum::<f64>();
    let mut kept = within_k;
    if top_p < 1.0 {
        let mut sum = 0.0;
        let reaches = |candidate: &Considered| {
            sum += weight(candidate);
            sum >= reach
        };
        kept = considered[..within_k].iter().position(reaches).map_or(within_k, |last| last + 1);
    }

    let total = considered[..kept].iter().map(weight).sum::<f64>();
    for (rank, candidate) in considered.iter_mut().enumerate() {
        if rank >= within_k {
            candidate.cut = Some(Cut::TopK);
        } else if rank >= kept {
            candidate.cut = Some(Cut::TopP);
        } else {
            candidate.after = share(heated[candidate.id as usize], total);
        }
    }
    considered
}

/// The id drawn at `step` (counted from 0) from `distribution`; none if nothing in it has a chance.
///
/// The draw is a race: a candidate takes a random time that is exponentially distributed with mean 1 / `after`, and the first to
/// arrive is drawn, each with the probability `after` (Efraimidis and Spirakis 2006, "Weighted random sampling with a
/// reservoir"; in logarithms it is the Gumbel-max trick). A candidate's luck depends on the seed, the step and its id alone, so
/// that going back and forth repeats itself; and engines draw the same unless two times are within rounding.
pub fn draw(distribution: &[Considered], sampling: &Sampling, step: usize) -> Option<u32> {
    let possible = distribution.iter().filter(|candidate| candidate.after > 0.0);
    let arrivals = possible.map(|candidate| {
        (luck(sampling.seed, step, candidate.id) / f64::from(candidate.after), candidate.id)
    });
    arrivals.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))).map(|(_, id)| id)
}

/// The id drawn at `step` (counted from 0) from the [`distribution`] of `logits`. To draw the most probable piece nothing needs
/// to be put in order.
pub fn sample(logits: &[f32], sampling: &Sampling, step: usize) -> Option<u32> {
    if sampling.temperature > 0.0 || sampling.temperature.is_nan() {
        return draw(&distribution(logits, sampling), sampling, step);
    }
    let possible = (0u32..).zip(logits).filter(|(_, logit)| **logit > f32::NEG_INFINITY);
    possible.min_by(|(_, a), (_, b)| falling(**a, **b)).map(|(id, _)| id)
}

/// e^((logit − largest) ÷ temperature) for each logit; the largest gets 1.
fn weights(logits: &[f32], temperature: f64) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |logit: f32| {
        if logit == f32::INFINITY {
            return 1.0;
        }
        let weight = ((f64::from(logit) - f64::from(largest)) / temperature).exp();
        if weight.is_nan() { 0.0 } else { weight }
    };
    logits.iter().map(|logit| weight(*logit)).collect()
}

fn share(weight: f64, total: f64) -> f32 {
    if total > 0.0 { (weight / total) as f32 } else { 0.0 }
}

/// Larger first; what is no number comes last.
fn falling(a: f32, b: f32) -> Ordering {
    a.is_nan().cmp(&b.is_nan()).then(b.partial_cmp(&a).unwrap_or(Ordering::Equal))
}

/// What decides how a candidate fares at `step`: a number that is exponentially distributed with mean 1, by inversion of a
/// uniform one.
fn luck(seed: u32, step: usize, id: u32) -> f64 {
    let uniform = (f64::from(pcg3d([seed, step as u32, id])[2]) + 0.5) / 2f64.powi(32);
    -(-uniform).ln_1p()
}

/// A hash of three numbers to three (Jarzynski and Olano 2020, "Hash functions for GPU rendering"). A GPU has 32-bit integers
/// only, and with them it computes the same.
fn pcg3d(numbers: [u32; 3]) -> [u32; 3] {
    let mix = |[x, y, z]: [u32; 3]| {
        let x = x.wrapping_add(y.wrapping_mul(z));
        let y = y.wrapping_add(z.wrapping_mul(x));
        [x, y, z.wrapping_add(x.wrapping_mul(y))]
    };
    let mixed = mix(numbers.map(|x| x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)));
    mix(mixed.map(|x| x ^ x >> 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Sampling = Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, seed: 0 };

    /// Logits whose softmax is `probabilities`.
    fn logits_of(probabilities: &[f32]) -> Vec<f32> {
        probabilities.iter().map(|p| p.ln()).collect()
    }

    fn after(logits: &[f32], sampling: Sampling) -> Vec<(u32, f32)> {
        distribution(logits, &sampling)
            .iter()
            .filter(|considered| considered.after > 0.0)
            .map(|considered| (considered.id, considered.after))
            .collect()
    }

    fn close(have: &[(u32, f32)], want: &[(u32, f32)]) {
        let same = have.len() == want.len()
            && have.iter().zip(want).all(|(have, want)| have.0 == want.0 && (have.1 - want.1).abs() < 1e-5);
        assert!(same, "{have:?} is not {want:?}");
    }

    #[test]
    fn before_and_after_sum_to_one_whatever_the_parameters() {
        let logits: Vec<f32> = (0..1000).map(|i| ((i * 37 % 101) as f32).sin() * 6.0).collect();
        for temperature in [0.0, 0.1, 1.0, 2.0, f32::INFINITY, -1.0, f32::NAN] {
            for top_k in [0, 1, 20, 5000] {
                for top_p in [0.0, 0.5, 1.0, 7.0, -1.0, f32::NAN] {
                    let all = distribution(&logits, &Sampling { temperature, top_k, top_p, seed: 0 });
                    assert_eq!(all.len(), logits.len());
                    for sum in
                        [all.iter().map(|c| c.before).sum::<f32>(), all.iter().map(|c| c.after).sum::<f32>()]
                    {
                        assert!((sum - 1.0).abs() < 1e-4, "{sum} at {temperature}, {top_k}, {top_p}");
                    }
                    assert!(all.windows(2).all(|pair| pair[0].before >= pair[1].before));
                    assert!(all.iter().all(|c| c.cut.is_none() || c.after == 0.0));
                }
            }
        }
    }

    #[test]
    fn temperature_comes_before_top_k_and_top_k_before_top_p() {
        let logits = logits_of(&[0.1, 0.4, 0.3, 0.2]);
        close(&after(&logits, PLAIN), &[(1, 0.4), (2, 0.3), (3, 0.2), (0, 0.1)]);
        // Of two, the first holds 4/7 > 0.5: alone it reaches p, which of all four it would not.
        close(&after(&logits, Sampling { top_k: 2, top_p: 0.5, ..PLAIN }), &[(1, 1.0)]);
        close(&after(&logits, Sampling { top_p: 0.5, ..PLAIN }), &[(1, 4.0 / 7.0), (2, 3.0 / 7.0)]);
        // At temperature 0.5 the probabilities go as their squares, 16 9 4 1 of 30: the first alone reaches p.
        let cold = Sampling { temperature: 0.5, top_p: 0.5, ..PLAIN };
        close(&after(&logits, cold), &[(1, 1.0)]);
        close(&after(&logits, Sampling { top_k: 2, ..cold }), &[(1, 1.0)]);
        close(&after(&logits, Sampling { top_p: 0.6, ..cold }), &[(1, 0.64), (2, 0.36)]);
    }

    #[test]
    fn each_cut_names_its_filter() {
        let all =
            distribution(&logits_of(&[0.4, 0.3, 0.2, 0.1]), &Sampling { top_k: 3, top_p: 0.5, ..PLAIN });
        let cuts: Vec<_> = all.iter().map(|considered| considered.cut).collect();
        assert_eq!(cuts, [None, None, Some(Cut::TopP), Some(Cut::TopK)]);
    }

    #[test]
    fn temperature_zero_takes_the_most_probable_and_of_equals_the_lowest_id() {
        let cold = Sampling { temperature: 0.0, ..PLAIN };
        assert_eq!(after(&[1.0, 3.0, 3.0, 2.0], cold), [(1, 1.0)]);
        for step in 0..20 {
            assert_eq!(draw(&distribution(&[1.0, 3.0, 3.0, 2.0], &cold), &cold, step), Some(1));
        }
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        for logits in [&[1.0, 3.0, 3.0][..], &[nan, -inf, -2.0], &[inf, 1.0, inf], &[nan, nan], &[-inf], &[]]
        {
            assert_eq!(sample(logits, &cold, 7), draw(&distribution(logits, &cold), &cold, 7), "{logits:?}");
        }
        assert_eq!(
            sample(&[1.0, 3.0, 3.0], &PLAIN, 7),
            draw(&distribution(&[1.0, 3.0, 3.0], &PLAIN), &PLAIN, 7)
        );
        // Too close for their f32 probabilities to differ: the logits decide.
        let near = [1.0, f32::from_bits(1.0f32.to_bits() + 1)];
        assert_eq!(after(&near, cold), [(1, 1.0)]);
    }

    #[test]
    fn extreme_logits_give_numbers() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        for (logits, want) in [
            (vec![1e30, -1e30, 0.0], vec![(0, 1.0)]),
            (vec![f32::MAX, f32::MIN], vec![(0, 1.0)]),
            (vec![nan, 0.0, nan], vec![(1, 1.0)]),
            (vec![0.0, inf, inf, nan, -inf], vec![(1, 0.5), (2, 0.5)]),
            (vec![-inf, 5.0], vec![(1, 1.0)]),
            (vec![nan, nan], vec![]),
            (vec![-inf, -inf], vec![]),
            (vec![], vec![]),
        ] {
            close(&after(&logits, PLAIN), &want);
            let all = distribution(&logits, &Sampling { temperature: 0.7, top_k: 2, top_p: 0.9, seed: 1 });
            assert!(all.iter().all(|c| c.before.is_finite() && c.after.is_finite()));
            assert_eq!(draw(&all, &PLAIN, 3).is_none(), want.is_empty());
        }
    }

    #[test]
    fn the_hash_is_pcg3d() {
        // Computed from the paper's formulas by NumPy.
        for (numbers, hash) in [
            ([0, 0, 0], [2_611_992_518, 2_833_812_075, 1_058_359_340]),
            ([1, 2, 3], [4_204_755_366, 1_223_881_804, 1_500_469_937]),
            ([7, 0, 50_256], [60_783_839, 949_104_011, 90_817_161]),
            ([u32::MAX, 1023, 4095], [671_142_358, 675_863_246, 4_109_227_830]),
        ] {
            assert_eq!(pcg3d(numbers), hash);
        }
    }

    #[test]
    fn a_draw_depends_on_seed_and_step_alone() {
        let all = distribution(&[0.0; 64], &PLAIN);
        let drawn =
            |seed| (0..32).map(|step| draw(&all, &Sampling { seed, ..PLAIN }, step)).collect::<Vec<_>>();
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
        assert_eq!(drawn(7)[20], draw(&all, &Sampling { seed: 7, ..PLAIN }, 20));
    }

    /// The 99.9th percentile of chi-square, by Wilson and Hilferty's approximation (1931).
    fn most_chi_square(freedom: f64) -> f64 {
        let spread = 2.0 / (9.0 * freedom);
        freedom * (1.0 - spread + 3.09 * spread.sqrt()).powi(3)
    }

    #[test]
    fn tokens_are_drawn_as_often_as_their_probability_says() {
        let falling: Vec<f32> = (0..60u8).map(|id| 0.93f32.powi(id.into())).collect();
        for probabilities in [&[0.5, 0.25, 0.15, 0.1][..], &[0.5, 0.5], &[1.0; 30], &falling] {
            let all = distribution(&logits_of(probabilities), &PLAIN);
            let draws = 20_000;
            let drawn_at = |seed, step| draw(&all, &Sampling { seed, ..PLAIN }, step).unwrap();
            // By steps of one seed, by seeds at one step, and by the first steps of many seeds: what readers do.
            let by_step: Vec<u32> = (0..draws).map(|step| drawn_at(7, step)).collect();
            let by_seed: Vec<u32> = (0..draws).map(|seed| drawn_at(seed as u32, 3)).collect();
            let by_both: Vec<u32> = (0..draws).map(|draw| drawn_at((draw / 20) as u32, draw % 20)).collect();
            for drawn in [by_step, by_seed, by_both] {
                let chi_square: f64 = all
                    .iter()
                    .map(|candidate| {
                        let expected = f64::from(candidate.after) * draws as f64;
                        let seen = drawn.iter().filter(|drawn| **drawn == candidate.id).count() as f64;
                        (seen - expected).powi(2) / expected
                    })
                    .sum();
                // It is passed once in a thousand.
                let count = probabilities.len();
                let most = most_chi_square((count - 1) as f64);
                assert!(chi_square < most, "{chi_square} of {count} candidates, {most} at most");
                // And none is drawn more often after itself than it should be.
                let again = drawn.windows(2).filter(|pair| pair[0] == pair[1]).count() as f64;
                let share: f64 = all.iter().map(|candidate| f64::from(candidate.after).powi(2)).sum();
                let deviation = (share * (1.0 - share) * draws as f64).sqrt();
                let off = (again - share * draws as f64).abs() / deviation;
                assert!(off < 4.0, "{off} standard deviations off, of {count} candidates");
            }
        }
    }

    #[test]
    fn what_filters_leave_keeps_its_luck() {
        let logits: Vec<f32> = (0..200).map(|id| ((id * 37 % 101) as f32).sin() * 3.0).collect();
        let all = distribution(&logits, &PLAIN);
        for step in 0..200 {
            let drawn = draw(&all, &PLAIN, step).unwrap();
            for (top_k, top_p) in [(20, 1.0), (0, 0.8), (50, 0.9)] {
                let cut = distribution(&logits, &Sampling { top_k, top_p, ..PLAIN });
                let kept = |id| cut.iter().any(|candidate| candidate.id == id && candidate.cut.is_none());
                let then = draw(&cut, &PLAIN, step).unwrap();
                assert!(kept(then) && (then == drawn || !kept(drawn)), "{then} is drawn instead of {drawn}");
            }
        }
    }
}
