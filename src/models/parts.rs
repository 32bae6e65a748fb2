//! What both networks are made of: Burn's layers filled with a checkpoint's weights, and attention.

use std::sync::Arc;

use burn::module::Param;
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use cloze_arithmetic::Panels;

use super::Recorder;
use super::dense::{Dense, softmax};
use crate::checkpoint::{self, CheckpointError, Matrix, TensorFile};
use crate::trace::{Ablation, Embedding, Hook};

/// Added to the scores of keys that are not visible. Its exponential is exactly 0 in f32, and unlike −∞ it is
/// defined on every GPU.
const NOT_VISIBLE: f32 = -1e9;

/// Takes tensors out of a checkpoint's file.
pub(super) struct Weights<'a> {
    pub file: &'a TensorFile,
    pub device: &'a Device,
}

impl Weights<'_> {
    pub(super) fn vector(&self, tensor: &checkpoint::Tensor) -> Result<Tensor<1>, CheckpointError> {
        let values = self.file.vector(tensor)?;
        Ok(Tensor::from_data(TensorData::new(values, [tensor.count]), self.device))
    }

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
        Ok(Dense::new(self.panels(&linear.weight)?, self.file.vector(&linear.bias)?))
    }

    /// `[in, out]`, whichever way it lies in the file.
    fn panels(&self, matrix: &Matrix) -> Result<Panels, CheckpointError> {
        let values = self.file.vector(&matrix.tensor)?;
        Ok(Panels::new(matrix.rows, matrix.cols, |row, col| values[matrix.index(row, col)]))
    }

    pub(super) fn norm(&self, norm: &checkpoint::Norm, epsilon: f64) -> Result<LayerNorm, CheckpointError> {
        let mut layer = LayerNormConfig::new(norm.gamma.count).with_epsilon(epsilon).init(self.device);
        layer.gamma = Param::from_tensor(self.vector(&norm.gamma)?);
        layer.beta = Some(Param::from_tensor(self.vector(&norm.beta)?));
        Ok(layer)
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
/// - `q`: `[head, query, head size]`; `k`, `v`: `[head, key, head size]`; `visible`: `[query, key]` of 1 and 0
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
    let [heads, queries, size] = q.dims();
    let scores = rec.record(Hook::AttnScores(layer), q.matmul(k.swap_dims(1, 2)) * scale); // [head, query, key]
    if rec.wants(Hook::Mask(layer)) {
        rec.record(Hook::Mask(layer), visible.ones_and_zeros(&scores.device()));
    }
    let scores = match &visible.bias {
        Some(bias) => scores + bias.clone().unsqueeze::<3>(),
        None => scores,
    };
    let mut pattern = softmax(scores);
    if visible.edited {
        // A query that sees nothing would look everywhere alike.
        let device = pattern.device();
        pattern = pattern * visible.ones_and_zeros(&device).unsqueeze::<3>();
    }
    let pattern = rec.record(Hook::Pattern(layer), pattern);
    let mut z = pattern.matmul(v).swap_dims(0, 1); // [query, head, head size]
    if (0..heads).any(|head| ablate.is_off(layer, head)) {
        let on: Vec<f32> =
            (0..heads).map(|head| if ablate.is_off(layer, head) { 0.0 } else { 1.0 }).collect();
        z = z.clone() * Tensor::<3>::from_data(TensorData::new(on, [1, heads, 1]), &z.device());
    }
    rec.record(Hook::Z(layer), z).reshape([queries, heads * size])
}

/// Which key each query may look at.
pub(super) struct Visible {
    queries: usize,
    keys: usize,
    /// Row after row.
    seen: Vec<bool>,
    /// Whether it is another mask than the model's own.
    edited: bool,
    /// 0 where the query may look, else [`NOT_VISIBLE`], `[query, key]`; none where every query sees every key.
    bias: Option<Tensor<2>>,
}

impl Visible {
    /// `queries` that stand at the end of `keys` positions each look everywhere or, if `causal`, at themselves and
    /// backwards, but for the cells that `ablate` flips.
    pub(super) fn new(
        queries: usize,
        keys: usize,
        causal: bool,
        ablate: &Ablation,
        device: &Device,
    ) -> Visible {
        let seen = ablate.visible(queries, keys, causal);
        let mut visible = Visible { queries, keys, seen, edited: !ablate.mask.is_empty(), bias: None };
        if visible.seen.contains(&false) {
            visible.bias = Some(visible.values(0.0, NOT_VISIBLE, device));
        }
        visible
    }

    fn ones_and_zeros(&self, device: &Device) -> Tensor<2> {
        self.values(1.0, 0.0, device)
    }

    fn values(&self, seen: f32, hidden: f32, device: &Device) -> Tensor<2> {
        let values: Vec<f32> = self.seen.iter().map(|looks| if *looks { seen } else { hidden }).collect();
        Tensor::from_data(TensorData::new(values, [self.queries, self.keys]), device)
    }
}
