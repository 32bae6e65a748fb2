//! A checkpoint's weights on their way into a network: each matrix is brought into the form that it is multiplied in as soon
//! as it has arrived, so that the file is never in memory as a whole.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use cloze_arithmetic::Panels;

use super::dense::{Dense, Norm};
use crate::checkpoint::{self, Checkpoint, CheckpointError, Matrix, Numbers};

/// Takes tensors as they arrive, and gives them to a network when all are there.
pub struct Weights {
    device: Device,
    /// The tensors that the network has, and their scales.
    wanted: BTreeSet<String>,
    /// The maps that are still to be made, each of matrices that stand side by side.
    maps: Vec<Vec<Matrix>>,
    /// Those that are, by the name of their first matrix.
    panels: RefCell<BTreeMap<String, Panels>>,
    /// The bytes of everything else, and of the parts of a map of which others are missing.
    kept: BTreeMap<String, Vec<u8>>,
}

impl Weights {
    /// Expects a checkpoint's tensors, for a network on `device`.
    ///
    /// # Errors
    /// [`CheckpointError::NoMemory`] if there is none for all of them in single precision.
    pub fn new(checkpoint: &Checkpoint, device: &Device) -> Result<Weights, CheckpointError> {
        // Asked for and given back, so that whoever loads a model knows it before the download.
        let room = checkpoint.tensors.iter().map(|tensor| {
            let mut numbers = Vec::<f32>::new();
            let bytes = tensor.count.saturating_mul(size_of::<f32>());
            let no_memory = |_| CheckpointError::NoMemory { key: tensor.key.clone(), bytes };
            numbers.try_reserve_exact(tensor.count).map(|()| numbers).map_err(no_memory)
        });
        drop(room.collect::<Result<Vec<_>, _>>()?);
        let keys = checkpoint.tensors.iter().flat_map(checkpoint::Tensor::keys).map(str::to_owned);
        Ok(Weights {
            device: device.clone(),
            wanted: keys.collect(),
            maps: checkpoint.maps(),
            panels: RefCell::default(),
            kept: BTreeMap::new(),
        })
    }

    /// Takes the bytes of the tensor `key`; one that the network does not need is passed over.
    ///
    /// # Errors
    /// [`CheckpointError::NotFinite`] for a weight that is no number.
    pub fn take(&mut self, key: &str, bytes: &[u8]) -> Result<(), CheckpointError> {
        if !self.wanted.contains(key) {
            return Ok(());
        }
        let map = self.maps.iter().position(|parts| keys(parts).any(|part| part == key));
        let arrived = |part: &str| part == key || self.kept.contains_key(part);
        let Some(index) = map.filter(|index| keys(&self.maps[*index]).all(arrived)) else {
            self.kept.insert(key.to_owned(), bytes.to_vec());
            return Ok(());
        };
        let parts = self.maps.swap_remove(index);
        let here =
            |name: &str| if name == key { Some(bytes) } else { self.kept.get(name).map(Vec::as_slice) };
        let numbers = parts.iter().map(|part| numbers(&part.tensor, &here)).collect::<Result<Vec<_>, _>>()?;
        let panels = panels(&parts, &numbers);
        keys(&parts).for_each(|part| drop(self.kept.remove(part)));
        self.panels.get_mut().insert(parts[0].tensor.key.clone(), panels);
        Ok(())
    }

    /// A vector, or a table that is only looked up in.
    pub(super) fn vector(&self, tensor: &checkpoint::Tensor) -> Result<Vec<f32>, CheckpointError> {
        Ok(numbers(tensor, &|key| self.kept.get(key).map(Vec::as_slice))?.to_vec())
    }

    /// A table that is only looked up in, `[rows, columns]`.
    pub(super) fn table(&self, matrix: &Matrix) -> Result<Tensor<2>, CheckpointError> {
        let data = TensorData::new(self.vector(&matrix.tensor)?, [matrix.rows, matrix.cols]);
        Ok(Tensor::from_data(data, &self.device))
    }

    /// A table of words, `[words, hidden]`, as the map from a hidden state to a score for each word.
    pub(super) fn words(&self, table: &Matrix) -> Result<Arc<Panels>, CheckpointError> {
        self.panels(table).map(Arc::new)
    }

    pub(super) fn dense(&self, map: &checkpoint::Linear) -> Result<Dense, CheckpointError> {
        self.side_by_side(std::slice::from_ref(map))
    }

    /// Maps of the same input whose outputs stand side by side, as one.
    pub(super) fn side_by_side(&self, maps: &[checkpoint::Linear]) -> Result<Dense, CheckpointError> {
        let bias = maps.iter().filter_map(|map| map.bias.as_ref()).map(|bias| self.vector(bias));
        let bias = bias.collect::<Result<Vec<_>, _>>()?.concat();
        Ok(Dense::new(self.panels(&maps[0].weight)?, bias))
    }

    /// The map that begins with a matrix. It is given once.
    fn panels(&self, first: &Matrix) -> Result<Panels, CheckpointError> {
        let key = &first.tensor.key;
        let missing = || CheckpointError::MissingTensor { key: key.clone() };
        self.panels.borrow_mut().remove(key).ok_or_else(missing)
    }

    /// A layer norm.
    pub(super) fn norm(&self, norm: &checkpoint::Norm, epsilon: f64) -> Result<Norm, CheckpointError> {
        Ok(Norm::new(self.vector(&norm.gamma)?, self.vector(&norm.beta)?, epsilon as f32))
    }
}

/// The tensors that a map is made of.
fn keys(parts: &[Matrix]) -> impl Iterator<Item = &str> {
    parts.iter().flat_map(|part| part.tensor.keys())
}

/// The numbers of a tensor; `here` has the bytes of it and of its scale.
fn numbers<'a>(
    tensor: &checkpoint::Tensor,
    here: &dyn Fn(&str) -> Option<&'a [u8]>,
) -> Result<Numbers<'a>, CheckpointError> {
    let missing = |key: &str| CheckpointError::MissingTensor { key: key.to_owned() };
    let find = |key: &str| here(key).ok_or_else(|| missing(key));
    tensor.numbers(find(&tensor.key)?, tensor.scale_key().map_or(Ok(&[][..]), find)?)
}

/// Matrices of the same input, `[in, out]` whichever way they lie in the file, as one map.
fn panels(parts: &[Matrix], numbers: &[Numbers<'_>]) -> Panels {
    if numbers.iter().any(|numbers| numbers.scaled_by_row().is_some()) {
        // To find the factor of each number anew takes longer than to have them all.
        let values: Vec<_> = numbers.iter().map(Numbers::to_vec).collect();
        panels_of(parts, |part, index| values[part][index])
    } else {
        panels_of(parts, |part, index| numbers[part].get(index))
    }
}

fn panels_of(parts: &[Matrix], value: impl Fn(usize, usize) -> f32) -> Panels {
    let (inputs, width) = (parts[0].rows, parts[0].cols);
    Panels::new(inputs, width * parts.len(), |row, col| {
        let part = col / width;
        value(part, parts[part].index(row, col % width))
    })
}
