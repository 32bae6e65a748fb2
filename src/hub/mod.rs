//! Where a checkpoint's bytes come from: the page's own models, a repository of a hub, or a folder at a URL; and where the
//! browser keeps them. Bytes only, no tensors.

mod source;

#[cfg(any(test, target_arch = "wasm32"))]
mod answered;
#[cfg(any(test, target_arch = "wasm32"))]
mod listing;
#[cfg(any(test, target_arch = "wasm32"))]
mod meter;
#[cfg(any(test, target_arch = "wasm32"))]
mod record;

#[cfg(target_arch = "wasm32")]
mod archive;
#[cfg(target_arch = "wasm32")]
mod body;
#[cfg(target_arch = "wasm32")]
mod control;
#[cfg(target_arch = "wasm32")]
mod download;
#[cfg(target_arch = "wasm32")]
mod fetch;
#[cfg(target_arch = "wasm32")]
mod shards;
#[cfg(target_arch = "wasm32")]
mod store;

#[cfg(target_arch = "wasm32")]
pub use control::Control;
#[cfg(target_arch = "wasm32")]
pub use download::{Download, Keeping, Weights};
#[cfg(any(test, target_arch = "wasm32"))]
pub use meter::{OnProgress, Standing};
pub use source::{Repository, Source};
#[cfg(target_arch = "wasm32")]
pub use store::Store;

/// The bytes of a checkpoint's files.
#[derive(Clone, Debug)]
pub struct Files {
    /// `config.json`.
    pub config: Vec<u8>,
    /// The vocabulary.
    pub vocabulary: Vocabulary,
    /// `model.safetensors`.
    pub weights: Vec<u8>,
}

/// The bytes of a vocabulary's files.
#[derive(Clone, Debug)]
pub enum Vocabulary {
    /// `tokenizer.json`.
    Tokenizer(Vec<u8>),
    /// BERT's `vocab.txt`.
    Pieces {
        /// The file itself.
        vocab: Vec<u8>,
        /// `tokenizer_config.json`.
        settings: Option<Vec<u8>>,
    },
    /// GPT-2's `vocab.json`.
    Merges {
        /// The file itself.
        vocab: Vec<u8>,
        /// `merges.txt`.
        merges: Vec<u8>,
        /// `tokenizer_config.json`.
        settings: Option<Vec<u8>>,
    },
}
