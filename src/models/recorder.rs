//! Recording is a pass-through: a forward pass hands each activation through the recorder and goes on with it, or with
//! what is put in its place.

use burn::tensor::{Tensor, TensorData, Transaction};

use crate::trace::{Activation, Hook};

/// Keeps the activations that were asked for, on their device.
#[derive(Default)]
pub struct Recorder {
    want: Vec<Hook>,
    /// Rows that are replaced, by hook and position.
    patches: Vec<(Hook, usize, Vec<f32>)>,
    kept: Vec<(Hook, Vec<usize>, Tensor<1>)>,
}

impl Recorder {
    /// A recorder for the hooks in `want`.
    pub fn new(want: &[Hook]) -> Recorder {
        Recorder { want: want.to_vec(), ..Recorder::default() }
    }

    /// Puts `row` in the place of a hook's row at `position`.
    pub fn patch(&mut self, hook: Hook, position: usize, row: Vec<f32>) {
        self.patches.push((hook, position, row));
    }

    /// Whether `hook` was asked for.
    pub fn wants(&self, hook: Hook) -> bool {
        self.want.contains(&hook)
    }

    /// Keeps a handle on `tensor` if it was asked for; hands it through, with the rows that were put in its place.
    pub fn record<const D: usize>(&mut self, hook: Hook, mut tensor: Tensor<D>) -> Tensor<D> {
        for (_, position, row) in self.patches.iter().filter(|(patched, ..)| *patched == hook) {
            let (shape, width) = (tensor.dims(), row.len());
            let row = Tensor::<2>::from_data(TensorData::new(row.clone(), [1, width]), &tensor.device());
            let rows = tensor.reshape([shape[0], width]);
            tensor = rows.slice_assign([*position..position + 1, 0..width], row).reshape(shape);
        }
        if self.wants(hook) {
            let shape = tensor.dims().to_vec();
            let length = shape.iter().product::<usize>();
            self.kept.push((hook, shape, tensor.clone().reshape([length])));
        }
        tensor
    }

    /// Reads everything that was kept, and `more` tensors after it, in one go.
    ///
    /// # Errors
    /// What the device says when it cannot be read, as text.
    pub async fn read(self, more: Vec<Tensor<1>>) -> Result<(Vec<Activation>, Vec<Vec<f32>>), String> {
        // Handed over, not cloned: a tensor that nobody else holds is read without a copy.
        let (names, kept): (Vec<_>, Vec<_>) =
            self.kept.into_iter().map(|(hook, shape, tensor)| ((hook, shape), tensor)).unzip();
        let transaction = kept.into_iter().chain(more).fold(Transaction::default(), Transaction::register);
        let data = transaction.execute_async().await.map_err(|error| format!("{error:?}"))?;
        let mut values = Vec::with_capacity(data.len());
        for data in data {
            values.push(data.try_into_vec::<f32>().map_err(|error| format!("{error:?}"))?);
        }
        let rest = values.split_off(names.len());
        let activations =
            names.into_iter().zip(values).map(|((hook, shape), data)| Activation { hook, shape, data });
        let activations = activations.collect();
        Ok((activations, rest))
    }
}
