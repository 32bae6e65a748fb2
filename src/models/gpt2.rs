//! GPT-2: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners".
//!
//! Pre-norm blocks: each sublayer reads a normalised copy of the residual stream and adds to it.

use std::sync::Arc;

use burn::tensor::Tensor;
use cloze_arithmetic::Panels;

use super::dense::{self, Dense, Norm, activate};
use super::parts::{Heads, Visible, attend, keep, lookup, split_heads};
use super::{Recorder, Weights};
use crate::checkpoint::{Activation, CheckpointError, Gpt2Config, Gpt2Layer, Gpt2Weights};
use crate::trace::{Ablation, Embedding, Hook, Sight};

/// The network with its language-model head.
pub struct Gpt2 {
    wte: Arc<Panels>,
    wpe: Tensor<2>,
    layers: Vec<Layer>,
    ln_f: Norm,
    /// `wte` again, `[vocabulary, hidden]`, unless the checkpoint unties it.
    lm_head: Arc<Panels>,
}

struct Layer {
    index: usize,
    heads: usize,
    scale: f32,
    sight: Sight,
    ln_1: Norm,
    c_attn: Dense,
    attn_proj: Dense,
    ln_2: Norm,
    c_fc: Dense,
    activation: Activation,
    mlp_proj: Dense,
}

/// Keys and values of the positions that were computed already: a step then costs one token's work.
#[derive(Clone, Default)]
pub struct KvCache {
    /// The tokens at those positions.
    ids: Vec<u32>,
    /// For each block its keys and values, `[position, head, head size]`.
    layers: Vec<(Tensor<3>, Tensor<3>)>,
}

impl KvCache {
    /// The cache for the longest beginning that `ids` shares with what was computed, short of the last token:
    /// that one is always computed, for its logits.
    pub fn rewound_to(mut self, ids: &[u32]) -> KvCache {
        let shared = self.ids.iter().zip(ids).take_while(|(known, id)| known == id).count();
        let shared = shared.min(ids.len().saturating_sub(1));
        if shared == 0 {
            return KvCache::default();
        }
        if shared < self.ids.len() {
            self.ids.truncate(shared);
            for (k, v) in &mut self.layers {
                *k = k.clone().narrow(0, 0, shared);
                *v = v.clone().narrow(0, 0, shared);
            }
        }
        self
    }

    /// How many positions it holds.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Appends the keys and values of new positions, `[position, head, head size]`; returns all of them.
    fn append(&mut self, layer: usize, k: Tensor<3>, v: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let both = match self.layers.get(layer) {
            Some((past_k, past_v)) => {
                (Tensor::cat(vec![past_k.clone(), k], 0), Tensor::cat(vec![past_v.clone(), v], 0))
            }
            None => (k, v),
        };
        if layer < self.layers.len() {
            self.layers[layer] = both.clone();
        } else {
            self.layers.push(both.clone());
        }
        both
    }
}

impl Gpt2 {
    /// The network of a checkpoint whose tensors have all arrived.
    ///
    /// # Errors
    /// [`CheckpointError::NotFinite`] for a weight that is no number.
    pub fn new(config: &Gpt2Config, weights: &Gpt2Weights, read: &Weights) -> Result<Gpt2, CheckpointError> {
        let wte = read.words(&weights.wte)?;
        let lm_head = weights.lm_head.as_ref().map(|head| read.words(head)).transpose()?;
        let layers = weights.layers.iter().enumerate();
        Ok(Gpt2 {
            wpe: read.table(&weights.wpe)?,
            layers: layers
                .map(|(index, layer)| Layer::new(index, config, layer, read))
                .collect::<Result<_, _>>()?,
            ln_f: read.norm(&weights.ln_f, config.layer_norm_epsilon)?,
            lm_head: lm_head.unwrap_or_else(|| wte.clone()),
            wte,
        })
    }

