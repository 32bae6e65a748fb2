//! Scaled dot-product attention: `attention.wgsl`.

use super::{Memory, NONE, Widths, shape};
use crate::trace::Sight;

shape! {
    /// As `struct Shape` in `attention.wgsl`. Offsets into the arena count numbers.
    {
        /// How many heads.
        heads: u32,
        /// Dimensions of a head.
        head_size: u32,
        /// What products of queries and keys are multiplied by.
        scale: f32,
        /// How many positions a query sees at most: its own and those before it. 0 where it sees every position.
        window: u32,
        /// Queries, `[position, head, head size]`.
        q: u32,
        /// Keys, `[head, head size, position]`.
        keys: u32,
        /// Values, `[position, head, head size]`.
        values: u32,
        /// The heads' outputs, `[position, head, head size]`.
        z: u32,
        /// The slot of the scores, `[head, query, key]`.
        want_scores: u32,
        /// The slot of the pattern, `[head, query, key]`.
        want_pattern: u32,
        /// Where the words of a run begin whose bits switch this block's heads off.
        heads_off: u32,
        /// Where those begin whose bits flip cells of the mask.
        edits: u32,
        /// Positions that there is room for.
        capacity: u32,
    }
}

impl Shape {
    /// Workgroups for `rows` queries.
    pub fn grid(&self, widths: &Widths, rows: usize) -> [u32; 2] {
        // Four queries of a head, or one query of each of some heads.
        match widths.shares {
            true => [self.heads, rows.div_ceil(4) as u32],
            false => [self.heads.div_ceil(widths.attention_lanes), rows as u32],
        }
    }
}

/// Of a shape, the window of a block whose queries look so.
pub fn window(sight: Sight) -> u32 {
    match sight {
        Sight::Everywhere => 0,
        Sight::Back => NONE,
        Sight::Near(window) => window as u32,
    }
}

/// The same on the CPU, for the tests.
pub fn twin(shape: &Shape, memory: &mut Memory<'_>) {
    let Memory { arena, run, trace, .. } = memory;
    let (size, capacity) = (shape.head_size as usize, run.layout.capacity);
    let hidden = shape.heads as usize * size;
    let keys = run.past() + run.rows();
    let sight = match shape.window {
        0 => Sight::Everywhere,
        window => Sight::Near(window as usize),
    };
    for head in 0..shape.heads as usize {
        for row in 0..run.rows() {
            let position = run.past() + row;
            let q = &arena[shape.q as usize + position * hidden + head * size..][..size];
            let key_at =
                |key: usize, d: usize| arena[shape.keys as usize + (head * size + d) * capacity + key];
            let scores: Vec<f32> = (0..keys)
                .map(|key| q.iter().enumerate().map(|(d, q)| q * key_at(key, d)).sum::<f32>() * shape.scale)
                .collect();
            let seen: Vec<bool> = (0..keys).map(|key| run.sees(position, key, sight)).collect();
            let largest = scores
                .iter()
                .zip(&seen)
                .filter(|(_, seen)| **seen)
                .fold(f32::MIN, |most, (score, _)| most.max(*score));
            let weight = |(score, seen): (&f32, &bool)| if *seen { (score - largest).exp() } else { 0.0 };
            let mut pattern: Vec<f32> = scores.iter().zip(&seen).map(weight).collect();
            let sum: f32 = pattern.iter().sum();
            if sum > 0.0 {
                pattern.iter_mut().for_each(|weight| *weight /= sum);
            }

            let map_row = (head * run.rows() + row) * keys;
            for (slot, values) in [(shape.want_scores, &scores), (shape.want_pattern, &pattern)] {
                if let Some(at) = run.wanted(slot) {
                    trace[at + map_row..][..keys].copy_from_slice(values);
                }
            }
            for d in 0..size {
                let value = |key: usize| arena[shape.values as usize + key * hidden + head * size + d];
                let z: f32 = pattern.iter().enumerate().map(|(key, weight)| weight * value(key)).sum();
                let z = if run.is_off(shape.heads_off, head) { 0.0 } else { z };
                arena[shape.z as usize + position * hidden + head * size + d] = z;
            }
        }
    }
}
