//! The names of activations, as TransformerLens prints them (`blocks.0.attn.hook_pattern`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One place in a model where an activation can be recorded. Layers count from 0.
///
/// The printed names are those of TransformerLens (`HookedTransformer`, `HookedEncoder`); two it lacks are ours:
/// `hook_embed_sum` and `blocks.{l}.attn.hook_mask`. Shapes carry no batch axis: a run has one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Hook {
    /// `hook_embed`: token embedding, `[position, hidden]`.
    Embed,
    /// `hook_pos_embed`: position embedding, `[position, hidden]`.
    PosEmbed,
    /// `hook_token_type_embed`: segment embedding, `[position, hidden]`; BERT only.
    TokenTypeEmbed,
    /// `hook_embed_sum`: the sum of the embeddings, before BERT's layer norm, `[position, hidden]`.
    EmbedSum,
    /// `blocks.{l}.hook_resid_pre`: what enters the block, `[position, hidden]`.
    ResidPre(usize),
    /// `blocks.{l}.attn.hook_q`: queries, `[position, head, head size]`.
    Q(usize),
    /// `blocks.{l}.attn.hook_k`: keys, `[position, head, head size]`.
    K(usize),
    /// `blocks.{l}.attn.hook_v`: values, `[position, head, head size]`.
    V(usize),
    /// `blocks.{l}.attn.hook_attn_scores`: q·k ÷ √(head size), before the mask, `[head, query, key]`.
    AttnScores(usize),
    /// `blocks.{l}.attn.hook_mask`: 1 where the query may look at the key, else 0, `[query, key]`.
    Mask(usize),
    /// `blocks.{l}.attn.hook_pattern`: attention probabilities, `[head, query, key]`.
    Pattern(usize),
    /// `blocks.{l}.attn.hook_z`: each head's output, values weighted by the pattern, `[position, head, head size]`.
    Z(usize),
    /// `blocks.{l}.hook_attn_out`: attention's output after its projection, `[position, hidden]`.
    AttnOut(usize),
    /// `blocks.{l}.hook_resid_mid`: the residual stream after attention was added, `[position, hidden]`; in BERT,
    /// whose norms come after, the norm's output: what the MLP reads.
    ResidMid(usize),
    /// `blocks.{l}.hook_mlp_out`: the MLP's output, `[position, hidden]`.
    MlpOut(usize),
    /// `blocks.{l}.hook_resid_post`: the residual stream after the MLP was added, `[position, hidden]`; in BERT the
    /// norm's output: what the next block reads.
    ResidPost(usize),
    /// `ln_final.hook_normalized`: the final hidden state that the heads read, `[position, hidden]`.
    ///
    /// GPT-2's is its last layer norm; BERT's is the layer norm that ends its last block.
    FinalHidden,
    /// `logits`: a score for every piece of the vocabulary, `[position, vocabulary]`.
    Logits,
    /// `pooler.hook_pooler_out`: BERT's pooled [CLS] vector, `[hidden]`.
    Pooled,
    /// `nsp_head.hook_nsp_out`: next-sentence logits, is next then not next, `[2]`.
    NspLogits,
}

/// A name that is no activation's, with the nearest that is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{name}\" is no activation's name. Did you mean \"{suggestion}\"?")]
pub struct UnknownHook {
    /// The name as it was given.
    pub name: String,
    /// An existing name that is spelled most alike.
    pub suggestion: String,
}

/// Makes a hook of a layer's number.
type OfLayer = fn(usize) -> Hook;

/// The part of a block's hook name after `blocks.{l}.`, with its constructor.
const IN_BLOCK: [(&str, OfLayer); 12] = [
    ("hook_resid_pre", Hook::ResidPre),
    ("attn.hook_q", Hook::Q),
    ("attn.hook_k", Hook::K),
    ("attn.hook_v", Hook::V),
    ("attn.hook_attn_scores", Hook::AttnScores),
    ("attn.hook_mask", Hook::Mask),
    ("attn.hook_pattern", Hook::Pattern),
    ("attn.hook_z", Hook::Z),
    ("hook_attn_out", Hook::AttnOut),
    ("hook_resid_mid", Hook::ResidMid),
    ("hook_mlp_out", Hook::MlpOut),
    ("hook_resid_post", Hook::ResidPost),
];

/// The hooks outside the blocks, with their names.
const OUTSIDE: [(&str, Hook); 8] = [
    ("hook_embed", Hook::Embed),
    ("hook_pos_embed", Hook::PosEmbed),
    ("hook_token_type_embed", Hook::TokenTypeEmbed),
    ("hook_embed_sum", Hook::EmbedSum),
    ("ln_final.hook_normalized", Hook::FinalHidden),
    ("logits", Hook::Logits),
    ("pooler.hook_pooler_out", Hook::Pooled),
    ("nsp_head.hook_nsp_out", Hook::NspLogits),
];

