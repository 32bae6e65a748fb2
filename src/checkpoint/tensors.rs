//! The safetensors file: its header, checked before it is believed, and its tensors as numbers.
//!
//! Format: eight bytes with the header's length, the header in JSON, then the values
//! (<https://huggingface.co/docs/safetensors>).

use std::cell::Cell;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::{CheckpointError, Linear, Matrix, Norm};

/// A header of this many bytes describes thousands of tensors; the largest GPT-2 needs a twentieth of it.
const MAX_HEADER_BYTES: u64 = 1 << 20;
/// The bytes that hold the header's length.
const LENGTH_BYTES: usize = 8;

/// The bytes of a `model.safetensors` with their header, read and checked.
#[derive(Debug)]
pub struct TensorFile {
    bytes: Vec<u8>,
    /// Where the values begin.
    data_start: usize,
    header: Metadata,
    names: Vec<String>,
}

impl TensorFile {
    /// Reads the header of `bytes`: offsets and shapes agree with each other and with the length of the file.
    ///
    /// # Errors
    /// [`CheckpointError::NotSafetensors`], [`CheckpointError::Truncated`] or [`CheckpointError::CorruptHeader`].
    pub fn parse(bytes: Vec<u8>) -> Result<TensorFile, CheckpointError> {
        let found = bytes.len() as u64;
        let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
            return Err(CheckpointError::Truncated { expected: LENGTH_BYTES as u64 + 2, found });
        };
        let length = u64::from_le_bytes(*length);
        if length > MAX_HEADER_BYTES || rest.first().is_some_and(|first| *first != b'{') {
            return Err(CheckpointError::NotSafetensors { reason: beginning(&bytes) });
        }
        // The check above makes this small, so that neither the conversion nor the sum can overflow.
        let data_start = LENGTH_BYTES + length as usize;
        let Some(header) = bytes.get(LENGTH_BYTES..data_start) else {
            return Err(CheckpointError::Truncated { expected: data_start as u64, found });
        };
        let header: Metadata = serde_json::from_slice(header)
            .map_err(|error| CheckpointError::CorruptHeader { reason: error.to_string() })?;

        let expected = data_start as u64 + header.data_len() as u64;
        if found < expected {
            return Err(CheckpointError::Truncated { expected, found });
        }
        if found > expected {
            let reason = format!("the file has {} bytes that belong to no tensor", found - expected);
            return Err(CheckpointError::CorruptHeader { reason });
        }
        let names = header.offset_keys();
        Ok(TensorFile { bytes, data_start, header, names })
    }

    /// The names of its tensors, in the order in which they lie in the file.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether all its floating-point numbers are stored as F16.
    pub fn half_precision(&self) -> bool {
        let kinds = self.header.tensors();
        kinds.values().all(|info| !matches!(info.dtype, Dtype::F32 | Dtype::BF16 | Dtype::F64))
    }

    /// Whether any tensor's name begins with `prefix`.
    pub(super) fn has_prefix(&self, prefix: &str) -> bool {
        self.names.iter().any(|name| name.starts_with(prefix))
    }

    /// What the header says about the tensor `key`.
    fn info(&self, key: &str) -> Result<&TensorInfo, CheckpointError> {
        self.header.info(key).ok_or_else(|| CheckpointError::MissingTensor { key: key.to_owned() })
    }

    /// The values of the tensor `key` as they lie in the file.
    fn stored(&self, key: &str) -> Result<&[u8], CheckpointError> {
        let (start, end) = self.info(key)?.data_offsets;
        self.bytes.get(self.data_start.saturating_add(start)..self.data_start.saturating_add(end)).ok_or_else(
            || CheckpointError::CorruptHeader { reason: format!("\"{key}\" lies outside the file") },
        )
    }

    /// The values of the tensor `key`, whose shape must be `shape`, last axis fastest.
    ///
    /// # Errors
    /// It is missing, has another shape, is stored in a type that is not read, or holds a value that is no finite
    /// number.
    pub fn values(&self, key: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        let info = self.info(key)?;
        if info.shape != shape {
            return Err(CheckpointError::WrongShape {
                key: key.to_owned(),
                expected: shape.to_vec(),
                found: info.shape.clone(),
            });
        }
        let stored = self.stored(key)?;
        let values: Vec<f32> = match info.dtype {
            Dtype::F32 => little_endian(stored).map(f32::from_le_bytes).collect(),
            Dtype::F16 => little_endian(stored).map(f16::from_le_bytes).collect::<Vec<_>>().to_f32_vec(),
            Dtype::BF16 => little_endian(stored).map(bf16::from_le_bytes).collect::<Vec<_>>().to_f32_vec(),
            other => {
                let found = other.to_string();
                return Err(CheckpointError::UnsupportedDtype { key: key.to_owned(), found });
            }
        };
        match values.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(CheckpointError::NotFinite { key: key.to_owned(), index }),
            None => Ok(values),
        }
    }
}

/// The numbers of `stored`, `N` bytes each.
fn little_endian<const N: usize>(stored: &[u8]) -> impl Iterator<Item = [u8; N]> {
    stored.as_chunks::<N>().0.iter().copied()
}

