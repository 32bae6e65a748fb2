//! Linear maps, attention and norms on the processor, and what is applied to each of their values.
//!
//! Burn multiplies matrices by a library for large ones: it brings a map's weights into its kernel's order at every call,
//! which for the few rows of a sentence takes as long as the arithmetic, and has no good kernel for one row. Here the weights
//! are brought into that order once, when a checkpoint is loaded. A norm is a dozen of its operations, each with memory of its
//! own; here it is one. The numbers leave Burn's tensors for all that, so that what is trained through Burn needs Burn's own
//! layers in this place.

use burn::tensor::{Device, Tensor, TensorData};
use cloze_arithmetic::{Heads, Panels, gelu, gelu_tanh, layer_norm, relu, silu, tanh};

use crate::checkpoint::Activation;

/// `x · weights + bias`: `[rows, in]` to `[rows, out]`. An empty bias is none.
pub(super) fn map(weights: &Panels, x: Tensor<2>, bias: &[f32]) -> Tensor<2> {
    let ([rows, _], [_, outputs]) = (x.dims(), weights.shape());
    let device = x.device();
    let mut y = vec![0.0; rows * outputs];
    weights.multiply(&values(x), bias, &mut y);
    Tensor::from_data(TensorData::new(y, [rows, outputs]), &device)
}

/// Rows of a table of words that lies as the map from a hidden state to their scores: `[ids, hidden]`.
pub(super) fn words(table: &Panels, ids: &[u32], device: &Device) -> Tensor<2> {
    let [hidden, _] = table.shape();
    let mut rows = Vec::with_capacity(ids.len() * hidden);
    for id in ids {
        table.append_row(*id as usize, &mut rows);
    }
    Tensor::from_data(TensorData::new(rows, [ids.len(), hidden]), device)
}

/// A linear map with a bias: `y = x · weight + bias`.
pub(super) struct Dense {
    weight: Panels,
    bias: Vec<f32>,
}

impl Dense {
    pub(super) fn new(weight: Panels, bias: Vec<f32>) -> Dense {
        Dense { weight, bias }
    }

    /// `[rows, in]` to `[rows, out]`.
    pub(super) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        map(&self.weight, x, &self.bias)
    }
}

/// An activation function of each value.
pub(super) fn activate(activation: Activation, x: Tensor<2>) -> Tensor<2> {
    let function = match activation {
        Activation::Gelu => gelu,
        Activation::GeluTanh => gelu_tanh,
        Activation::Relu => relu,
        Activation::Silu => silu,
        Activation::Tanh => tanh,
    };
    in_place(x, function)
}

/// A layer norm.
pub(super) struct Norm {
    gamma: Vec<f32>,
    beta: Vec<f32>,
    epsilon: f32,
}

impl Norm {
    pub(super) fn new(gamma: Vec<f32>, beta: Vec<f32>, epsilon: f32) -> Norm {
        Norm { gamma, beta, epsilon }
    }

    /// Of each row of `[rows, hidden]`.
    pub(super) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        in_place(x, |values| layer_norm(values, &self.gamma, &self.beta, self.epsilon))
    }
}

/// `q · k * scale` in each head: `[query, head, head size]` and `[key, head, head size]` to `[head, query, key]`.
pub(super) fn scores(q: Tensor<3>, k: Tensor<3>, scale: f32) -> Tensor<3> {
    let ([queries, count, size], [keys, ..]) = (q.dims(), k.dims());
    let device = q.device();
    let scores = Heads { count, size }.scores(&values(q), &values(k), scale);
    Tensor::from_data(TensorData::new(scores, [count, queries, keys]), &device)
}

/// Softmax of scores, `[head, query, key]`, over the keys that are `seen`, `[query, key]`; the others get 0. A query that sees
/// nothing gives 0 to all.
pub(super) fn softmax(scores: Tensor<3>, seen: &[bool]) -> Tensor<3> {
    let [_, _, keys] = scores.dims();
    // Of each query, up to which key it sees any: GPT's see none after themselves.
    let last_seen = |seen: &[bool]| seen.iter().rposition(|seen| *seen).map_or(0, |last| last + 1);
    let ends: Vec<usize> = seen.chunks(keys.max(1)).map(last_seen).collect();
    in_place(scores, |scores| {
        let queries = seen.chunks(keys.max(1)).zip(ends.iter().copied()).cycle();
        for (row, (seen, end)) in scores.chunks_mut(keys.max(1)).zip(queries) {
            let (row, rest) = row.split_at_mut(end);
            for (score, _) in row.iter_mut().zip(seen).filter(|(_, seen)| !**seen) {
                *score = NOT_SEEN;
            }
            cloze_arithmetic::softmax(row, end);
            rest.fill(0.0);
        }
    })
}

/// The score of a key that is not seen: its exponential is exactly 0 beside that of any other.
const NOT_SEEN: f32 = -1e9;

/// The sums of values by their weights: `[head, query, key]` and `[key, head, head size]` to `[query, head, head size]`.
pub(super) fn context(pattern: Tensor<3>, v: Tensor<3>) -> Tensor<3> {
    let ([count, queries, _], [_, _, size]) = (pattern.dims(), v.dims());
    let device = v.device();
    let context = Heads { count, size }.context(&values(pattern), &values(v));
    Tensor::from_data(TensorData::new(context, [queries, count, size]), &device)
}

