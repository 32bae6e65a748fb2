//! The header of a safetensors file, checked before it is believed.
//!
//! Format: eight bytes with the header's length, the header in JSON, then the values
//! (<https://huggingface.co/docs/safetensors>).

use std::cell::RefCell;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::weights::{NumberType, Scale};
use super::{CheckpointError, Linear, Matrix, Norm, Tensor};
use crate::trace::WeightType;

/// A header of this many bytes describes thousands of tensors; the largest GPT-2 needs a twentieth of it.
const MAX_HEADER_BYTES: u64 = 1 << 20;
/// Which tensors a `model.safetensors` holds, and where.
#[derive(Debug)]
pub struct Header {
    /// Bytes before the values.
    length: usize,
    metadata: Metadata,
    names: Vec<String>,
}

impl Header {
    /// The bytes that hold the header's length.
    pub(super) const LENGTH_BYTES: usize = 8;

    /// Bytes of the file that [`Header::parse`] needs, from those that have arrived; none if these are too few to tell.
    ///
    /// # Errors
    /// [`CheckpointError::NotSafetensors`] with a guess at what the file is.
    pub fn needs(arrived: &[u8]) -> Result<Option<usize>, CheckpointError> {
        let Some((length, rest)) = arrived.split_first_chunk::<{ Header::LENGTH_BYTES }>() else {
            return Ok(None);
        };
        let length = u64::from_le_bytes(*length);
        if length > MAX_HEADER_BYTES || rest.first().is_some_and(|first| *first != b'{') {
            return Err(CheckpointError::NotSafetensors { reason: beginning(arrived) });
        }
        // The check above makes this small, so that neither the conversion nor the sum can overflow.
        Ok(Some(Header::LENGTH_BYTES + length as usize))
    }

    /// Reads the header at the beginning of a file: offsets and shapes agree with each other.
    ///
    /// # Errors
    /// [`CheckpointError::NotSafetensors`], [`CheckpointError::Truncated`] or [`CheckpointError::CorruptHeader`].
    pub fn parse(file: &[u8]) -> Result<Header, CheckpointError> {
        let cut = |expected: usize| CheckpointError::Truncated {
            expected: expected as u64,
            found: file.len() as u64,
        };
        // The shortest header is `{}`.
        let length = Header::needs(file)?.ok_or_else(|| cut(Header::LENGTH_BYTES + 2))?;
        let json = file.get(Header::LENGTH_BYTES..length).ok_or_else(|| cut(length))?;
        let metadata: Metadata = serde_json::from_slice(json)
            .map_err(|error| CheckpointError::CorruptHeader { reason: error.to_string() })?;
        let names = metadata.offset_keys();
        Ok(Header { length, metadata, names })
    }

    /// Bytes before the values.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Bytes of the whole file.
    pub fn file_length(&self) -> u64 {
        self.length as u64 + self.metadata.data_len() as u64
    }

    /// Checks how many bytes the file has.
    ///
    /// # Errors
    /// [`CheckpointError::Truncated`] if they are too few, [`CheckpointError::CorruptHeader`] if they are too many.
    pub fn check_length(&self, found: u64) -> Result<(), CheckpointError> {
        let expected = self.file_length();
        if found < expected {
            return Err(CheckpointError::Truncated { expected, found });
        }
        if found > expected {
            let reason = format!("the file has {} bytes that belong to no tensor", found - expected);
            return Err(CheckpointError::CorruptHeader { reason });
        }
        Ok(())
    }

    /// The names of the file's tensors with the end of each one's bytes, in the order in which they lie there.
    pub(super) fn ends(&self) -> impl Iterator<Item = (&str, usize)> {
        self.names.iter().filter_map(|name| Some((name.as_str(), self.metadata.info(name)?.data_offsets.1)))
    }

    /// The smallest type that keeps its matrices as they are.
    pub fn stored(&self) -> WeightType {
        let kinds = self.metadata.tensors();
        let has = |dtypes: &[Dtype]| kinds.values().any(|info| dtypes.contains(&info.dtype));
        if has(&[Dtype::I8]) {
            // Beside whole numbers stand their scales, and norms and biases, which are kept in single precision anyway.
            WeightType::Int8
        } else if has(&[Dtype::F32, Dtype::BF16, Dtype::F64]) {
            WeightType::F32
        } else {
            WeightType::F16
        }
    }

    /// Whether any tensor's name begins with `prefix`.
    pub(super) fn has_prefix(&self, prefix: &str) -> bool {
        self.names.iter().any(|name| name.starts_with(prefix))
    }

    fn has(&self, key: &str) -> bool {
        self.metadata.info(key).is_some()
    }

