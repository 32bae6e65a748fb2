//! Where a checkpoint's bytes come from: the page's own models, or a folder at a URL. Bytes only, no tensors.

mod source;

#[cfg(all(feature = "engine", target_arch = "wasm32"))]
mod fetch;

#[cfg(all(feature = "engine", target_arch = "wasm32"))]
pub use fetch::{Body, Download, OnProgress};
pub use source::Source;

/// The bytes of a checkpoint's files.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// `config.json`.
    pub config: Vec<u8>,
    /// `tokenizer.json`.
    pub tokenizer: Vec<u8>,
    /// `model.safetensors`.
    pub weights: Vec<u8>,
}
