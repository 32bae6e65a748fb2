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
    /// Whole numbers from -128 to 127 that are multiplied by a scale.
    I8,
}

impl NumberType {
    /// Bytes of a number.
    pub fn size(self) -> usize {
        match self {
            NumberType::F32 => 4,
            NumberType::F16 | NumberType::Bf16 => 2,
            NumberType::I8 => 1,
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
    /// What whole numbers are multiplied by.
    pub scale: Option<Box<Scale>>,
}

/// What the whole numbers of a matrix are multiplied by: a factor for each row, or one for each column.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// The factors.
    pub tensor: Tensor,
    /// Numbers in a row of the matrix, as it lies in the file.
    pub cols: usize,
    /// Whether each row has its factor, rather than each column.
    pub by_row: bool,
}

impl Tensor {
    /// The name of its scale, if it has one.
    pub fn scale_key(&self) -> Option<&str> {
        self.scale.as_ref().map(|scale| scale.tensor.key.as_str())
    }

    /// Its name, and that of its scale if it has one.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.key.as_str()).chain(self.scale_key())
    }

    /// Its numbers, from its bytes and from those of its scale if it has one, none of which is infinite or undefined.
    ///
    /// # Errors
    /// [`CheckpointError::NotFinite`].
    pub fn numbers<'a>(&self, bytes: &'a [u8], scale: &[u8]) -> Result<Numbers<'a>, CheckpointError> {
        let factors = match &self.scale {
            Some(own) => own.tensor.numbers(scale, &[])?.to_vec(),
            None => Vec::new(),
        };
        let (cols, by_row) = self.scale.as_ref().map_or((1, true), |scale| (scale.cols.max(1), scale.by_row));
        let numbers = Numbers { number_type: self.number_type, bytes, factors, cols, by_row };
        match numbers.first_infinite() {
            Some(index) => Err(CheckpointError::NotFinite { key: self.key.clone(), index }),
            None => Ok(numbers),
        }
    }
}

/// Numbers as they lie in a file, little-endian.
#[derive(Clone, Debug)]
pub struct Numbers<'a> {
    number_type: NumberType,
    bytes: &'a [u8],
    /// What whole numbers are multiplied by: see [`Scale`].
    factors: Vec<f32>,
    cols: usize,
    by_row: bool,
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
            NumberType::I8 => f32::from(self.bytes[index].cast_signed()) * self.factor(index),
        }
    }

    /// Adds those at `indices` to `to`.
    ///
    /// # Panics
    /// If there are not so many.
    // See `Loader::push`.
    #[inline(never)]
    pub fn read(&self, indices: Range<usize>, to: &mut Vec<f32>) {
        let size = self.number_type.size();
        let bytes = &self.bytes[indices.start * size..indices.end * size];
        match self.number_type {
            NumberType::F32 => to.extend(bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes))),
            NumberType::F16 => {
                to.extend(bytes.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()));
            }
            NumberType::Bf16 => {
                to.extend(bytes.as_chunks().0.iter().map(|bytes| bf16::from_le_bytes(*bytes).to_f32()));
            }
            NumberType::I8 => {
                // Row by row: to find the factor of each number anew takes longer than to multiply by it.
                let mut begin = indices.start;
                while begin < indices.end {
                    let (row, col) = (begin / self.cols, begin % self.cols);
                    let end = indices.end.min((row + 1) * self.cols);
                    let wholes = self.bytes[begin..end].iter().map(|whole| f32::from(whole.cast_signed()));
                    match self.by_row {
                        true => to.extend(wholes.map(|whole| whole * self.factors[row])),
                        false => {
                            to.extend(wholes.zip(&self.factors[col..]).map(|(whole, factor)| whole * factor));
                        }
                    }
                    begin = end;
                }
            }
        }
    }

    /// Adds those at `indices` in half precision, by their bits, to `to`. What is stored so already is not touched.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn read_halves(&self, indices: Range<usize>, to: &mut Vec<u16>) {
        if self.number_type == NumberType::F16 {
            let bytes = &self.bytes[indices.start * 2..indices.end * 2];
            to.extend(bytes.as_chunks().0.iter().map(|bytes| u16::from_le_bytes(*bytes)));
            return;
        }
        let mut values = Vec::with_capacity(indices.len());
        self.read(indices, &mut values);
        // What half precision has no number for would become infinite, and spoil what stands beside it.
        let [least, most] = [f16::MIN, f16::MAX].map(f32::from);
        to.extend(values.into_iter().map(|value| f16::from_f32(value.clamp(least, most)).to_bits()));
    }

    /// Whether the factors are those of rows rather than of columns; none unless these are whole numbers.
    pub fn scaled_by_row(&self) -> Option<bool> {
        (self.number_type == NumberType::I8).then_some(self.by_row)
    }

    /// Those at `indices` before they are multiplied by their factors, of whole numbers.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn whole(&self, indices: Range<usize>) -> &[i8] {
        bytemuck::cast_slice(&self.bytes[indices])
    }

    /// What the one at `index` is multiplied by, of whole numbers.
    ///
    /// # Panics
    /// If there are not so many, or if they are no whole numbers.
    pub fn factor(&self, index: usize) -> f32 {
        self.factors[self.factor_of(index)]
    }

    fn factor_of(&self, index: usize) -> usize {
        if self.by_row { index / self.cols } else { index % self.cols }
    }

    // See `Loader::push`.
    #[inline(never)]
    fn first_infinite(&self) -> Option<usize> {
        match self.number_type {
            NumberType::F32 => {
                self.bytes.as_chunks().0.iter().position(|bytes| !f32::from_le_bytes(*bytes).is_finite())
            }
            NumberType::F16 => {
                self.bytes.as_chunks().0.iter().position(|bytes| !f16::from_le_bytes(*bytes).is_finite())
            }
            NumberType::Bf16 => {
                self.bytes.as_chunks().0.iter().position(|bytes| !bf16::from_le_bytes(*bytes).is_finite())
            }
            // Each has a factor, and the largest of them is 128.
            NumberType::I8 => {
                let at = self.factors.iter().position(|factor| !(factor * 128.0).is_finite())?;
                Some(if self.by_row { at * self.cols } else { at })
            }
        }
    }

    /// All of them.
    pub fn to_vec(&self) -> Vec<f32> {
        let mut values = Vec::with_capacity(self.len());
        self.read(0..self.len(), &mut values);
        values
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