    /// The tensor `key`, whose shape must be `shape`, last axis fastest.
    fn tensor(&self, key: &str, shape: &[usize]) -> Result<Tensor, CheckpointError> {
        let missing = || CheckpointError::MissingTensor { key: key.to_owned() };
        let TensorInfo { dtype, shape: found, data_offsets } =
            self.metadata.info(key).ok_or_else(missing)?.clone();
        let key = key.to_owned();
        if found != shape {
            return Err(CheckpointError::WrongShape { key, expected: shape.to_vec(), found });
        }
        let (number_type, scale) = match (dtype, shape) {
            (Dtype::F32, _) => (NumberType::F32, None),
            (Dtype::F16, _) => (NumberType::F16, None),
            (Dtype::BF16, _) => (NumberType::Bf16, None),
            (Dtype::I8, [rows, cols]) => (NumberType::I8, Some(Box::new(self.scale(&key, *rows, *cols)?))),
            (other, _) => return Err(CheckpointError::UnsupportedDtype { key, found: other.to_string() }),
        };
        let (start, end) = data_offsets;
        Ok(Tensor { key, number_type, count: shape.iter().product(), bytes: start..end, scale })
    }

    /// The scale of a matrix of whole numbers, by the name that compressed-tensors gives it
    /// (<https://github.com/vllm-project/compressed-tensors>): `[rows, 1]` or `[1, cols]`.
    fn scale(&self, key: &str, rows: usize, cols: usize) -> Result<Scale, CheckpointError> {
        let name = format!("{key}_scale");
        let shape = match self.metadata.info(&name) {
            Some(TensorInfo { dtype: Dtype::I8, .. }) => {
                return Err(CheckpointError::UnsupportedDtype { key: name, found: Dtype::I8.to_string() });
            }
            Some(TensorInfo { shape, .. }) if *shape == [1, cols] => [1, cols],
            _ => [rows, 1],
        };
        Ok(Scale { tensor: self.tensor(&name, &shape)?, cols, by_row: shape[1] == 1 })
    }
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

/// Finds the parts of a network in a file.
pub(super) struct Reader<'a> {
    header: &'a Header,
    found: RefCell<Vec<Tensor>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(header: &'a Header) -> Reader<'a> {
        Reader { header, found: RefCell::default() }
    }

    /// The tensors that were found.
    pub(super) fn found(self) -> Vec<Tensor> {
        self.found.into_inner()
    }

    fn tensor(&self, key: &str, shape: &[usize]) -> Result<Tensor, CheckpointError> {
        let tensor = self.header.tensor(key, shape)?;
        self.found.borrow_mut().push(tensor.clone());
        Ok(tensor)
    }

    /// The vector under the first of `keys` that the file has.
    pub(super) fn vector(&self, keys: &[&str], length: usize) -> Result<Tensor, CheckpointError> {
        let known = keys.iter().find(|key| self.header.has(key)).or(keys.first());
        self.tensor(known.copied().unwrap_or_default(), &[length])
    }

    /// The table `key`, `[rows, cols]`.
    pub(super) fn matrix(&self, key: &str, rows: usize, cols: usize) -> Result<Matrix, CheckpointError> {
        Ok(Matrix { tensor: self.tensor(key, &[rows, cols])?, rows, cols, transposed: false })
    }

    /// PyTorch's `Linear`: the file keeps `[outputs, inputs]`.
    pub(super) fn linear(
        &self,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Linear, CheckpointError> {
        let Linear { weight, .. } = self.linear_without_bias(name, inputs, outputs)?;
        Ok(Linear { weight, bias: Some(self.tensor(&format!("{name}.bias"), &[outputs])?) })
    }

    /// The same without a bias.
    pub(super) fn linear_without_bias(
        &self,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Linear, CheckpointError> {
        let weight = self.matrix(&format!("{name}.weight"), outputs, inputs)?.turned();
        Ok(Linear { weight, bias: None })
    }

    /// GPT-2's `Conv1D`: the file keeps `[inputs, outputs]`.
    pub(super) fn conv1d(
        &self,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Linear, CheckpointError> {
        let weight = self.matrix(&format!("{name}.weight"), inputs, outputs)?;
        Ok(Linear { weight, bias: Some(self.tensor(&format!("{name}.bias"), &[outputs])?) })
    }

    /// A layer norm, by PyTorch's names or by TensorFlow's.
    pub(super) fn norm(&self, name: &str, length: usize) -> Result<Norm, CheckpointError> {
        let either =
            |new: &str, old: &str| self.vector(&[&format!("{name}.{new}"), &format!("{name}.{old}")], length);
        Ok(Norm { gamma: either("weight", "gamma")?, beta: either("bias", "beta")? })
    }

    /// An output matrix that may be tied to the word table, `[rows, cols]`: none where it is.
    ///
    /// As in Hugging Face transformers, a file that keeps one of its own is not tied, whatever its configuration says.
    pub(super) fn untied(
        &self,
        tie: bool,
        key: &str,
        [rows, cols]: [usize; 2],
    ) -> Result<Option<Matrix>, CheckpointError> {
        if tie && !self.header.has(key) {
            return Ok(None);
        }
        self.matrix(key, rows, cols).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_safetensors_file_is_named() {
        for (bytes, hint) in [
            ("<!DOCTYPE html><html></html>", "web page"),
            ("version https://git-lfs.github.com/spec/v1", "Git LFS"),
            ("PK\u{3}\u{4} a zip archive", "PyTorch"),
            ("{\"vocab_size\": 30522}", "JSON"),
        ] {
            match Header::parse(bytes.as_bytes()) {
                Err(CheckpointError::NotSafetensors { reason }) => assert!(reason.contains(hint), "{reason}"),
                other => panic!("{bytes}: {other:?}"),
            }
        }
    }
}
