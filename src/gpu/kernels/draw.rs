//! The next token, drawn from the best of a row of logits: `draw.wgsl`.

use super::top::{Best, LIST, TOP};
use super::{Memory, RunWords, shape};

/// How far a sum of e^x over a vocabulary may be off, relative to itself: `draw.wgsl` says why.
const ROUNDING: f32 = 2e-5;

/// How many numbers a draw leaves.
pub const DRAWN: usize = 2;

shape! {
    /// As `struct Shape` in `draw.wgsl`. Offsets into the arena count numbers.
    {
        /// Length of a row of logits.
        vocabulary: u32,
        /// The list of the row that is drawn from.
        best: u32,
        /// What is drawn, `[DRAWN]`.
        drawn: u32,
    }
}

impl Shape {
    /// Workgroups.
    pub fn grid(&self) -> [u32; 2] {
        [1, 1]
    }
}

/// What was drawn, of the [`DRAWN`] numbers that were read back: an id, or none where the draw is not decided and needs
/// all logits.
pub fn read(drawn: &[f32]) -> Option<u32> {
    match drawn {
        &[id, 1.0] => Some(id as u32),
        _ => None,
    }
}

/// What a draw begins with.
struct Listed<'a> {
    /// For each listed candidate the sum of its weight and of those before it.
    sums: &'a [f32],
    /// Whether all candidates within k are listed.
    all: bool,
    run: &'a RunWords,
}

impl Listed<'_> {
    /// The rank that is drawn if the candidates within k weigh `pool` together; none if it lies beyond the listed ones.
    fn rank(&self, pool: f32, overshoot: f32, rounding: f32) -> Option<usize> {
        let reach = self.run.top_p() * pool * rounding;
        let last = self.sums.iter().position(|sum| *sum >= reach);
        let total = last.map_or((reach + overshoot).min(pool), |last| self.sums[last]);
        let kept = last.map_or(self.sums.len(), |last| last + 1);
        let threshold = self.run.uniform() * total * rounding;
        let found = self.sums[..kept].iter().position(|sum| *sum > threshold);
        found.or((self.all || last.is_some()).then(|| kept - 1))
    }
}

/// The same on the CPU, for the tests.
pub fn twin(shape: &Shape, memory: &mut Memory<'_>) {
    let Memory { arena, run, .. } = memory;
    let Some(best) = Best::read(&arena[shape.best as usize..][..LIST]) else { return };
    let vocabulary = shape.vocabulary as usize;
    let within_k = if run.top_k() == 0 { vocabulary } else { run.top_k().min(vocabulary) };
    let listed = within_k.min(TOP);
    let mut sums = Vec::new();
    let (mut sum, mut weight) = (0.0, 0.0);
    for (_, logit) in &best.candidates[..listed] {
        weight = ((logit - best.largest).max(f32::MIN) * run.inverse_temperature()).max(-100.0).exp();
        sum += weight;
        sums.push(sum);
    }
    let (mut least, mut most) = (sum, sum);
    if listed < within_k {
        let everything = best.total_at_temperature.max(sum);
        least = if within_k == vocabulary { everything } else { sum };
        most = everything.min(sum + (within_k - listed) as f32 * weight);
    }
    let listed = Listed { sums: &sums, all: listed == within_k, run };
    let rank = listed.rank(least, 0.0, 1.0 - ROUNDING);
    let other = listed.rank(least.max(most), weight, 1.0 + ROUNDING);
    let decided = rank.filter(|_| rank == other && best.finite);
    let drawn = &mut arena[shape.drawn as usize..][..DRAWN];
    drawn[0] = best.candidates[decided.unwrap_or(0)].0 as f32;
    drawn[1] = f32::from(u8::from(decided.is_some()));
}

#[cfg(test)]
mod tests;
