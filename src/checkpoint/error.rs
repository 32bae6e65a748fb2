//! What can be wrong with a checkpoint, each as a sentence that says what to do.

use crate::engine::protocol::Problem;

use super::{CONFIG_FILE, SHARDS_FILE, WEIGHTS_FILE};

/// Why a checkpoint was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CheckpointError {
    /// `config.json` is not a JSON object.
    #[error("config.json is not a JSON object ({reason}). Take the file as it lies in the model's folder.")]
    ConfigNotJson {
        /// Where it stops being one.
        reason: String,
    },
    /// A setting is missing or makes no sense.
    #[error(
        "config.json: \"{key}\" is {found}, but must be {expected}. Correct it, or take the config.json that was \
         saved with the weights."
    )]
    BadConfig {
        /// The setting.
        key: String,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The network is neither BERT nor GPT-2.
    #[error("config.json describes {found}. Cloze runs {supported}: choose a checkpoint of one of these.")]
    UnsupportedArchitecture {
        /// What the file says that it is.
        found: String,
        /// What would run.
        supported: String,
    },
    /// The network is a BERT or GPT-2, but of a kind that computes differently.
    #[error(
        "config.json: \"{key}\" is {found}. Cloze supports {supported} only: choose a checkpoint with that."
    )]
    UnsupportedSetting {
        /// The setting.
        key: String,
        /// What it is.
        found: String,
        /// What is supported.
        supported: String,
    },
    /// The weights' file is something else.
    #[error(
        "model.safetensors is no safetensors file ({reason}). Download it again, or convert the weights to \
         safetensors."
    )]
    NotSafetensors {
        /// What gave it away.
        reason: String,
    },
    /// The weights' file ends too soon.
    #[error("model.safetensors is cut short: {found} of {expected} bytes are there. Download it again.")]
    Truncated {
        /// Bytes that its header announces.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// The list of tensors in the weights' file contradicts itself or the file.
    #[error("model.safetensors has a damaged header ({reason}). Download it again.")]
    CorruptHeader {
        /// The contradiction.
        reason: String,
    },
    /// The list of the weights' files is something else.
    #[error(
        "model.safetensors.index.json does not list the files of the weights ({reason}). Download it again."
    )]
    BadIndex {
        /// What gave it away.
        reason: String,
    },
    /// A tensor that the network needs is not in the file.
    #[error(
        "model.safetensors has no tensor \"{key}\". Make sure that config.json and model.safetensors belong together."
    )]
    MissingTensor {
        /// The tensor's usual name.
        key: String,
    },
    /// A tensor's shape is not the one that `config.json` asks for.
    #[error(
        "model.safetensors: \"{key}\" has shape {found:?}, but config.json asks for {expected:?}. Make sure that the \
         two files belong together."
    )]
    WrongShape {
        /// The tensor.
        key: String,
        /// The shape by `config.json`.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor's numbers are stored in a type that is not read.
    #[error("model.safetensors: \"{key}\" is stored as {found}. Save the weights as F32, F16 or BF16.")]
    UnsupportedDtype {
        /// The tensor.
        key: String,
        /// Its storage type, as safetensors calls it.
        found: String,
    },
    /// There is no memory for a tensor, not even for a while.
    #[error(
        "model.safetensors: there is no memory for \"{key}\", which has {bytes} bytes. Close other tabs and programs, or \
         choose a smaller checkpoint."
    )]
    NoMemory {
        /// The tensor.
        key: String,
        /// Its length.
        bytes: usize,
    },
    /// A weight is infinite or not a number, and so would be everything computed from it.
    #[error(
        "model.safetensors: \"{key}\" holds a value that is no finite number (the one numbered {index}). Download the \
         file again; if it stays so, the training diverged: choose another checkpoint."
    )]
    NotFinite {
        /// The tensor.
        key: String,
        /// Which of its values, counted from 0 as they lie in the file.
        index: usize,
    },
}

impl CheckpointError {
    /// The file that is wrong.
    pub fn file(&self) -> &'static str {
        match self {
            Self::ConfigNotJson { .. }
            | Self::BadConfig { .. }
            | Self::UnsupportedArchitecture { .. }
            | Self::UnsupportedSetting { .. } => CONFIG_FILE,
            Self::BadIndex { .. } => SHARDS_FILE,
            Self::NotSafetensors { .. }
            | Self::Truncated { .. }
            | Self::CorruptHeader { .. }
            | Self::MissingTensor { .. }
            | Self::WrongShape { .. }
            | Self::UnsupportedDtype { .. }
            | Self::NoMemory { .. }
            | Self::NotFinite { .. } => WEIGHTS_FILE,
        }
    }
}

impl From<CheckpointError> for Problem {
    fn from(error: CheckpointError) -> Problem {
        use CheckpointError as E;
        let problem = |code: &str| Problem::new(code, error.to_string()).with("file", error.file());
        match &error {
            E::ConfigNotJson { reason } => problem("config-not-json").with("reason", reason),
            E::BadConfig { key, expected, found } => {
                problem("bad-config").with("key", key).with("expected", expected).with("found", found)
            }
            E::UnsupportedArchitecture { found, supported } => {
                problem("unsupported-architecture").with("found", found).with("supported", supported)
            }
            E::UnsupportedSetting { key, found, supported } => problem("unsupported-setting")
                .with("key", key)
                .with("found", found)
                .with("supported", supported),
            E::NotSafetensors { reason } => problem("not-safetensors").with("reason", reason),
            E::Truncated { expected, found } => {
                problem("truncated").with("expected", expected).with("found", found)
            }
            E::CorruptHeader { reason } => problem("corrupt-header").with("reason", reason),
            E::BadIndex { reason } => problem("bad-index").with("reason", reason),
            E::MissingTensor { key } => problem("missing-tensor").with("key", key),
            E::WrongShape { key, expected, found } => problem("wrong-shape")
                .with("key", key)
                .with("expected", format!("{expected:?}"))
                .with("found", format!("{found:?}")),
            E::UnsupportedDtype { key, found } => {
                problem("unsupported-dtype").with("key", key).with("found", found)
            }
            E::NoMemory { key, bytes } => problem("no-memory").with("key", key).with("bytes", bytes),
            E::NotFinite { key, index } => problem("not-finite").with("key", key).with("index", index),
        }
    }
}
