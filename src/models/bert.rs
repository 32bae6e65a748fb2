//! BERT: Devlin et al. 2018, "Pre-training of Deep Bidirectional Transformers for Language Understanding".
//!
//! Post-norm blocks: each sublayer's output is added to its input and then normalised.

use std::sync::Arc;

use burn::tensor::Tensor;
use burn::tensor::activation::tanh;
use cloze_arithmetic::Panels;

use super::dense::{self, Dense, Norm, activate};
use super::parts::{Heads, Visible, attend, keep, lookup, split_heads};
use super::{Recorder, Weights};
use crate::checkpoint::{self, Activation, BertConfig, BertLayer, BertWeights, CheckpointError};
use crate::trace::{Ablation, Embedding, Hook, Sight};

/// The network with its heads; a head that the checkpoint lacks is none.
pub struct Bert {
    word: Arc<Panels>,
    position: Tensor<2>,
    token_type: Option<Tensor<2>>,
    embed_norm: Norm,
    layers: Vec<Layer>,
    pooler: Option<Dense>,
    next_sentence: Option<Dense>,
    mlm: Option<MlmHead>,
}

struct Layer {
    index: usize,
    heads: usize,
    query: Dense,
    key: Dense,
    value: Dense,
    attn_output: Dense,
    attn_norm: Norm,
    intermediate: Dense,
    activation: Activation,
    output: Dense,
    output_norm: Norm,
}

/// The masked-language-model head: a transform, then the word table as decoder.
struct MlmHead {
    transform: Dense,
    activation: Activation,
    norm: Norm,
    /// The word table again, `[vocabulary, hidden]`, unless the checkpoint unties it.
    decoder: Arc<Panels>,
    bias: Vec<f32>,
}

/// What a forward pass returns beside what it recorded.
pub struct Output {
    /// `[rows, vocabulary]`, one row for each position that was asked for; none without an MLM head.
    pub logits: Option<Tensor<2>>,
    /// `[2]`: is next, is not next; none without a next-sentence head.
    pub next_sentence: Option<Tensor<1>>,
}

impl Bert {
    /// The network of a checkpoint whose tensors have all arrived.
    ///
    /// # Errors
    /// [`CheckpointError::NotFinite`] for a weight that is no number.
    pub fn new(config: &BertConfig, weights: &BertWeights, read: &Weights) -> Result<Bert, CheckpointError> {
        let word = read.words(&weights.word)?;
        let eps = config.layer_norm_eps;
        let mlm = |head: &checkpoint::MlmHead| {
            let decoder = head.decoder.as_ref().map(|decoder| read.words(decoder)).transpose()?;
            Ok(MlmHead {
                transform: read.dense(&head.transform)?,
                activation: config.head_act,
                norm: read.norm(&head.norm, eps)?,
                decoder: decoder.unwrap_or_else(|| word.clone()),
                bias: read.vector(&head.decoder_bias)?,
            })
        };
        let linear = |map: &Option<checkpoint::Linear>| map.as_ref().map(|map| read.dense(map)).transpose();
        let layers = weights.layers.iter().enumerate();
        Ok(Bert {
            position: read.table(&weights.position)?.narrow(0, config.first_position, config.positions()),
            token_type: weights.token_type.as_ref().map(|table| read.table(table)).transpose()?,
            embed_norm: read.norm(&weights.embed_norm, eps)?,
            layers: layers
                .map(|(index, layer)| Layer::new(index, config, layer, read))
                .collect::<Result<_, _>>()?,
            pooler: linear(&weights.pooler)?,
            next_sentence: linear(&weights.nsp)?,
            mlm: weights.mlm.as_ref().map(mlm).transpose()?,
            word,
        })
    }

