//! What both networks are made of: layers filled with a checkpoint's weights, and attention.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};
use cloze_arithmetic::Panels;

use super::Recorder;
use super::dense::{Dense, Norm, context, scores, softmax};
use crate::checkpoint::{self, CheckpointError, Matrix, TensorFile};
use crate::trace::{Ablation, Embedding, Hook, Sight};

/// Takes tensors out of a checkpoint's file.
pub(super) struct Weights<'a> {
    pub file: &'a TensorFile,
    pub device: &'a Device,
}

impl Weights<'_> {
    /// A table that is only looked up in, `[rows, columns]`.
    pub(super) fn table(&self, matrix: &Matrix) -> Result<Tensor<2>, CheckpointError> {
        let values = self.file.vector(&matrix.tensor)?;
        Ok(Tensor::from_data(TensorData::new(values, [matrix.rows, matrix.cols]), self.device))
    }

    /// A table of words, `[words, hidden]`, as the map from a hidden state to a score for each word.
    pub(super) fn words(&self, table: &Matrix) -> Result<Arc<Panels>, CheckpointError> {
        Ok(Arc::new(self.panels(&table.turned())?))
    }

    pub(super) fn dense(&self, linear: &checkpoint::Linear) -> Result<Dense, CheckpointError> {
        self.side_by_side(std::slice::from_ref(linear))
    }

    /// Maps of the same input whose outputs stand side by side, as one.
    pub(super) fn side_by_side(&self, maps: &[checkpoint::Linear]) -> Result<Dense, CheckpointError> {
        let (mut weights, mut bias) = (Vec::new(), Vec::new());
        for map in maps {
            weights.push((&map.weight, self.file.vector(&map.weight.tensor)?));
            if let Some(more) = &map.bias {
                bias.extend(self.file.vector(more)?);
            }
        }
        let width = |index: usize| weights.get(index).map_or(1, |(matrix, _)| matrix.cols);
        let inputs = weights.first().map_or(0, |(matrix, _)| matrix.rows);
        let panels = Panels::new(inputs, width(0) * weights.len(), |row, col| {
            let (matrix, values) = &weights[col / width(0)];
            values[matrix.index(row, col % width(0))]
        });
        Ok(Dense::new(panels, bias))
    }

    /// `[in, out]`, whichever way it lies in the file.
    fn panels(&self, matrix: &Matrix) -> Result<Panels, CheckpointError> {
        let values = self.file.vector(&matrix.tensor)?;
        Ok(Panels::new(matrix.rows, matrix.cols, |row, col| values[matrix.index(row, col)]))
    }

    pub(super) fn norm(&self, norm: &checkpoint::Norm, epsilon: f64) -> Result<Norm, CheckpointError> {
        Ok(Norm::new(self.file.vector(&norm.gamma)?, self.file.vector(&norm.beta)?, epsilon as f32))
    }
}

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
