//! What both networks are made of: embeddings, and attention.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::Recorder;
use super::dense::{context, scores, softmax};
use crate::trace::{Ablation, Embedding, Hook, Sight};

/// Rows of a table: `[rows, hidden]` and ids to `[ids, hidden]`.
pub(super) fn lookup(table: &Tensor<2>, ids: &[u32]) -> Tensor<2> {
    let ids: Vec<i32> = ids.iter().map(|id| id.cast_signed()).collect();
    let length = ids.len();
    let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [length]), &table.device());
    table.clone().select(0, ids)
}

/// `[position, hidden]` to `[position, head, head size]`.
pub(super) fn split_heads(x: Tensor<2>, heads: usize) -> Tensor<3> {
    let [positions, hidden] = x.dims();
    x.reshape([positions, heads, hidden / heads])
}

/// An embedding, or zeros if it is left out.
pub(super) fn keep(x: Tensor<2>, ablate: &Ablation, embedding: Embedding) -> Tensor<2> {
    if ablate.leaves_out(embedding) { x.zeros_like() } else { x }
}

/// What the heads of a block need to know.
#[derive(Clone, Copy)]
pub(super) struct Heads<'a> {
    /// The block, counted from 0.
    pub layer: usize,
    /// What scores are multiplied by.
    pub scale: f32,
    /// Which of them are switched off.
    pub ablate: &'a Ablation,
}

/// Scaled dot-product attention of `queries` that stand at the end of `keys` (Vaswani et al. 2017, section 3.2.1).
///
/// # Shapes
/// - `q`: `[query, head, head size]`; `k`, `v`: `[key, head, head size]`
/// - returns the heads' outputs side by side, `[query, hidden]`
pub(super) fn attend(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    visible: &Visible,
    heads: Heads<'_>,
    rec: &mut Recorder,
) -> Tensor<2> {
    let Heads { layer, scale, ablate } = heads;
    let [queries, heads, size] = q.dims();
    let scores = rec.record(Hook::AttnScores(layer), scores(q, k, scale)); // [head, query, key]
    if rec.wants(Hook::Mask(layer)) {
        rec.record(Hook::Mask(layer), visible.ones_and_zeros(&scores.device()));
    }
    let pattern = rec.record(Hook::Pattern(layer), softmax(scores, &visible.seen));
    let mut z = context(pattern, v); // [query, head, head size]
    if (0..heads).any(|head| ablate.is_off(layer, head)) {
        let on: Vec<f32> =
            (0..heads).map(|head| if ablate.is_off(layer, head) { 0.0 } else { 1.0 }).collect();
        z = z.clone() * Tensor::<3>::from_data(TensorData::new(on, [1, heads, 1]), &z.device());
    }
    rec.record(Hook::Z(layer), z).reshape([queries, heads * size])
}

/// Which key each query may look at.
pub(super) struct Visible {
    pub sight: Sight,
    queries: usize,
    keys: usize,
    /// Row after row.
    seen: Vec<bool>,
}

impl Visible {
    /// Of `queries` that stand at the end of `keys` positions, but for the cells that `ablate` flips.
    pub(super) fn new(queries: usize, keys: usize, sight: Sight, ablate: &Ablation) -> Visible {
        Visible { sight, queries, keys, seen: ablate.visible(queries, keys, sight) }
    }

    fn ones_and_zeros(&self, device: &Device) -> Tensor<2> {
        let values: Vec<f32> = self.seen.iter().map(|looks| if *looks { 1.0 } else { 0.0 }).collect();
        Tensor::from_data(TensorData::new(values, [self.queries, self.keys]), device)
    }
}
