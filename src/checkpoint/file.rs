//! The weights' file as a whole, for engines that keep the weights in memory.

use super::{CheckpointError, Header, Matrix, Tensor};

/// The bytes of a `model.safetensors` with their header, read and checked.
#[derive(Debug)]
pub struct TensorFile {
    bytes: Vec<u8>,
    header: Header,
}

impl TensorFile {
    /// Reads the header of `bytes`: offsets and shapes agree with each other and with the length of the file.
    ///
    /// # Errors
    /// [`CheckpointError::NotSafetensors`], [`CheckpointError::Truncated`] or [`CheckpointError::CorruptHeader`].
    pub fn parse(bytes: Vec<u8>) -> Result<TensorFile, CheckpointError> {
        let header = Header::parse(&bytes)?;
        header.check_length(bytes.len() as u64)?;
        Ok(TensorFile { bytes, header })
    }

    /// Which tensors it holds.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The bytes of a tensor of this file.
    ///
    /// # Errors
    /// [`CheckpointError::CorruptHeader`] if it lies outside.
    pub fn bytes(&self, tensor: &Tensor) -> Result<&[u8], CheckpointError> {
        let at = |offset: usize| self.header.length().saturating_add(offset);
        self.bytes.get(at(tensor.bytes.start)..at(tensor.bytes.end)).ok_or_else(|| {
            let reason = format!("\"{}\" lies outside the file", tensor.key);
            CheckpointError::CorruptHeader { reason }
        })
    }

    /// The numbers of a tensor of this file.
    ///
    /// # Errors
    /// As [`TensorFile::bytes`]; [`CheckpointError::NotFinite`] if one of them is infinite or undefined.
    pub fn vector(&self, tensor: &Tensor) -> Result<Vec<f32>, CheckpointError> {
        Ok(tensor.numbers(self.bytes(tensor)?)?.to_vec())
    }

    /// The numbers of a table of this file, `[rows, cols]`, a row after the other.
    ///
    /// # Errors
    /// As [`TensorFile::vector`].
    pub fn matrix(&self, matrix: &Matrix) -> Result<Vec<f32>, CheckpointError> {
        let values = self.vector(&matrix.tensor)?;
        Ok(if matrix.transposed { transposed(&values, matrix.cols, matrix.rows) } else { values })
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
}
