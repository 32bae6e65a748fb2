//! What a run leaves out or changes, to see what it was good for.

use serde::{Deserialize, Serialize};

use super::Hook;

/// Changes to the computation of one run. The default changes nothing.
///
/// Layers, heads and positions count from 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Ablation {
    /// Heads that are switched off, `[layer, head]`: their output is zero (zero ablation, as in Michel et al. 2019,
    /// "Are sixteen heads really better than one?").
    pub heads: Vec<[usize; 2]>,
    /// Cells of the attention mask that are flipped in every head, `[query, key]`: what the query saw it does not see,
    /// and the other way round. A query that sees nothing at all gets a pattern and an output of zeros.
    pub mask: Vec<[usize; 2]>,
    /// Embeddings that are left out of the sum.
    pub embeddings: Vec<Embedding>,
    /// Hidden states that are taken from other runs.
    pub patch: Vec<Patch>,
}

/// A hidden state that is taken from another run of the same model (activation patching, as in Meng et al. 2022,
/// "Locating and editing factual associations in GPT", section 2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Patch {
    /// Where in the residual stream: `hook_embed_sum`, `blocks.{l}.hook_resid_pre`, `hook_resid_mid`, `hook_resid_post`, or
    /// `ln_final.hook_normalized`.
    pub hook: Hook,
    /// The position whose state is replaced.
    pub position: usize,
    /// The text of the other run.
    pub text: String,
    /// Its second sentence, for BERT.
    #[serde(default)]
    pub text_b: Option<String>,
    /// The position in the other run; the same if none is given.
    #[serde(default)]
    pub of: Option<usize>,
}

impl Patch {
    /// The position in the other run.
    pub fn source(&self) -> usize {
        self.of.unwrap_or(self.position)
    }
}

/// One of the embeddings that are summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Embedding {
    /// Of the token.
    Token,
    /// Of its position.
    Position,
    /// Of its segment; BERT only.
    Segment,
}

/// Where the queries of a block look, as long as no cell of its mask is flipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// At every position.
    Everywhere,
    /// At their own position and those before it.
    Back,
    /// The same, but at no more than so many positions.
    Near(usize),
}

impl Sight {
    /// Whether the query at one position sees the key at another.
    pub fn sees(self, query: usize, key: usize) -> bool {
        match self {
            Sight::Everywhere => true,
            Sight::Back => key <= query,
            Sight::Near(window) => key <= query && query - key < window,
        }
    }
}

impl Ablation {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        let Ablation { heads, mask, embeddings, patch } = self;
        heads.is_empty() && mask.is_empty() && embeddings.is_empty() && patch.is_empty()
    }

    /// Whether a head is switched off.
    pub fn is_off(&self, layer: usize, head: usize) -> bool {
        self.heads.contains(&[layer, head])
    }

    /// Whether an embedding is left out.
    pub fn leaves_out(&self, embedding: Embedding) -> bool {
        self.embeddings.contains(&embedding)
    }

    /// The mask of `queries` that stand at the end of `keys` positions: whether each query sees each key, row after row.
    pub fn visible(&self, queries: usize, keys: usize, sight: Sight) -> Vec<bool> {
        let past = keys - queries;
        let of = |query: usize| (0..keys).map(move |key| sight.sees(past + query, key));
        let mut seen: Vec<bool> = (0..queries).flat_map(of).collect();
        for &[query, key] in &self.mask {
            if (past..keys).contains(&query) && key < keys {
                let cell = &mut seen[(query - past) * keys + key];
                *cell = !*cell;
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_cell_is_seen_where_it_was_not_and_the_other_way_round() {
        let ablation = Ablation { mask: vec![[0, 1], [1, 0], [9, 9]], ..Ablation::default() };
        assert_eq!(ablation.visible(2, 2, Sight::Back), [true, true, false, true]);
        assert_eq!(ablation.visible(2, 2, Sight::Everywhere), [true, false, false, true]);
        // The second query alone, after one position that was computed before.
        assert_eq!(ablation.visible(1, 2, Sight::Back), [false, true]);
        assert_eq!(Ablation::default().visible(2, 3, Sight::Back), [true, true, false, true, true, true]);
        assert_eq!(Ablation::default().visible(2, 3, Sight::Near(2)), [true, true, false, false, true, true]);
    }
}
