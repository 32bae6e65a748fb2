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

/// So many of the most probable candidates stand first in the order of a draw, by rank; the others follow by id.
///
/// Where thousands of candidates are about as probable, two engines' last digits decide their ranks, and a draw among
/// them would not be the same on both.
pub const DRAWN_BY_RANK: usize = 64;

/// The id drawn at `step` (counted from 0) from `distribution`; none if nothing in it has a chance.
///
/// The draw depends on the seed and the step alone, so that going back and forth repeats itself and every engine
/// draws the same.
pub fn draw(distribution: &[Considered], sampling: &Sampling, step: usize) -> Option<u32> {
    let total: f64 = distribution.iter().map(|candidate| f64::from(candidate.after)).sum();
    let threshold = uniform(sampling.seed, step) * total;
    let mut sum = 0.0;
    let mut drawn = None;
    let mut reached = |candidate: &Considered| {
        sum += f64::from(candidate.after);
        drawn = Some(candidate.id);
        sum > threshold
    };
    let possible = |candidate: &&Considered| candidate.after > 0.0;
    let (first, others) = distribution.split_at(distribution.len().min(DRAWN_BY_RANK));
    // Most draws end here, and the others need not be put in order.
    if !first.iter().filter(possible).any(&mut reached) {
        let mut others: Vec<&Considered> = others.iter().filter(possible).collect();
        others.sort_unstable_by_key(|candidate| candidate.id);
        others.into_iter().any(reached);
    }
    drawn
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

/// What decides the draw at `step`: a number in 0 to 1, 1 excluded. It is the output numbered `step` of SplitMix64
/// started at `seed` (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"). Its state grows
/// by a constant, so any output can be had without those before it.
pub(crate) fn uniform(seed: u32, step: usize) -> f64 {
    // The upper 53 bits fill an f64's mantissa.
    (split_mix_64(u64::from(seed), step as u64) >> 11) as f64 / (1u64 << 53) as f64
}

fn split_mix_64(seed: u64, index: u64) -> u64 {
    let mut z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
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
    fn the_generator_is_split_mix_64() {
        // The first outputs of the authors' own program from these two seeds.
        assert_eq!(split_mix_64(0, 0), 0xe220_a839_7b1d_cdaf);
        let known: [u64; 3] =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        for (index, output) in (0..).zip(known) {
            assert_eq!(split_mix_64(1_234_567, index), output);
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

    #[test]
    fn tokens_are_drawn_as_often_as_their_probability_says() {
        let probabilities = [0.5, 0.25, 0.15, 0.1];
        let all = distribution(&logits_of(&probabilities), &PLAIN);
        let draws = 4000;
        // By steps of one seed, and by seeds at one step: both are what readers do.
        let by_step = (0..draws)
            .filter_map(|step| draw(&all, &Sampling { seed: 7, ..PLAIN }, step))
            .collect::<Vec<_>>();
        let by_seed = (0..draws as u32)
            .filter_map(|seed| draw(&all, &Sampling { seed, ..PLAIN }, 3))
            .collect::<Vec<_>>();
        for drawn in [by_step, by_seed] {
            let chi_square: f64 = (0u32..)
                .zip(&probabilities)
                .map(|(id, p)| {
                    let expected = f64::from(*p) * draws as f64;
                    let seen = drawn.iter().filter(|drawn| **drawn == id).count() as f64;
                    (seen - expected).powi(2) / expected
                })
                .sum();
            // Three degrees of freedom: 16.3 is passed once in a thousand.
            assert!(chi_square < 16.3, "{chi_square}");
        }
    }
}
