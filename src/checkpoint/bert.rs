//! BERT's weights by the paper's parts, and the keys under which checkpoints keep them (Devlin et al. 2018).

use super::header::Reader;
use super::{BertConfig, BertKind, CheckpointError, Header, Linear, Matrix, Norm, Tensor};

/// All weights of a BERT.
#[derive(Clone, Debug, PartialEq)]
pub struct BertWeights {
    /// Token embeddings, `[vocab_size, hidden_size]`.
    pub word: Matrix,
    /// Position embeddings, `[max_position_embeddings, hidden_size]`.
    pub position: Matrix,
    /// Segment embeddings, `[type_vocab_size, hidden_size]`; none in DistilBERT.
    pub token_type: Option<Matrix>,
    /// The layer norm over the sum of the three.
    pub embed_norm: Norm,
    /// The blocks, first to last.
    pub layers: Vec<BertLayer>,
    /// The masked-language-model head, where the checkpoint has it.
    pub mlm: Option<MlmHead>,
    /// The map of [CLS]'s final hidden state that the next-sentence head reads, `[hidden, hidden]`.
    pub pooler: Option<Linear>,
    /// The next-sentence head, `[hidden, 2]`: is next, then is not.
    pub nsp: Option<Linear>,
}

/// One post-norm block.
#[derive(Clone, Debug, PartialEq)]
pub struct BertLayer {
    /// `[hidden, hidden]`, heads side by side.
    pub query: Linear,
    /// `[hidden, hidden]`, heads side by side.
    pub key: Linear,
    /// `[hidden, hidden]`, heads side by side.
    pub value: Linear,
    /// Attention's output projection, `[hidden, hidden]`.
    pub attn_output: Linear,
    /// The layer norm after attention was added.
    pub attn_norm: Norm,
    /// The MLP's first map, `[hidden, intermediate]`.
    pub intermediate: Linear,
    /// The MLP's second map, `[intermediate, hidden]`.
    pub output: Linear,
    /// The layer norm after the MLP was added.
    pub output_norm: Norm,
}

/// The head that fills blanks.
#[derive(Clone, Debug, PartialEq)]
pub struct MlmHead {
    /// `[hidden, hidden]`; the activation function follows.
    pub transform: Linear,
    /// The layer norm after it.
    pub norm: Norm,
    /// `[vocab_size, hidden_size]`; none where it is tied to [`BertWeights::word`].
    pub decoder: Option<Matrix>,
    /// `[vocab_size]`.
    pub decoder_bias: Tensor,
}

impl BertWeights {
    /// Finds the weights that `config` asks for; gives all of their tensors too.
    ///
    /// Keys may begin with the model's name or not, and layer norms may say `gamma` and `beta` (TensorFlow's names). A head
    /// that the file has nothing of is left out, unless the architecture's name promises it.
    ///
    /// # Errors
    /// A tensor is missing, has another shape, or an unread storage type.
    pub fn find(config: &BertConfig, header: &Header) -> Result<(BertWeights, Vec<Tensor>), CheckpointError> {
        let BertConfig { kind, vocab_size, hidden_size: hidden, .. } = *config;
        let (name, blocks, block_names, mlm_prefix, head_names) = match kind {
            BertKind::Bert => ("bert.", "encoder.layer", BERT_BLOCK, "cls.predictions.", BERT_HEAD),
            BertKind::DistilBert => {
                ("distilbert.", "transformer.layer", DISTILBERT_BLOCK, "vocab_transform.", DISTILBERT_HEAD)
            }
            BertKind::Roberta => ("roberta.", "encoder.layer", BERT_BLOCK, "lm_head.", ROBERTA_HEAD),
        };
        let prefix = if header.has_prefix(name) { name } else { "" };
        let reader = Reader::new(header);
        let key = |name: &str| format!("{prefix}{name}");
        let table =
            |name: &str, rows| reader.matrix(&key(&format!("embeddings.{name}.weight")), rows, hidden);
        let layer =
            |index: usize| BertLayer::find(config, &reader, &key(&format!("{blocks}.{index}")), block_names);
        let mlm = || MlmHead::find(config, &reader, &head_names);

        let has_segments = config.type_vocab_size > 0;
        let has_mlm = config.promises_mlm || header.has_prefix(mlm_prefix);
        let has_nsp = config.promises_nsp || header.has_prefix("cls.seq_relationship.");
        let has_pooler = has_nsp || header.has_prefix(&key("pooler."));
        let weights = BertWeights {
            word: table("word_embeddings", vocab_size)?,
            position: table("position_embeddings", config.max_position_embeddings)?,
            token_type: has_segments
                .then(|| table("token_type_embeddings", config.type_vocab_size))
                .transpose()?,
            embed_norm: reader.norm(&key("embeddings.LayerNorm"), hidden)?,
            layers: (0..config.num_hidden_layers).map(layer).collect::<Result<_, _>>()?,
            mlm: has_mlm.then(mlm).transpose()?,
            pooler: has_pooler.then(|| reader.linear(&key("pooler.dense"), hidden, hidden)).transpose()?,
            nsp: has_nsp.then(|| reader.linear("cls.seq_relationship", hidden, 2)).transpose()?,
        };
        Ok((weights, reader.found()))
    }