impl Hook {
    /// The first name of a state of the residual stream, in a model of so many layers: what one block leaves the next one
    /// finds, and the last one's is read by the heads. None for any other activation.
    pub fn state(self, layers: usize) -> Option<Hook> {
        let before = |layer: usize| layer.checked_sub(1).map_or(Hook::EmbedSum, Hook::ResidPost);
        match self {
            Hook::ResidPre(layer) => Some(before(layer)),
            Hook::FinalHidden => Some(before(layers)),
            Hook::EmbedSum | Hook::ResidMid(_) | Hook::ResidPost(_) => Some(self),
            _ => None,
        }
    }

    /// Every hook that a model of `family` with `layers` blocks records, in the order of the forward pass.
    pub fn all(family: super::Family, layers: usize) -> Vec<Hook> {
        let bert = family == super::Family::Bert;
        let mut hooks = vec![Hook::Embed, Hook::PosEmbed];
        if bert {
            hooks.push(Hook::TokenTypeEmbed);
        }
        hooks.push(Hook::EmbedSum);
        hooks.extend((0..layers).flat_map(|layer| IN_BLOCK.iter().map(move |(_, hook)| hook(layer))));
        hooks.extend([Hook::FinalHidden, Hook::Logits]);
        if bert {
            hooks.extend([Hook::Pooled, Hook::NspLogits]);
        }
        hooks
    }

    /// The block this hook lies in, counted from 0, if it lies in one.
    pub fn layer(&self) -> Option<usize> {
        match *self {
            Hook::ResidPre(l)
            | Hook::Q(l)
            | Hook::K(l)
            | Hook::V(l)
            | Hook::AttnScores(l)
            | Hook::Mask(l)
            | Hook::Pattern(l)
            | Hook::Z(l)
            | Hook::AttnOut(l)
            | Hook::ResidMid(l)
            | Hook::MlpOut(l)
            | Hook::ResidPost(l) => Some(l),
            _ => None,
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(layer) = self.layer()
            && let Some((name, _)) = IN_BLOCK.iter().find(|(_, hook)| hook(layer) == *self)
        {
            return write!(f, "blocks.{layer}.{name}");
        }
        OUTSIDE.iter().filter(|(_, hook)| hook == self).try_for_each(|(name, _)| f.write_str(name))
    }
}

impl FromStr for Hook {
    type Err = UnknownHook;

    fn from_str(name: &str) -> Result<Hook, UnknownHook> {
        if let Some((_, hook)) = OUTSIDE.iter().find(|(known, _)| *known == name) {
            return Ok(*hook);
        }
        if let Some((layer, rest)) = name.strip_prefix("blocks.").and_then(|rest| rest.split_once('.'))
            && let Ok(layer) = layer.parse::<usize>()
            && let Some((_, hook)) = IN_BLOCK.iter().find(|(known, _)| *known == rest)
        {
            return Ok(hook(layer));
        }
        Err(UnknownHook { name: name.to_owned(), suggestion: nearest(name) })
    }
}

/// The known name that shares the most character pairs with `name`.
fn nearest(name: &str) -> String {
    let pairs = |s: &str| s.as_bytes().windows(2).map(|pair| [pair[0], pair[1]]).collect::<Vec<_>>();
    let wanted = pairs(name);
    let shared = |known: &str| {
        let known = pairs(known);
        let common = wanted.iter().filter(|pair| known.contains(pair)).count() as f64;
        2.0 * common / (wanted.len() + known.len()).max(1) as f64
    };
    let outside = OUTSIDE.iter().map(|(known, _)| (*known).to_owned());
    let inside = IN_BLOCK.iter().map(|(known, _)| format!("blocks.0.{known}"));
    outside.chain(inside).max_by(|a, b| shared(a).total_cmp(&shared(b))).unwrap_or_default()
}

impl From<Hook> for String {
    fn from(hook: Hook) -> String {
        hook.to_string()
    }
}

impl TryFrom<String> for Hook {
    type Error = UnknownHook;

    fn try_from(name: String) -> Result<Hook, UnknownHook> {
        name.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Family;
    use super::*;

    #[test]
    fn every_hook_prints_the_name_it_is_parsed_from() {
        for family in [Family::Bert, Family::Gpt2] {
            for hook in Hook::all(family, 3) {
                let name = hook.to_string();
                assert!(!name.is_empty(), "{hook:?} has no name");
                assert_eq!(name.parse::<Hook>(), Ok(hook));
            }
        }
    }

    #[test]
    fn only_bert_has_segments_a_pooler_and_a_next_sentence_head() {
        let gpt = Hook::all(Family::Gpt2, 1);
        for hook in [Hook::TokenTypeEmbed, Hook::Pooled, Hook::NspLogits] {
            assert!(!gpt.contains(&hook) && Hook::all(Family::Bert, 1).contains(&hook));
        }
    }

    #[test]
    fn a_misspelled_name_is_answered_with_the_nearest() {
        for (name, meant) in [
            ("blocks.0.attn.pattern", "blocks.0.attn.hook_pattern"),
            ("logit", "logits"),
            ("blocks.x.attn.hook_q", "blocks.0.attn.hook_q"),
            ("", "hook_embed"),
        ] {
            let error = name.parse::<Hook>().unwrap_err();
            assert_eq!(error.name, name);
            assert!(error.suggestion.parse::<Hook>().is_ok());
            if !name.is_empty() {
                assert_eq!(error.suggestion, meant);
            }
        }
    }
}