fn in_place<const D: usize>(x: Tensor<D>, function: impl Fn(&mut [f32])) -> Tensor<D> {
    let (shape, device) = (x.dims(), x.device());
    let mut values = values(x);
    function(&mut values);
    Tensor::from_data(TensorData::new(values, shape), &device)
}

/// A tensor's values, row after row; without a copy, if nobody else holds it. They lie in memory and are of f32; what were not
/// would be converted.
fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().convert::<f32>().try_into_vec().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::nn::LayerNormConfig;
    use burn::tensor::activation;

    use super::*;

    fn noise(shape: [usize; 2]) -> Tensor<2> {
        let values =
            (0..shape[0] * shape[1]).map(|i| ((i * 7919 + 13) % 1009) as f32 / 42.0 - 12.0).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn largest<const D: usize>(difference: Tensor<D>) -> f32 {
        difference.abs().max().into_scalar::<f32>()
    }

    #[test]
    fn a_map_agrees_with_burn_s() {
        let (x, weight, bias) = (noise([7, 33]), noise([33, 29]), noise([1, 29]));
        let known = values(weight.clone());
        let panels = Panels::new(33, 29, |input, output| known[input * 29 + output]);
        let dense = Dense::new(panels, values(bias.clone()));
        assert!(largest(dense.forward(x.clone()) - (x.matmul(weight.clone()) + bias)) < 1e-2);
        let rows = words(&dense.weight, &[28, 0], &Device::flex());
        let turned = weight.transpose();
        assert_eq!(
            values(rows),
            values(Tensor::cat(vec![turned.clone().narrow(0, 28, 1), turned.narrow(0, 0, 1)], 0))
        );
    }

    #[test]
    fn a_norm_agrees_with_burn_s() {
        let (x, gamma, beta) = (noise([7, 33]), noise([1, 33]), noise([2, 33]).narrow(0, 1, 1));
        let mut layer = LayerNormConfig::new(33).with_epsilon(1e-3).init(&Device::flex());
        layer.gamma = Param::from_tensor(gamma.clone().squeeze_dim(0));
        layer.beta = Some(Param::from_tensor(beta.clone().squeeze_dim(0)));
        let ours = Norm::new(values(gamma), values(beta), 1e-3).forward(x.clone());
        assert!(largest(ours - layer.forward(x)) < 1e-4);
    }

    #[test]
    fn attention_agrees_with_burn_s_at_odd_shapes() {
        for (queries, keys, heads, size) in [(5, 17, 3, 7), (1, 1, 1, 4), (64, 64, 6, 32), (2, 31, 4, 13)] {
            let three = |rows: usize, seed: usize| {
                noise([rows + seed, heads * size]).narrow(0, seed, rows).reshape([rows, heads, size]) / 12.0
            };
            let (q, k, v) = (three(queries, 0), three(keys, 1), three(keys, 2));
            let by_head = |x: &Tensor<3>| x.clone().swap_dims(0, 1);
            let ours = scores(q.clone(), k.clone(), 0.3);
            let theirs = by_head(&q).matmul(by_head(&k).swap_dims(1, 2)) * 0.3;
            assert!(largest(ours.clone() - theirs.clone()) < 1e-4, "scores of {queries} × {keys}");

            // Every third key is hidden; the first query sees none.
            let seen: Vec<bool> = (0..queries * keys).map(|cell| cell >= keys && cell % 3 > 0).collect();
            let hidden = seen.iter().map(|seen| if *seen { 0.0 } else { -1e9 }).collect::<Vec<f32>>();
            let bias = Tensor::<2>::from_data(TensorData::new(hidden, [queries, keys]), &Device::flex());
            let pattern = softmax(ours, &seen);
            let rest = queries - 1;
            assert_eq!(values(pattern.clone().narrow(1, 0, 1)), vec![0.0; heads * keys]);
            if rest > 0 {
                let theirs = activation::softmax(theirs + bias.unsqueeze::<3>(), 2);
                assert!(largest(pattern.clone().narrow(1, 1, rest) - theirs.narrow(1, 1, rest)) < 1e-6);
            }

            let ours = context(pattern.clone(), v.clone());
            let theirs = pattern.matmul(by_head(&v)).swap_dims(0, 1);
            assert!(largest(ours - theirs) < 1e-5, "context of {queries} × {keys}");
        }
    }

    #[test]
    fn activations_agree_with_burn_s() {
        let check = |name: Activation, function: fn(Tensor<2>) -> Tensor<2>| {
            let x = noise([24, 100]);
            let difference = largest(activate(name, x.clone()) - function(x));
            assert!(difference < 2e-6, "{name:?}: off by {difference}");
        };
        check(Activation::Gelu, activation::gelu);
        check(Activation::GeluTanh, activation::gelu_approximate);
        check(Activation::Relu, activation::relu);
        check(Activation::Silu, activation::silu);
        check(Activation::Tanh, activation::tanh);
    }
}
