//! Bytes to typed weights: `config.json` and `model.safetensors` of a Hugging Face folder, for BERT and GPT-2
//! and those of their build (DistilBERT, RoBERTa, GPT-Neo).
//!
//! [`Checkpoint::read`] is the way in: `config.json` and the first bytes of the weights' file tell what the network is and
//! where each tensor lies, so that an engine can make room before the weights arrive, one by one ([`TensorStream`]). Every
//! failure is a [`CheckpointError`] that names the file and the key. There is no I/O here (that is [`crate::hub`]'s) and no
//! tensor library: the weights are plain numbers, so that every engine can take them.

mod bert;
mod config;
mod error;
mod gpt2;
mod header;
mod shards;
mod stream;
mod weights;

pub use bert::{BertLayer, BertWeights, MlmHead};
pub use config::{Activation, BertConfig, BertKind, Config, Gpt2Config, Gpt2Kind};
pub use error::CheckpointError;
pub use gpt2::{Gpt2Layer, Gpt2Weights};
pub use header::Header;
pub use shards::{merged_beginning, shard_names};
pub use stream::{Arrived, TensorStream};
pub use weights::{Linear, Matrix, Norm, NumberType, Numbers, Scale, Tensor};

use crate::trace::{Family, WeightType};

/// The file of a checkpoint that holds its sizes.
pub const CONFIG_FILE: &str = "config.json";
/// The file of a checkpoint that holds its vocabulary.
pub const TOKENIZER_FILE: &str = "tokenizer.json";
/// The file of a checkpoint that holds its weights.
pub const WEIGHTS_FILE: &str = "model.safetensors";
/// The file of a checkpoint that names the files of its weights, where they are several.
pub const SHARDS_FILE: &str = "model.safetensors.index.json";

/// A checkpoint: a network of one of the two architectures, and where its weights lie.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Its sizes and its weights.
    pub network: Network,
    /// All of its tensors; a matrix that is tied to another is one with it.
    pub tensors: Vec<Tensor>,
    /// The smallest type that keeps the file's matrices as they are.
    pub stored: WeightType,
}

/// The sizes and the weights of a network.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "there is one of it for each loaded model")]
pub enum Network {
    /// An encoder (Devlin et al. 2018).
    Bert {
        /// Its sizes.
        config: BertConfig,
        /// Its weights.
        weights: BertWeights,
    },
    /// A decoder (Radford et al. 2019).
    Gpt2 {
        /// Its sizes.
        config: Gpt2Config,
        /// Its weights.
        weights: Gpt2Weights,
    },
}

impl Checkpoint {
    /// Reads a checkpoint from the bytes of `config.json` and the header of `model.safetensors`.
    ///
    /// # Errors
    /// Whatever is wrong with either, or between them: see [`CheckpointError`].
    pub fn read(config: &[u8], header: &Header) -> Result<Checkpoint, CheckpointError> {
        let (network, tensors) = match Config::parse(config)? {
            Config::Bert(config) => {
                let (weights, tensors) = BertWeights::find(&config, header)?;
                (Network::Bert { config, weights }, tensors)
            }
            Config::Gpt2(config) => {
                let (weights, tensors) = Gpt2Weights::find(&config, header)?;
                (Network::Gpt2 { config, weights }, tensors)
            }
        };
        Ok(Checkpoint { network, tensors, stored: header.stored() })
    }

    /// Number of weights.
    pub fn parameters(&self) -> usize {
        self.tensors.iter().map(|tensor| tensor.count).sum()
    }

    /// The matrices of its linear maps, `[in, out]`: those that read the same and stand side by side together.
    pub fn maps(&self) -> Vec<Vec<Matrix>> {
        match &self.network {
            Network::Bert { weights, .. } => weights.maps(),
            Network::Gpt2 { weights, .. } => weights.maps(),
        }
    }

    /// The architecture.
    pub fn family(&self) -> Family {
        match self.network {
            Network::Bert { .. } => Family::Bert,
            Network::Gpt2 { .. } => Family::Gpt2,
        }
    }
}