/// How a file begins that is no safetensors file, with a guess at what it is.
fn beginning(bytes: &[u8]) -> String {
    const TELLING: [(&str, &str); 6] = [
        ("version https://git-lfs", "it is a Git LFS pointer, not the file that it points to"),
        ("<", "it is a web page or XML"),
        ("PK", "it is a zip archive or a PyTorch checkpoint"),
        ("\u{89}HDF", "it is an HDF5 file"),
        ("GGUF", "it is a GGUF file"),
        ("{", "it is JSON"),
    ];
    let start = bytes.trim_ascii_start();
    let guess = TELLING.iter().find(|(magic, _)| {
        let magic: Vec<u8> = magic.chars().map(|c| c as u8).collect();
        start.starts_with(&magic)
    });
    match guess {
        Some((_, what)) => (*what).to_owned(),
        None => "its first bytes announce no header".to_owned(),
    }
}

/// Reads the parts of a network out of a file, and counts the weights.
pub(super) struct Reader<'a> {
    file: &'a TensorFile,
    count: Cell<usize>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a TensorFile) -> Reader<'a> {
        Reader { file, count: Cell::new(0) }
    }

    /// How many weights were read so far.
    pub(super) fn count(&self) -> usize {
        self.count.get()
    }

    fn values(&self, key: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        let values = self.file.values(key, shape)?;
        self.count.set(self.count.get() + values.len());
        Ok(values)
    }

    /// The vector under the first of `keys` that the file has.
    pub(super) fn vector(&self, keys: &[&str], length: usize) -> Result<Vec<f32>, CheckpointError> {
        let known = keys.iter().find(|key| self.file.header.info(key).is_some()).or(keys.first());
        self.values(known.copied().unwrap_or_default(), &[length])
    }

    /// The table `key`, `[rows, cols]`.
    pub(super) fn matrix(&self, key: &str, rows: usize, cols: usize) -> Result<Matrix, CheckpointError> {
        Ok(Matrix { rows, cols, data: self.values(key, &[rows, cols])? })
    }

    /// PyTorch's `Linear`: the file keeps `[outputs, inputs]`.
    pub(super) fn linear(
        &self,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Linear, CheckpointError> {
        let stored = self.values(&format!("{name}.weight"), &[outputs, inputs])?;
        let weight = Matrix { rows: inputs, cols: outputs, data: transposed(&stored, outputs, inputs) };
        Ok(Linear { weight, bias: self.values(&format!("{name}.bias"), &[outputs])? })
    }

    /// GPT-2's `Conv1D`: the file keeps `[inputs, outputs]`.
    pub(super) fn conv1d(
        &self,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Linear, CheckpointError> {
        let weight = self.matrix(&format!("{name}.weight"), inputs, outputs)?;
        Ok(Linear { weight, bias: self.values(&format!("{name}.bias"), &[outputs])? })
    }

    /// A layer norm, by PyTorch's names or by TensorFlow's.
    pub(super) fn norm(&self, name: &str, length: usize) -> Result<Norm, CheckpointError> {
        let either =
            |new: &str, old: &str| self.vector(&[&format!("{name}.{new}"), &format!("{name}.{old}")], length);
        Ok(Norm { gamma: either("weight", "gamma")?, beta: either("bias", "beta")? })
    }

    /// An output matrix that may be tied to the word table, `[rows, cols]`: none where it is.
    ///
    /// As in Hugging Face transformers, a file that keeps both with unlike values is not tied, whatever its
    /// configuration says.
    pub(super) fn untied(
        &self,
        tie: bool,
        key: &str,
        word_key: &str,
        [rows, cols]: [usize; 2],
    ) -> Result<Option<Matrix>, CheckpointError> {
        let stored = self.file.header.info(key).is_some();
        if tie && (!stored || self.file.stored(key)? == self.file.stored(word_key)?) {
            return Ok(None);
        }
        self.matrix(key, rows, cols).map(Some)
    }
}

/// `[rows, cols]` to `[cols, rows]`, in tiles that fit the processor's cache.
fn transposed(values: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    const TILE: usize = 32;
    let mut out = vec![0.0; values.len()];
    for top in (0..rows).step_by(TILE) {
        for left in (0..cols).step_by(TILE) {
            for row in top..rows.min(top + TILE) {
                for col in left..cols.min(left + TILE) {
                    out[col * rows + row] = values[row * cols + col];
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_moves_every_value_to_its_place() {
        for (rows, cols) in [(1, 1), (1, 7), (3, 2), (33, 65), (64, 32)] {
            let values: Vec<f32> = (0..rows * cols).map(|i| i as f32).collect();
            let out = transposed(&values, rows, cols);
            for row in 0..rows {
                for col in 0..cols {
                    assert_eq!(out[col * rows + row], values[row * cols + col], "{rows} x {cols}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_safetensors_file_is_named() {
        for (bytes, hint) in [
            ("<!DOCTYPE html><html></html>", "web page"),
            ("version https://git-lfs.github.com/spec/v1", "Git LFS"),
            ("PK\u{3}\u{4} a zip archive", "PyTorch"),
            ("{\"vocab_size\": 30522}", "JSON"),
        ] {
            match TensorFile::parse(bytes.as_bytes().to_vec()) {
                Err(CheckpointError::NotSafetensors { reason }) => assert!(reason.contains(hint), "{reason}"),
                other => panic!("{bytes}: {other:?}"),
            }
        }
    }
}
