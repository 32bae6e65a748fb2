//! GPT-2's weights by their names in the published code, and the keys under which checkpoints keep them
//! (Radford et al. 2019).

use super::header::Reader;
use super::{CheckpointError, Gpt2Config, Gpt2Kind, Header, Linear, Matrix, Norm, Tensor};

/// All weights of a GPT-2.
#[derive(Clone, Debug, PartialEq)]
pub struct Gpt2Weights {
    /// Token embeddings, `[vocab_size, n_embd]`.
    pub wte: Matrix,
    /// Position embeddings, `[n_positions, n_embd]`.
    pub wpe: Matrix,
    /// The blocks, first to last.
    pub layers: Vec<Gpt2Layer>,
    /// The layer norm after the last block.
    pub ln_f: Norm,
    /// `[vocab_size, n_embd]`; none where it is tied to [`Gpt2Weights::wte`].
    pub lm_head: Option<Matrix>,
}

/// One pre-norm block.
#[derive(Clone, Debug, PartialEq)]
pub struct Gpt2Layer {
    /// The layer norm before attention.
    pub ln_1: Norm,
    /// Queries, keys and values side by side, `[n_embd, 3 · n_embd]`, in one map or in three; within each, heads side by side.
    pub c_attn: Vec<Linear>,
    /// Attention's output projection, `[n_embd, n_embd]`.
    pub c_proj: Linear,
    /// The layer norm before the MLP.
    pub ln_2: Norm,
    /// The MLP's first map, `[n_embd, n_inner]`.
    pub c_fc: Linear,
    /// The MLP's second map, `[n_inner, n_embd]`.
    pub mlp_proj: Linear,
}

impl Gpt2Weights {
    /// Finds the weights that `config` asks for; gives all of their tensors too.
    ///
    /// Keys may begin with `transformer.` or not. The causal mask that older files keep (`attn.bias`,
    /// `attn.masked_bias`) is no weight and is left alone.
    ///
    /// # Errors
    /// A tensor is missing, has another shape, or an unread storage type.
    pub fn find(config: &Gpt2Config, header: &Header) -> Result<(Gpt2Weights, Vec<Tensor>), CheckpointError> {
        let Gpt2Config { vocab_size, n_embd, .. } = *config;
        let prefix = if header.has_prefix("transformer.") { "transformer." } else { "" };
        let reader = Reader::new(header);
        let key = |name: &str| format!("{prefix}{name}");
        let layer = |index: usize| {
            let key = |name: &str| format!("{prefix}h.{index}.{name}");
            match config.kind {
                Gpt2Kind::Gpt2 => Gpt2Layer::of_gpt2(config, &reader, key),
                Gpt2Kind::GptNeo => Gpt2Layer::of_gpt_neo(config, &reader, key),
            }
        };

        let weights = Gpt2Weights {
            wte: reader.matrix(&key("wte.weight"), vocab_size, n_embd)?,
            wpe: reader.matrix(&key("wpe.weight"), config.n_positions, n_embd)?,
            layers: (0..config.n_layer).map(layer).collect::<Result<_, _>>()?,
            ln_f: reader.norm(&key("ln_f"), n_embd)?,
            lm_head: reader.untied(config.tie_word_embeddings, "lm_head.weight", [vocab_size, n_embd])?,
        };
        Ok((weights, reader.found()))
    }

    /// The matrices of its linear maps: those that read the same and stand side by side together.
    pub fn maps(&self) -> Vec<Vec<Matrix>> {
        let words = [Some(&self.wte), self.lm_head.as_ref()].into_iter().flatten();
        let blocks = self.layers.iter().flat_map(|layer| {
            let attention = layer.c_attn.iter().map(|map| map.weight.clone()).collect();
            let others = [&layer.c_proj, &layer.c_fc, &layer.mlp_proj];
            std::iter::once(attention).chain(others.map(|map| vec![map.weight.clone()]))
        });
        words.map(|table| vec![table.turned()]).chain(blocks).collect()
    }
}

impl Gpt2Layer {
    fn of_gpt2(
        config: &Gpt2Config,
        reader: &Reader<'_>,
        key: impl Fn(&str) -> String,
    ) -> Result<Gpt2Layer, CheckpointError> {
        let Gpt2Config { n_embd, n_inner, .. } = *config;
        Ok(Gpt2Layer {
            ln_1: reader.norm(&key("ln_1"), n_embd)?,
            c_attn: vec![reader.conv1d(&key("attn.c_attn"), n_embd, 3 * n_embd)?],
            c_proj: reader.conv1d(&key("attn.c_proj"), n_embd, n_embd)?,
            ln_2: reader.norm(&key("ln_2"), n_embd)?,
            c_fc: reader.conv1d(&key("mlp.c_fc"), n_embd, n_inner)?,
            mlp_proj: reader.conv1d(&key("mlp.c_proj"), n_inner, n_embd)?,
        })
    }

    fn of_gpt_neo(
        config: &Gpt2Config,
        reader: &Reader<'_>,
        key: impl Fn(&str) -> String,
    ) -> Result<Gpt2Layer, CheckpointError> {
        let Gpt2Config { n_embd, n_inner, .. } = *config;
        let projection =
            |name: &str| reader.linear_without_bias(&key(&format!("attn.attention.{name}")), n_embd, n_embd);
        Ok(Gpt2Layer {
            ln_1: reader.norm(&key("ln_1"), n_embd)?,
            c_attn: ["q_proj", "k_proj", "v_proj"].map(projection).into_iter().collect::<Result<_, _>>()?,
            c_proj: reader.linear(&key("attn.attention.out_proj"), n_embd, n_embd)?,
            ln_2: reader.norm(&key("ln_2"), n_embd)?,
            c_fc: reader.linear(&key("mlp.c_fc"), n_embd, n_inner)?,
            mlp_proj: reader.linear(&key("mlp.c_proj"), n_inner, n_embd)?,
        })
    }
}
