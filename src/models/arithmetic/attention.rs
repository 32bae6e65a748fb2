//! Scaled dot-product attention (Vaswani et al. 2017, section 3.2.1): what stands before its softmax, and what after.
//!
//! The keys of a head are the weights of a linear map of its queries, its values those of a map of what its queries attend to.

use super::Panels;
use super::rows::{add_scaled, dot};

/// For so many queries it does not pay to bring keys and values into panels.
const FEW: usize = 2;

/// How positions are divided: `[position, head, head size]`.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    /// How many heads there are.
    pub count: usize,
    /// Dimensions of a head.
    pub size: usize,
}

impl Heads {
    /// Numbers of a position.
    fn hidden(self) -> usize {
        (self.count * self.size).max(1)
    }

    /// `q · k * scale`: `[query, head, head size]` and `[key, head, head size]` to `[head, query, key]`.
    pub fn scores(self, q: &[f32], k: &[f32], scale: f32) -> Vec<f32> {
        let hidden = self.hidden();
        let (queries, keys) = (q.len() / hidden, k.len() / hidden);
        let mut scores = vec![0.0; self.count * queries * keys];
        for (head, scores) in scores.chunks_mut((queries * keys).max(1)).enumerate() {
            let own = head * self.size..(head + 1) * self.size;
            let q = q.chunks(hidden).map(|q| &q[own.clone()]);
            if queries <= FEW {
                for (q, scores) in q.zip(scores.chunks_mut(keys)) {
                    for (k, score) in k.chunks(hidden).zip(scores) {
                        *score = dot(q, &k[own.clone()]) * scale;
                    }
                }
            } else {
                let map = Panels::new(self.size, keys, |d, key| k[key * hidden + own.start + d] * scale);
                map.multiply(&q.flatten().copied().collect::<Vec<f32>>(), &[], scores);
            }
        }
        scores
    }

    /// The sum of values by their weights: `[head, query, key]` and `[key, head, head size]` to `[query, head, head size]`.
    pub fn context(self, pattern: &[f32], v: &[f32]) -> Vec<f32> {
        let hidden = self.hidden();
        let keys = v.len() / hidden;
        let queries = pattern.len() / (self.count * keys).max(1);
        let mut context = vec![0.0; queries * hidden];
        for (head, pattern) in pattern.chunks((queries * keys).max(1)).enumerate() {
            let own = head * self.size..(head + 1) * self.size;
            if queries <= FEW {
                for (pattern, context) in pattern.chunks(keys).zip(context.chunks_mut(hidden)) {
                    for (weight, v) in pattern.iter().zip(v.chunks(hidden)) {
                        add_scaled(&mut context[own.clone()], &v[own.clone()], *weight);
                    }
                }
            } else {
                let map = Panels::new(keys, self.size, |key, d| v[key * hidden + own.start + d]);
                map.multiply_into(pattern, &[], &mut context[own.start..], hidden);
            }
        }
        context
    }
}
