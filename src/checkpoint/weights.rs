//! The parts that networks are made of: tables, linear maps and layer norms, each by where its numbers lie in the file.
//!
//! A checkpoint is known before its weights have arrived: an engine can make room and compile, and takes each tensor's
//! bytes when they are there.

use std::ops::Range;

use half::{bf16, f16};

use super::CheckpointError;

/// How a number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberType {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of a single-precision number.
    Bf16,
}

impl NumberType {
    /// Bytes of a number.
    pub fn size(self) -> usize {
        match self {
            NumberType::F32 => 4,
            NumberType::F16 | NumberType::Bf16 => 2,
        }
    }
}

/// A tensor of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its name.
    pub key: String,
    /// How its numbers are stored.
    pub number_type: NumberType,
    /// How many they are.
    pub count: usize,
    /// Where its bytes lie among those that follow the header.
    pub bytes: Range<usize>,
}

impl Tensor {
    /// Its numbers, from its bytes, none of which is infinite or undefined.
    ///
    /// # Errors
    /// [`CheckpointError::NotFinite`].
    pub fn numbers<'a>(&self, bytes: &'a [u8]) -> Result<Numbers<'a>, CheckpointError> {
        let numbers = Numbers { number_type: self.number_type, bytes };
        match (0..numbers.len()).find(|index| !numbers.is_finite(*index)) {
            Some(index) => Err(CheckpointError::NotFinite { key: self.key.clone(), index }),
            None => Ok(numbers),
        }
    }
}

/// Numbers as they lie in a file, little-endian.
#[derive(Clone, Copy, Debug)]
pub struct Numbers<'a> {
    number_type: NumberType,
    bytes: &'a [u8],
}

impl Numbers<'_> {
    /// How many they are.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.number_type.size()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// One of them.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn get(&self, index: usize) -> f32 {
        match self.number_type {
            NumberType::F32 => f32::from_le_bytes(self.bytes.as_chunks().0[index]),
            NumberType::F16 => f16::from_le_bytes(self.bytes.as_chunks().0[index]).to_f32(),
            NumberType::Bf16 => bf16::from_le_bytes(self.bytes.as_chunks().0[index]).to_f32(),
        }
    }

    /// One of them in half precision, by its bits. What is stored so already is not touched.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn half(&self, index: usize) -> u16 {
        match self.number_type {
            NumberType::F16 => u16::from_le_bytes(self.bytes.as_chunks().0[index]),
            NumberType::F32 | NumberType::Bf16 => f16::from_f32(self.get(index)).to_bits(),
        }
    }

    fn is_finite(&self, index: usize) -> bool {
        match self.number_type {
            NumberType::F16 => f16::from_bits(self.half(index)).is_finite(),
            NumberType::F32 | NumberType::Bf16 => self.get(index).is_finite(),
        }
    }

    /// All of them.
    pub fn to_vec(&self) -> Vec<f32> {
        (0..self.len()).map(|index| self.get(index)).collect()
    }
}

/// A table of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Where they lie, a row after the other.
    pub tensor: Tensor,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Whether the file keeps `[cols, rows]` instead.
    pub transposed: bool,
}

impl Matrix {
    /// Where the number of a row and a column lies among the tensor's.
    pub fn index(&self, row: usize, col: usize) -> usize {
        if self.transposed { col * self.rows + row } else { row * self.cols + col }
    }

    /// The same with rows for columns.
    pub fn turned(&self) -> Matrix {
        Matrix { tensor: self.tensor.clone(), rows: self.cols, cols: self.rows, transposed: !self.transposed }
    }
}

/// A linear map: `y = x · weight + bias`.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// `[in, out]`, whichever way it lies in the file: PyTorch's `Linear` stores `[out, in]`, GPT-2's `Conv1D`
    /// `[in, out]`.
    pub weight: Matrix,
    /// `[out]`; none where nothing is added.
    pub bias: Option<Tensor>,
}

/// The scale and the shift of a layer norm (Ba et al. 2016).
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    /// The scale, `[hidden]`; newer files call it `weight`.
    pub gamma: Tensor,
    /// The shift, `[hidden]`; newer files call it `bias`.
    pub beta: Tensor,
}