    /// Runs the network on the tokens that `cache` does not hold yet, and adds them to it.
    ///
    /// `ids` is the whole input and begins with what the cache holds; at least one token is new. Returns the logits
    /// after the last token, `[1, vocabulary]`. Recorded activations cover the new positions; recorded logits too,
    /// or the last position alone if `last_only`. `ablate` says what is left out.
    pub fn forward(
        &self,
        ids: &[u32],
        cache: &mut KvCache,
        last_only: bool,
        ablate: &Ablation,
        rec: &mut Recorder,
    ) -> Tensor<2> {
        let past = cache.len();
        let new = &ids[past..];
        let positions: Vec<u32> = (past as u32..ids.len() as u32).collect();
        let token = dense::words(&self.wte, new, &self.wpe.device()); // [position, hidden]
        let token = rec.record(Hook::Embed, keep(token, ablate, Embedding::Token));
        let position = keep(lookup(&self.wpe, &positions), ablate, Embedding::Position);
        let position = rec.record(Hook::PosEmbed, position);
        let mut x = rec.record(Hook::EmbedSum, token + position);

        let mut visible = Visible::new(new.len(), ids.len(), Sight::Back, ablate);
        for layer in &self.layers {
            if layer.sight != visible.sight {
                visible = Visible::new(new.len(), ids.len(), layer.sight, ablate);
            }
            x = layer.forward(x, &visible, cache, ablate, rec);
        }
        cache.ids.extend_from_slice(new);
        let x = rec.record(Hook::FinalHidden, self.ln_f.forward(x));

        let head = |x: Tensor<2>| dense::map(&self.lm_head, x, &[]);
        let last = new.len() - 1;
        if rec.wants(Hook::Logits) && !last_only {
            return rec.record(Hook::Logits, head(x)).narrow(0, last, 1);
        }
        rec.record(Hook::Logits, head(x.narrow(0, last, 1)))
    }
}

impl Layer {
    fn new(
        index: usize,
        config: &Gpt2Config,
        weights: &Gpt2Layer,
        read: &Weights,
    ) -> Result<Layer, CheckpointError> {
        let eps = config.layer_norm_epsilon;
        Ok(Layer {
            index,
            heads: config.n_head,
            scale: config.attention_scale(index),
            sight: config.sight[index],
            ln_1: read.norm(&weights.ln_1, eps)?,
            c_attn: read.side_by_side(&weights.c_attn)?,
            attn_proj: read.dense(&weights.c_proj)?,
            ln_2: read.norm(&weights.ln_2, eps)?,
            c_fc: read.dense(&weights.c_fc)?,
            activation: config.activation_function,
            mlp_proj: read.dense(&weights.mlp_proj)?,
        })
    }

    fn forward(
        &self,
        x: Tensor<2>,
        visible: &Visible,
        cache: &mut KvCache,
        ablate: &Ablation,
        rec: &mut Recorder,
    ) -> Tensor<2> {
        let l = self.index;
        let x = rec.record(Hook::ResidPre(l), x); // [position, hidden]
        let [_, hidden] = x.dims();
        let qkv = self.c_attn.forward(self.ln_1.forward(x.clone())); // [position, 3 hidden]
        let part = |index: usize| split_heads(qkv.clone().narrow(1, index * hidden, hidden), self.heads);
        let q = rec.record(Hook::Q(l), part(0)); // [position, head, head size]
        let k = rec.record(Hook::K(l), part(1));
        let v = rec.record(Hook::V(l), part(2));
        let (k, v) = cache.append(l, k, v); // [all positions, head, head size]
        let heads = Heads { layer: l, scale: self.scale, ablate };
        let z = attend(q, k, v, visible, heads, rec);
        let attn_out = rec.record(Hook::AttnOut(l), self.attn_proj.forward(z));
        let x = rec.record(Hook::ResidMid(l), x + attn_out);

        let inner = activate(self.activation, self.c_fc.forward(self.ln_2.forward(x.clone())));
        let mlp_out = rec.record(Hook::MlpOut(l), self.mlp_proj.forward(inner));
        rec.record(Hook::ResidPost(l), x + mlp_out)
    }
}
