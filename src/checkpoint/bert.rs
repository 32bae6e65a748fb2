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
    /// Finds the weights that `config` asks for, and counts them.
    ///
    /// Keys may begin with the model's name or not, and layer norms may say `gamma` and `beta` (TensorFlow's names). A head
    /// that the file has nothing of is left out, unless the architecture's name promises it.
    ///
    /// # Errors
    /// A tensor is missing, has another shape, or an unread storage type.
    pub fn find(config: &BertConfig, header: &Header) -> Result<(BertWeights, usize), CheckpointError> {
        let BertConfig { kind, vocab_size, hidden_size: hidden, .. } = *config;
        let (name, mlm_prefix) = match kind {
            BertKind::Bert => ("bert.", "cls.predictions."),
            BertKind::DistilBert => ("distilbert.", "vocab_transform."),
        };
        let prefix = if header.has_prefix(name) { name } else { "" };
        let reader = Reader::new(header);
        let key = |name: &str| format!("{prefix}{name}");
        let table =
            |name: &str, rows| reader.matrix(&key(&format!("embeddings.{name}.weight")), rows, hidden);
        let layer = |index: usize| match kind {
            BertKind::Bert => {
                BertLayer::of_bert(config, &reader, |name| key(&format!("encoder.layer.{index}.{name}")))
            }
            BertKind::DistilBert => BertLayer::of_distilbert(config, &reader, |name| {
                key(&format!("transformer.layer.{index}.{name}"))
            }),
        };
        let mlm = || match kind {
            BertKind::Bert => MlmHead::of_bert(config, &reader),
            BertKind::DistilBert => MlmHead::of_distilbert(config, &reader),
        };

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
        Ok((weights, reader.count()))
    }
}

impl BertLayer {
    fn of_bert(
        config: &BertConfig,
        reader: &Reader<'_>,
        key: impl Fn(&str) -> String,
    ) -> Result<BertLayer, CheckpointError> {
        let BertConfig { hidden_size: hidden, intermediate_size, .. } = *config;
        Ok(BertLayer {
            query: reader.linear(&key("attention.self.query"), hidden, hidden)?,
            key: reader.linear(&key("attention.self.key"), hidden, hidden)?,
            value: reader.linear(&key("attention.self.value"), hidden, hidden)?,
            attn_output: reader.linear(&key("attention.output.dense"), hidden, hidden)?,
            attn_norm: reader.norm(&key("attention.output.LayerNorm"), hidden)?,
            intermediate: reader.linear(&key("intermediate.dense"), hidden, intermediate_size)?,
            output: reader.linear(&key("output.dense"), intermediate_size, hidden)?,
            output_norm: reader.norm(&key("output.LayerNorm"), hidden)?,
        })
    }

    fn of_distilbert(
        config: &BertConfig,
        reader: &Reader<'_>,
        key: impl Fn(&str) -> String,
    ) -> Result<BertLayer, CheckpointError> {
        let BertConfig { hidden_size: hidden, intermediate_size, .. } = *config;
        Ok(BertLayer {
            query: reader.linear(&key("attention.q_lin"), hidden, hidden)?,
            key: reader.linear(&key("attention.k_lin"), hidden, hidden)?,
            value: reader.linear(&key("attention.v_lin"), hidden, hidden)?,
            attn_output: reader.linear(&key("attention.out_lin"), hidden, hidden)?,
            attn_norm: reader.norm(&key("sa_layer_norm"), hidden)?,
            intermediate: reader.linear(&key("ffn.lin1"), hidden, intermediate_size)?,
            output: reader.linear(&key("ffn.lin2"), intermediate_size, hidden)?,
            output_norm: reader.norm(&key("output_layer_norm"), hidden)?,
        })
    }
}

/// The names of a head never begin with the model's.
impl MlmHead {
    fn of_bert(config: &BertConfig, reader: &Reader<'_>) -> Result<MlmHead, CheckpointError> {
        const BIASES: [&str; 2] = ["cls.predictions.bias", "cls.predictions.decoder.bias"];
        let BertConfig { vocab_size, hidden_size: hidden, tie_word_embeddings: tie, .. } = *config;
        Ok(MlmHead {
            transform: reader.linear("cls.predictions.transform.dense", hidden, hidden)?,
            norm: reader.norm("cls.predictions.transform.LayerNorm", hidden)?,
            decoder: reader.untied(tie, "cls.predictions.decoder.weight", [vocab_size, hidden])?,
            decoder_bias: reader.vector(&BIASES, vocab_size)?,
        })
    }

    fn of_distilbert(config: &BertConfig, reader: &Reader<'_>) -> Result<MlmHead, CheckpointError> {
        let BertConfig { vocab_size, hidden_size: hidden, tie_word_embeddings: tie, .. } = *config;
        Ok(MlmHead {
            transform: reader.linear("vocab_transform", hidden, hidden)?,
            norm: reader.norm("vocab_layer_norm", hidden)?,
            decoder: reader.untied(tie, "vocab_projector.weight", [vocab_size, hidden])?,
            decoder_bias: reader.vector(&["vocab_projector.bias"], vocab_size)?,
        })
    }
}
