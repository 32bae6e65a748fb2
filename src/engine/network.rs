//! A model of either family on one device.

use burn::tensor::{Device, Tensor};

use crate::checkpoint::{self, Checkpoint};
use crate::models::{Bert, Gpt2, KvCache, Recorder};
use crate::trace::Token;

/// The network of a checkpoint.
pub(super) enum Network {
    Bert(Box<Bert>),
    Gpt2(Box<Gpt2>),
}

/// What a forward pass leaves to be read.
pub(super) struct Forward {
    /// `[rows, vocabulary]`, a row for each predicted position; none without a head.
    pub logits: Option<Tensor<2>>,
    /// `[2]`, where the model has the head.
    pub next_sentence: Option<Tensor<1>>,
    /// How many positions were computed.
    pub computed: usize,
}

impl Network {
    /// Puts a checkpoint on a device.
    pub(super) fn new(checkpoint: Checkpoint, device: &Device) -> Network {
        match checkpoint.network {
            checkpoint::Network::Bert { config, weights } => {
                Network::Bert(Box::new(Bert::new(&config, weights, device)))
            }
            checkpoint::Network::Gpt2 { config, weights } => {
                Network::Gpt2(Box::new(Gpt2::new(&config, weights, device)))
            }
        }
    }

    /// One forward pass. `cache` is GPT's; `last_only` asks for logits at the last position alone.
    pub(super) fn forward(
        &self,
        tokens: &[Token],
        predict: &[u32],
        cache: &mut KvCache,
        last_only: bool,
        rec: &mut Recorder,
    ) -> Forward {
        let ids: Vec<u32> = tokens.iter().map(|token| token.id).collect();
        match self {
            Network::Bert(bert) => {
                let segments: Vec<u32> = tokens.iter().map(|token| u32::from(token.segment)).collect();
                let output = bert.forward(&ids, &segments, predict, rec);
                Forward { logits: output.logits, next_sentence: output.next_sentence, computed: ids.len() }
            }
            Network::Gpt2(gpt) => {
                let computed = ids.len() - cache.len();
                let logits = gpt.forward(&ids, cache, last_only, rec);
                Forward { logits: Some(logits), next_sentence: None, computed }
            }
        }
    }
}
