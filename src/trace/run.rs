//! One run of a model: its tokens, its predictions and the activations that were asked for.

use serde::{Deserialize, Serialize};

use super::Hook;

/// The two kinds of transformer that Cloze runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// An encoder that looks both ways and fills blanks (Devlin et al. 2018).
    Bert,
    /// A decoder that looks back only and continues a text (Radford et al. 2019).
    #[serde(rename = "gpt")]
    Gpt2,
}

/// Whose encoder or decoder it is, as `model_type` in a `config.json` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// As its paper has it.
    Bert,
    /// With half the blocks and no segments (Sanh et al. 2019).
    DistilBert,
    /// With a byte-level vocabulary (Liu et al. 2019).
    Roberta,
    /// As its paper has it.
    Gpt2,
    /// With blocks that look back a few positions only (Black et al. 2021).
    #[serde(rename = "gpt_neo")]
    GptNeo,
}

/// The sizes of a loaded model, all of them read from its `config.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelCard {
    /// How the model was asked for: see `engine::protocol::Load`.
    pub source: String,
    /// Which of the two it is.
    pub family: Family,
    /// Whose.
    pub architecture: Architecture,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads in each block.
    pub heads: usize,
    /// Width of the hidden state.
    pub hidden: usize,
    /// Pieces in the vocabulary.
    pub vocabulary: usize,
    /// The longest input, in tokens, special tokens included: the model's own, or what its GPU has room for.
    pub positions: usize,
    /// Number of weights.
    pub parameters: usize,
    /// How many segments it tells apart; 0 where it has no such embedding.
    pub segments: usize,
    /// Whether the checkpoint holds a next-sentence head.
    pub next_sentence: bool,
}

/// One token of the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Its row in the vocabulary.
    pub id: u32,
    /// The piece as a person reads it: `##ker` for a continuation, ` the` with its leading space.
    pub piece: String,
    /// Where it begins in the original text, in bytes. Special tokens that were added have an empty span.
    pub start: usize,
    /// Where it ends in the original text, in bytes.
    pub end: usize,
    /// The word it belongs to, counted from 0 over the whole input; none for special tokens that were added.
    pub word: Option<usize>,
    /// Whether it is a special token: [CLS], [SEP], [MASK], `<|endoftext|>`.
    pub special: bool,
    /// 0 for the first sentence, 1 for the second. The span of a segment-1 token lies in the second text.
    pub segment: u8,
}

/// A piece that a model considers, with its probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its row in the vocabulary.
    pub id: u32,
    /// The piece as a person reads it.
    pub piece: String,
    /// Its probability, in 0 to 1.
    pub p: f32,
}

/// What a model expects at one position, most probable first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The position in the input: a mask for BERT, the last token for GPT.
    pub position: usize,
    /// The most probable pieces, in falling order.
    pub top: Vec<Candidate>,
    /// The probability of the piece that the request watches, wherever it ranks; none if it watches none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched: Option<f32>,
}

/// BERT's answer to whether the second sentence follows the first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NextSentence {
    /// Probability that it does, in 0 to 1.
    pub is_next: f32,
}

/// One recorded activation. Its axes are given at its [`Hook`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Activation {
    /// What was recorded.
    pub hook: Hook,
    /// The length of each axis.
    pub shape: Vec<usize>,
    /// The values, last axis fastest. They travel beside the message, not in it.
    #[serde(skip)]
    pub data: Vec<f32>,
}

/// What one run of a model produced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The model that ran.
    pub model: ModelCard,
    /// The text that was asked for, whole.
    pub text: String,
    /// The second sentence, if there was one.
    pub text_b: Option<String>,
    /// The tokens that the model read.
    pub tokens: Vec<Token>,
    /// At each mask (BERT), or at the last position (GPT).
    pub predictions: Vec<Prediction>,
    /// Of a pair, or of one sentence alone, where the checkpoint has the head.
    pub nsp: Option<NextSentence>,
    /// What was asked for, in the order of the forward pass.
    pub activations: Vec<Activation>,
    /// How many tokens the text has beyond what the model reads; they were left out. 0 if all were read.
    pub truncated: usize,
    /// Positions computed in this run; the others came from the KV cache, or from a run before that computed the same.
    pub computed: usize,
    /// Wall time of the run, in ms.
    pub ms: f64,
}

impl Run {
    /// The recorded activation of `hook`, if it was asked for.
    pub fn activation(&self, hook: Hook) -> Option<&Activation> {
        self.activations.iter().find(|activation| activation.hook == hook)
    }
}