    /// Runs the network on one input.
    ///
    /// `ids` and `segments` are equally long; `predict` lists the positions whose logits are wanted; `ablate` says what is
    /// left out.
    pub fn forward(
        &self,
        ids: &[u32],
        segments: &[u32],
        predict: &[u32],
        ablate: &Ablation,
        rec: &mut Recorder,
    ) -> Output {
        let positions: Vec<u32> = (0..ids.len() as u32).collect();
        let token = dense::words(&self.word, ids, &self.position.device()); // [position, hidden]
        let token = rec.record(Hook::Embed, keep(token, ablate, Embedding::Token));
        let position = keep(lookup(&self.position, &positions), ablate, Embedding::Position);
        let position = rec.record(Hook::PosEmbed, position);
        let segment = self.token_type.as_ref().map(|table| {
            let segment = keep(lookup(table, segments), ablate, Embedding::Segment);
            rec.record(Hook::TokenTypeEmbed, segment)
        });
        let token = match segment {
            Some(segment) => token + segment,
            None => token,
        };
        let sum = rec.record(Hook::EmbedSum, token + position);

        let visible = Visible::new(ids.len(), ids.len(), Sight::Everywhere, ablate);
        let mut x = self.embed_norm.forward(sum);
        for layer in &self.layers {
            x = layer.forward(x, &visible, ablate, rec);
        }
        let x = rec.record(Hook::FinalHidden, x);

        let logits = self.mlm.as_ref().map(|head| {
            if rec.wants(Hook::Logits) {
                let all = rec.record(Hook::Logits, head.forward(x.clone()));
                lookup(&all, predict)
            } else {
                head.forward(lookup(&x, predict))
            }
        });
        let next_sentence = self.pooler.as_ref().and_then(|pooler| {
            let cls = x.clone().narrow(0, 0, 1); // [1, hidden]
            let pooled = tanh(pooler.forward(cls));
            let pooled = rec.record(Hook::Pooled, pooled.squeeze_dim::<1>(0)); // [hidden]
            let head = self.next_sentence.as_ref()?;
            let logits = head.forward(pooled.unsqueeze::<2>()).squeeze_dim::<1>(0); // [2]
            Some(rec.record(Hook::NspLogits, logits))
        });
        Output { logits, next_sentence }
    }
}

impl Layer {
    fn new(
        index: usize,
        config: &BertConfig,
        weights: &BertLayer,
        read: &Weights,
    ) -> Result<Layer, CheckpointError> {
        let eps = config.layer_norm_eps;
        Ok(Layer {
            index,
            heads: config.num_attention_heads,
            query: read.dense(&weights.query)?,
            key: read.dense(&weights.key)?,
            value: read.dense(&weights.value)?,
            attn_output: read.dense(&weights.attn_output)?,
            attn_norm: read.norm(&weights.attn_norm, eps)?,
            intermediate: read.dense(&weights.intermediate)?,
            activation: config.hidden_act,
            output: read.dense(&weights.output)?,
            output_norm: read.norm(&weights.output_norm, eps)?,
        })
    }

    fn forward(&self, x: Tensor<2>, visible: &Visible, ablate: &Ablation, rec: &mut Recorder) -> Tensor<2> {
        let l = self.index;
        let x = rec.record(Hook::ResidPre(l), x); // [position, hidden]
        let q = rec.record(Hook::Q(l), split_heads(self.query.forward(x.clone()), self.heads));
        let k = rec.record(Hook::K(l), split_heads(self.key.forward(x.clone()), self.heads));
        let v = rec.record(Hook::V(l), split_heads(self.value.forward(x.clone()), self.heads));
        let [_, _, head_size] = q.dims();
        let scale = (head_size as f32).sqrt().recip();
        let heads = Heads { layer: l, scale, ablate };
        let z = attend(q, k, v, visible, heads, rec);
        let attn_out = rec.record(Hook::AttnOut(l), self.attn_output.forward(z));
        let x = rec.record(Hook::ResidMid(l), self.attn_norm.forward(x + attn_out));

        let inner = activate(self.activation, self.intermediate.forward(x.clone())); // [position, intermediate]
        let mlp_out = rec.record(Hook::MlpOut(l), self.output.forward(inner));
        rec.record(Hook::ResidPost(l), self.output_norm.forward(x + mlp_out))
    }
}

impl MlmHead {
    /// `[position, hidden]` to `[position, vocabulary]`.
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.norm.forward(activate(self.activation, self.transform.forward(x)));
        dense::map(&self.decoder, x, &self.bias)
    }
}
