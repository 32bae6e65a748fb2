//! Linear maps on the processor, and what is applied to each of their values.
//!
//! Burn multiplies matrices by a library for large ones: it brings a map's weights into its kernel's order at every call,
//! which for the few rows of a sentence takes as long as the arithmetic, and has no good kernel for one row. Here the weights
//! are brought into that order once, when a checkpoint is loaded. The numbers leave Burn's tensors for it, so that what is
//! trained through Burn needs its own `Linear` in this place.

use burn::tensor::{Device, Tensor, TensorData};
use cloze_arithmetic::{Panels, gelu, gelu_tanh, relu, silu, tanh};

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

/// Softmax over the last axis.
pub(super) fn softmax(x: Tensor<3>) -> Tensor<3> {
    let [_, _, length] = x.dims();
    in_place(x, |values| cloze_arithmetic::softmax(values, length))
}

fn in_place<const D: usize>(x: Tensor<D>, function: impl Fn(&mut [f32])) -> Tensor<D> {
    let (shape, device) = (x.dims(), x.device());
    let mut values = values(x);
    function(&mut values);
    Tensor::from_data(TensorData::new(values, shape), &device)
}

/// A tensor's values, row after row. They lie in memory and are of f32; what were not would be converted.
fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    let data = x.into_data();
    data.as_slice().map_or_else(|_| data.iter().collect(), <[f32]>::to_vec)
}

#[cfg(test)]
mod tests {
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
    fn softmax_agrees_with_burn_s_and_leaves_nothing_to_what_is_hidden() {
        let hidden = noise([15, 17]).slice_fill([0..1, 3..4], -1e9);
        let x = hidden.reshape([3, 5, 17]);
        let ours = softmax(x.clone());
        assert_eq!(values(ours.clone())[3], 0.0);
        assert!(largest(ours - activation::softmax(x, 2)) < 1e-6);
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
