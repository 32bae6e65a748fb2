//! The next token, drawn from a row of logits: `draw.wgsl`.

use super::top::ranked;
use super::{Memory, RunWords, shape};

shape! {
    /// As `struct Shape` in `draw.wgsl`. Offsets into the arena count numbers.
    {
        /// Length of the row of logits.
        vocabulary: u32,
        /// The row that is drawn from.
        logits: u32,
        /// The largest logit of each of its groups.
        maxima: u32,
        /// The list of that row, which begins with its largest logit.
        best: u32,
        /// The id that is drawn, as a number.
        drawn: u32,
    }
}

impl Shape {
    /// Workgroups.
    pub fn grid(&self) -> [u32; 2] {
        [1, 1]
    }
}

/// As `luck_of` in `draw.wgsl`.
fn luck(run: &RunWords, id: u32) -> f32 {
    let mix = |[x, y, z]: [u32; 3]| {
        let x = x.wrapping_add(y.wrapping_mul(z));
        let y = y.wrapping_add(z.wrapping_mul(x));
        [x, y, z.wrapping_add(x.wrapping_mul(y))]
    };
    let words = [run.seed(), run.step(), id].map(|x| x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let [_, _, hash] = mix(mix(words).map(|x| x ^ x >> 16));
    -(-(f64::from(hash) + 0.5) / 2f64.powi(32)).ln_1p() as f32
}

/// The same on the CPU, for the tests: it sorts the whole row.
pub fn twin(shape: &Shape, memory: &mut Memory<'_>) {
    let Memory { arena, run, .. } = memory;
    let vocabulary = shape.vocabulary as usize;
    let largest = arena[shape.best as usize];
    let weight = |logit: f32| ((logit - largest).max(f32::MIN) * run.inverse_temperature()).max(-80.0).exp();
    let mut candidates = ranked(&arena[shape.logits as usize..][..vocabulary]);
    if run.top_k() > 0 {
        candidates.truncate(run.top_k());
    }
    if run.top_p() < 1.0 {
        let pool: f32 = candidates.iter().map(|(_, logit)| weight(*logit)).sum();
        let mut before = 0.0;
        let kept = candidates.iter().take_while(|(_, logit)| {
            let is_kept = before < run.top_p() * pool;
            before += weight(*logit);
            is_kept
        });
        candidates.truncate(kept.count().max(1));
    }
    let arrives = |(id, logit): &(u32, f32)| luck(run, *id) / weight(*logit);
    let first = candidates.iter().min_by(|a, b| arrives(a).total_cmp(&arrives(b)).then(a.0.cmp(&b.0)));
    if let Some((id, _)) = first {
        arena[shape.drawn as usize] = *id as f32;
    }
}

#[cfg(test)]
mod tests;