    /// The matrices of its linear maps, each by itself.
    pub fn maps(&self) -> Vec<Vec<Matrix>> {
        let decoder = self.mlm.as_ref().and_then(|head| head.decoder.as_ref());
        let words = [Some(&self.word), decoder].into_iter().flatten().map(Matrix::turned);
        let transform = self.mlm.as_ref().map(|head| &head.transform);
        let heads = [transform, self.pooler.as_ref(), self.nsp.as_ref()].into_iter().flatten();
        let blocks = self.layers.iter().flat_map(|layer| {
            let BertLayer { query, key, value, attn_output, intermediate, output, .. } = layer;
            [query, key, value, attn_output, intermediate, output]
        });
        words.chain(heads.chain(blocks).map(|map| map.weight.clone())).map(|matrix| vec![matrix]).collect()
    }
}

/// What a kind of BERT calls a block's parts, in the order of [`BertLayer`].
type BlockNames = [&'static str; 8];

/// What it calls those of the masked-word head, which never begin with the model's name; the bias goes by either.
struct HeadNames {
    transform: &'static str,
    norm: &'static str,
    decoder: &'static str,
    decoder_bias: [&'static str; 2],
}

const BERT_BLOCK: BlockNames = [
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
];
const BERT_HEAD: HeadNames = HeadNames {
    transform: "cls.predictions.transform.dense",
    norm: "cls.predictions.transform.LayerNorm",
    decoder: "cls.predictions.decoder.weight",
    decoder_bias: ["cls.predictions.bias", "cls.predictions.decoder.bias"],
};
const DISTILBERT_BLOCK: BlockNames = [
    "attention.q_lin",
    "attention.k_lin",
    "attention.v_lin",
    "attention.out_lin",
    "sa_layer_norm",
    "ffn.lin1",
    "ffn.lin2",
    "output_layer_norm",
];
const DISTILBERT_HEAD: HeadNames = HeadNames {
    transform: "vocab_transform",
    norm: "vocab_layer_norm",
    decoder: "vocab_projector.weight",
    decoder_bias: ["vocab_projector.bias"; 2],
};
const ROBERTA_HEAD: HeadNames = HeadNames {
    transform: "lm_head.dense",
    norm: "lm_head.layer_norm",
    decoder: "lm_head.decoder.weight",
    // Where there are both, the decoder adds its own.
    decoder_bias: ["lm_head.decoder.bias", "lm_head.bias"],
};

impl BertLayer {
    fn find(
        config: &BertConfig,
        reader: &Reader<'_>,
        block: &str,
        names: BlockNames,
    ) -> Result<BertLayer, CheckpointError> {
        let BertConfig { hidden_size: hidden, intermediate_size, .. } = *config;
        let [query, key, value, attn_output, attn_norm, intermediate, output, output_norm] =
            names.map(|name| format!("{block}.{name}"));
        Ok(BertLayer {
            query: reader.linear(&query, hidden, hidden)?,
            key: reader.linear(&key, hidden, hidden)?,
            value: reader.linear(&value, hidden, hidden)?,
            attn_output: reader.linear(&attn_output, hidden, hidden)?,
            attn_norm: reader.norm(&attn_norm, hidden)?,
            intermediate: reader.linear(&intermediate, hidden, intermediate_size)?,
            output: reader.linear(&output, intermediate_size, hidden)?,
            output_norm: reader.norm(&output_norm, hidden)?,
        })
    }
}

impl MlmHead {
    fn find(config: &BertConfig, reader: &Reader<'_>, names: &HeadNames) -> Result<MlmHead, CheckpointError> {
        let BertConfig { vocab_size, hidden_size: hidden, tie_word_embeddings: tie, .. } = *config;
        Ok(MlmHead {
            transform: reader.linear(names.transform, hidden, hidden)?,
            norm: reader.norm(names.norm, hidden)?,
            decoder: reader.untied(tie, names.decoder, [vocab_size, hidden])?,
            decoder_bias: reader.vector(&names.decoder_bias, vocab_size)?,
        })
    }
}
