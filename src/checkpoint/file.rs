//! The weights' file as a whole, for engines that keep the weights in memory.

use super::{CheckpointError, Header, Tensor};

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
        let scale = tensor.scale.as_ref().map_or(Ok(&[][..]), |scale| self.bytes(&scale.tensor))?;
        Ok(tensor.numbers(self.bytes(tensor)?, scale)?.to_vec())
    }
}
