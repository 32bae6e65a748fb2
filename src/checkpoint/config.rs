//! `config.json`: the sizes and the settings of a network, checked before anything relies on them.

use serde_json::{Map, Value};

use super::CheckpointError;
use crate::trace::Sight;

/// What a `config.json` describes.
#[derive(Clone, Debug, PartialEq)]
pub enum Config {
    /// An encoder (Devlin et al. 2018).
    Bert(BertConfig),
    /// A decoder (Radford et al. 2019).
    Gpt2(Gpt2Config),
}

/// The sizes and the settings of a BERT, by the names of its `config.json`; a DistilBERT's has others.
#[derive(Clone, Debug, PartialEq)]
pub struct BertConfig {
    /// Whose names the weights have.
    pub kind: BertKind,
    /// Pieces in the vocabulary.
    pub vocab_size: usize,
    /// Width of the hidden state.
    pub hidden_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Attention heads in each block; they divide the hidden size.
    pub num_attention_heads: usize,
    /// Width inside the MLP.
    pub intermediate_size: usize,
    /// Rows of the position table.
    pub max_position_embeddings: usize,
    /// The row of the first position: RoBERTa's come after that of its padding token.
    pub first_position: usize,
    /// Number of segments; 0 where there is no such embedding.
    pub type_vocab_size: usize,
    /// Added to the variance in layer norms.
    pub layer_norm_eps: f64,
    /// Between the MLP's two maps.
    pub hidden_act: Activation,
    /// In the masked-language-model head.
    pub head_act: Activation,
    /// Whether the decoder of the masked-language-model head is the word table.
    pub tie_word_embeddings: bool,
    /// Whether the architecture's name says that there is a masked-language-model head.
    pub promises_mlm: bool,
    /// Whether the architecture's name says that there is a next-sentence head.
    pub promises_nsp: bool,
}

/// The encoders that differ in what they leave out and in the names of their weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BertKind {
    /// Devlin et al. 2018.
    Bert,
    /// Half the blocks, and neither segments nor a next-sentence head (Sanh et al. 2019, "DistilBERT").
    DistilBert,
    /// BERT trained longer, on masked words alone, with a byte-level vocabulary (Liu et al. 2019, "RoBERTa").
    Roberta,
}

/// The decoders that differ in their attention and in the names of their weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gpt2Kind {
    /// Radford et al. 2019.
    Gpt2,
    /// Every other block looks back a few positions only (Black et al. 2021, "GPT-Neo").
    GptNeo,
}

/// The sizes and the settings of a GPT-2, by the names of its `config.json`; a GPT-Neo's has others.
#[derive(Clone, Debug, PartialEq)]
pub struct Gpt2Config {
    /// Whose names the weights have.
    pub kind: Gpt2Kind,
    /// Pieces in the vocabulary.
    pub vocab_size: usize,
    /// The longest input, in tokens.
    pub n_positions: usize,
    /// Width of the hidden state.
    pub n_embd: usize,
    /// Number of blocks.
    pub n_layer: usize,
    /// Attention heads in each block; they divide the width.
    pub n_head: usize,
    /// Width inside the MLP; four times `n_embd` where the file does not say.
    pub n_inner: usize,
    /// Added to the variance in layer norms.
    pub layer_norm_epsilon: f64,
    /// Between the MLP's two maps.
    pub activation_function: Activation,
    /// Whether scores are divided by √(head size).
    pub scale_attn_weights: bool,
    /// Whether scores are divided by the block's number, counted from 1, as well.
    pub scale_attn_by_inverse_layer_idx: bool,
    /// Whether the output matrix is the word table.
    pub tie_word_embeddings: bool,
    /// Where the queries of each block look.
    pub sight: Vec<Sight>,
}

impl Gpt2Config {
    /// What the products of queries and keys are multiplied by in `layer`.
    pub fn attention_scale(&self, layer: usize) -> f32 {
        let head_size = self.n_embd / self.n_head;
        let by_size = if self.scale_attn_weights { (head_size as f32).sqrt() } else { 1.0 };
        let by_layer = if self.scale_attn_by_inverse_layer_idx { (layer + 1) as f32 } else { 1.0 };
        (by_size * by_layer).recip()
    }
}

/// The function between an MLP's two maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x · Φ(x) by the error function (Hendrycks & Gimpel 2016).
    Gelu,
    /// The same by its approximation with tanh: `gelu_new`, `gelu_pytorch_tanh`, `gelu_fast`.
    GeluTanh,
    /// max(x, 0).
    Relu,
    /// x · sigmoid(x), also called swish.
    Silu,
    /// tanh(x).
    Tanh,
}

/// What [`CheckpointError::UnsupportedArchitecture`] lists.
const SUPPORTED: &str = "BERT, DistilBERT, RoBERTa, GPT-2 and GPT-Neo (model_type \"bert\", \"distilbert\", \"roberta\", \"gpt2\", \"gpt_neo\")";

/// The largest value of each size that is believed: beyond any published model of these kinds, and small enough for sums of
/// them to fit everywhere.
const MAX_VOCABULARY: usize = 1 << 21;
const MAX_WIDTH: usize = 1 << 16;
const MAX_BLOCKS: usize = 512;
const MAX_POSITIONS: usize = 1 << 17;
const MAX_SEGMENTS: usize = 1 << 8;

impl Config {
    /// Reads and checks the bytes of a `config.json`.
    ///
    /// # Errors
    /// It is no JSON object; it describes another architecture, or one of the two with a setting that is not
    /// supported; a size is missing, zero, absurd, or not divisible by the number of heads.
    pub fn parse(bytes: &[u8]) -> Result<Config, CheckpointError> {
        let settings: Map<String, Value> = serde_json::from_slice(bytes)
            .map_err(|error| CheckpointError::ConfigNotJson { reason: error.to_string() })?;
        let settings = Settings(settings);
        if settings.describes("bert", "Bert", &["hidden_size", "num_hidden_layers", "type_vocab_size"])? {
            BertConfig::from_settings(&settings).map(Config::Bert)
        } else if settings.describes("distilbert", "DistilBert", &["dim", "n_layers", "hidden_dim"])? {
            BertConfig::of_distilbert(&settings).map(Config::Bert)
        } else if settings.describes(
            "roberta",
            "Roberta",
            &["hidden_size", "type_vocab_size", "pad_token_id"],
        )? {
            BertConfig::of_roberta(&settings).map(Config::Bert)
        } else if settings.describes("gpt_neo", "GPTNeo", &["attention_types", "num_layers"])? {
            Gpt2Config::of_gpt_neo(&settings).map(Config::Gpt2)
        } else if settings.describes("gpt2", "GPT2", &["n_embd", "n_layer", "n_head"])? {
            Gpt2Config::from_settings(&settings).map(Config::Gpt2)
        } else {
            Err(CheckpointError::UnsupportedArchitecture {
                found: settings.architecture(),
                supported: SUPPORTED.to_owned(),
            })
        }
    }
}

impl BertConfig {
    /// The longest input, in tokens.
    pub fn positions(&self) -> usize {
        self.max_position_embeddings - self.first_position
    }

    fn from_settings(settings: &Settings) -> Result<BertConfig, CheckpointError> {
        settings.require("position_embedding_type", &Value::from("absolute"))?;
        settings.require("is_decoder", &Value::from(false))?;
        settings.require("add_cross_attention", &Value::from(false))?;
        let hidden_act = settings.activation("hidden_act", Activation::Gelu)?;
        let config = BertConfig {
            kind: BertKind::Bert,
            vocab_size: settings.size(&["vocab_size"], MAX_VOCABULARY)?,
            hidden_size: settings.size(&["hidden_size"], MAX_WIDTH)?,
            num_hidden_layers: settings.size(&["num_hidden_layers"], MAX_BLOCKS)?,
            num_attention_heads: settings.size(&["num_attention_heads"], MAX_WIDTH)?,
            intermediate_size: settings.size(&["intermediate_size"], MAX_WIDTH)?,
            max_position_embeddings: settings.size(&["max_position_embeddings"], MAX_POSITIONS)?,
            first_position: 0,
            type_vocab_size: settings.optional_size("type_vocab_size", MAX_SEGMENTS)?.unwrap_or(2),
            layer_norm_eps: settings.epsilon("layer_norm_eps", 1e-12)?,
            hidden_act,
            head_act: hidden_act,
            tie_word_embeddings: settings.flag("tie_word_embeddings", true)?,
            promises_mlm: settings.is_one_of(&["BertForPreTraining", "BertForMaskedLM"]),
            promises_nsp: settings.is_one_of(&["BertForPreTraining", "BertForNextSentencePrediction"]),
        };
        heads_divide("num_attention_heads", config.num_attention_heads, "hidden_size", config.hidden_size)?;
        Ok(config)
    }

    fn of_roberta(settings: &Settings) -> Result<BertConfig, CheckpointError> {
        let padding = settings.get("pad_token_id").map_or(Some(1), Value::as_u64);
        let rows = settings.size(&["max_position_embeddings"], MAX_POSITIONS)?;
        let first_position =
            padding.and_then(|id| usize::try_from(id).ok()?.checked_add(1)).filter(|first| *first < rows);
        let Some(first_position) = first_position else {
            let found = settings.get("pad_token_id").cloned().unwrap_or_default();
            return Err(bad("pad_token_id", &format!("a whole number below {}", rows - 1), &found));
        };
        let bert = BertConfig::from_settings(settings)?;
        Ok(BertConfig {
            kind: BertKind::Roberta,
            first_position,
            head_act: Activation::Gelu,
            promises_mlm: settings.is_one_of(&["RobertaForMaskedLM"]),
            promises_nsp: false,
            ..bert
        })
    }

    fn of_distilbert(settings: &Settings) -> Result<BertConfig, CheckpointError> {
        let hidden_act = settings.activation("activation", Activation::Gelu)?;
        let config = BertConfig {
            kind: BertKind::DistilBert,
            vocab_size: settings.size(&["vocab_size"], MAX_VOCABULARY)?,
            hidden_size: settings.size(&["dim"], MAX_WIDTH)?,
            num_hidden_layers: settings.size(&["n_layers"], MAX_BLOCKS)?,
            num_attention_heads: settings.size(&["n_heads"], MAX_WIDTH)?,
            intermediate_size: settings.size(&["hidden_dim"], MAX_WIDTH)?,
            max_position_embeddings: settings.size(&["max_position_embeddings"], MAX_POSITIONS)?,
            first_position: 0,
            type_vocab_size: 0,
            layer_norm_eps: 1e-12,
            hidden_act,
            head_act: hidden_act,
            tie_word_embeddings: settings.flag("tie_word_embeddings", true)?,
            promises_mlm: settings.is_one_of(&["DistilBertForMaskedLM"]),
            promises_nsp: false,
        };
        heads_divide("n_heads", config.num_attention_heads, "dim", config.hidden_size)?;
        Ok(config)
    }
}

impl Gpt2Config {
    fn from_settings(settings: &Settings) -> Result<Gpt2Config, CheckpointError> {
        settings.require("add_cross_attention", &Value::from(false))?;
        let n_embd = settings.size(&["n_embd", "hidden_size"], MAX_WIDTH / 4)?;
        let n_layer = settings.size(&["n_layer", "num_hidden_layers"], MAX_BLOCKS)?;
        let config = Gpt2Config {
            kind: Gpt2Kind::Gpt2,
            vocab_size: settings.size(&["vocab_size"], MAX_VOCABULARY)?,
            n_positions: settings
                .size(&["n_positions", "n_ctx", "max_position_embeddings"], MAX_POSITIONS)?,
            n_embd,
            n_layer,
            n_head: settings.size(&["n_head", "num_attention_heads"], MAX_WIDTH)?,
            n_inner: settings.optional_size("n_inner", MAX_WIDTH)?.unwrap_or(4 * n_embd),
            layer_norm_epsilon: settings.epsilon("layer_norm_epsilon", 1e-5)?,
            activation_function: settings.activation("activation_function", Activation::GeluTanh)?,
            scale_attn_weights: settings.flag("scale_attn_weights", true)?,
            scale_attn_by_inverse_layer_idx: settings.flag("scale_attn_by_inverse_layer_idx", false)?,
            tie_word_embeddings: settings.flag("tie_word_embeddings", true)?,
            sight: vec![Sight::Back; n_layer],
        };
        heads_divide("n_head", config.n_head, "n_embd", config.n_embd)?;
        Ok(config)
    }

    fn of_gpt_neo(settings: &Settings) -> Result<Gpt2Config, CheckpointError> {
        let n_embd = settings.size(&["hidden_size"], MAX_WIDTH / 4)?;
        let n_layer = settings.size(&["num_layers"], MAX_BLOCKS)?;
        let window = settings.optional_size("window_size", MAX_POSITIONS)?.unwrap_or(256);
        let config = Gpt2Config {
            kind: Gpt2Kind::GptNeo,
            vocab_size: settings.size(&["vocab_size"], MAX_VOCABULARY)?,
            n_positions: settings.size(&["max_position_embeddings"], MAX_POSITIONS)?,
            n_embd,
            n_layer,
            n_head: settings.size(&["num_heads"], MAX_WIDTH)?,
            n_inner: settings.optional_size("intermediate_size", MAX_WIDTH)?.unwrap_or(4 * n_embd),
            layer_norm_epsilon: settings.epsilon("layer_norm_epsilon", 1e-5)?,
            activation_function: settings.activation("activation_function", Activation::GeluTanh)?,
            scale_attn_weights: false,
            scale_attn_by_inverse_layer_idx: false,
            tie_word_embeddings: settings.flag("tie_word_embeddings", true)?,
            sight: settings.attention_types(n_layer, window)?,
        };
        heads_divide("num_heads", config.n_head, "hidden_size", config.n_embd)?;
        Ok(config)
    }
}

fn heads_divide(key: &str, heads: usize, width_key: &str, width: usize) -> Result<(), CheckpointError> {
    if width.is_multiple_of(heads) {
        return Ok(());
    }
    Err(CheckpointError::BadConfig {
        key: key.to_owned(),
        expected: format!("a divisor of \"{width_key}\", which is {width}"),
        found: heads.to_string(),
    })
}

/// The settings of a `config.json`, asked for by name. A setting that is `null` counts as absent.
struct Settings(Map<String, Value>);

impl Settings {
    fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// The classes that the checkpoint was saved from.
    fn architectures(&self) -> impl Iterator<Item = &str> {
        self.get("architectures").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// Whether the checkpoint was saved from one of these classes.
    fn is_one_of(&self, classes: &[&str]) -> bool {
        self.architectures().any(|name| classes.contains(&name))
    }

    /// GPT-Neo's kinds of attention, block by block: `[[["global", "local"], 6]]` is six times global, then local.
    fn attention_types(&self, layers: usize, window: usize) -> Result<Vec<Sight>, CheckpointError> {
        const KEY: &str = "attention_types";
        let wrong = |found: &Value| {
            bad(
                KEY,
                &format!("lists of \"global\" and \"local\", each with a number, for {layers} blocks"),
                found,
            )
        };
        let value = self.get(KEY).ok_or_else(|| wrong(&Value::Null))?;
        let kind = |name: &Value| match name.as_str() {
            Some("global") => Ok(Sight::Back),
            Some("local") => Ok(Sight::Near(window)),
            _ => Err(wrong(value)),
        };
        let mut sight = Vec::new();
        for group in value.as_array().ok_or_else(|| wrong(value))? {
            let group = group.as_array().map(Vec::as_slice);
            let Some([Value::Array(kinds), times]) = group else { return Err(wrong(value)) };
            let kinds = kinds.iter().map(kind).collect::<Result<Vec<_>, _>>()?;
            let times =
                times.as_u64().filter(|times| *times <= MAX_BLOCKS as u64).ok_or_else(|| wrong(value))?;
            for _ in 0..times {
                sight.extend(&kinds);
                if sight.len() > layers {
                    return Err(wrong(value));
                }
            }
        }
        if sight.len() == layers { Ok(sight) } else { Err(wrong(value)) }
    }

    /// Whether these settings describe the architecture that is called `model_type`, and whose classes begin with
    /// `class`. The oldest files name neither: `telling` are keys that only this architecture has.
    fn describes(&self, model_type: &str, class: &str, telling: &[&str]) -> Result<bool, CheckpointError> {
        let has_classes = self.architectures().next().is_some();
        let by_class = self.architectures().all(|name| name.starts_with(class));
        match self.get("model_type") {
            Some(Value::String(found)) => Ok(found == model_type && by_class),
            Some(other) => Err(bad("model_type", "a name in quotes", other)),
            None if has_classes => Ok(by_class),
            None => Ok(telling.iter().all(|key| self.get(key).is_some())),
        }
    }

    /// The architecture as the file names it.
    fn architecture(&self) -> String {
        let model_type =
            self.get("model_type").and_then(Value::as_str).map(|name| format!("model_type \"{name}\""));
        let class = self.architectures().next().map(|name| format!("architecture \"{name}\""));
        let names: Vec<String> = model_type.into_iter().chain(class).map(|name| shortened(&name)).collect();
        if names.is_empty() { "no architecture".to_owned() } else { names.join(", ") }
    }

    /// The size under the first of `keys` that is there, in 1 to `max`.
    fn size(&self, keys: &[&str], max: usize) -> Result<usize, CheckpointError> {
        for key in keys {
            if let Some(size) = self.optional_size(key, max)? {
                return Ok(size);
            }
        }
        Err(CheckpointError::BadConfig {
            key: keys.first().copied().unwrap_or_default().to_owned(),
            expected: format!("a whole number from 1 to {max}"),
            found: "missing".to_owned(),
        })
    }

    fn optional_size(&self, key: &str, max: usize) -> Result<Option<usize>, CheckpointError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let size = value.as_u64().and_then(|size| usize::try_from(size).ok());
        match size.filter(|size| (1..=max).contains(size)) {
            Some(size) => Ok(Some(size)),
            None => Err(bad(key, &format!("a whole number from 1 to {max}"), value)),
        }
    }

    /// What is added to a variance; `default` is the architecture's own.
    fn epsilon(&self, key: &str, default: f64) -> Result<f64, CheckpointError> {
        let Some(value) = self.get(key) else { return Ok(default) };
        match value.as_f64().filter(|epsilon| (0.0..=1.0).contains(epsilon)) {
            Some(epsilon) => Ok(epsilon),
            None => Err(bad(key, "a number from 0 to 1", value)),
        }
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool, CheckpointError> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value.as_bool().ok_or_else(|| bad(key, "true or false", value))
    }

    fn activation(&self, key: &str, default: Activation) -> Result<Activation, CheckpointError> {
        let Some(value) = self.get(key) else { return Ok(default) };
        match value.as_str() {
            Some("gelu" | "gelu_python") => Ok(Activation::Gelu),
            Some("gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" | "gelu_accurate") => {
                Ok(Activation::GeluTanh)
            }
            Some("relu") => Ok(Activation::Relu),
            Some("silu" | "swish") => Ok(Activation::Silu),
            Some("tanh") => Ok(Activation::Tanh),
            Some(_) => Err(CheckpointError::UnsupportedSetting {
                key: key.to_owned(),
                found: shortened(&value.to_string()),
                supported: "gelu, gelu_new, relu, silu and tanh".to_owned(),
            }),
            None => Err(bad(key, "a name in quotes", value)),
        }
    }

    /// Refuses any value but `only` under `key`.
    fn require(&self, key: &str, only: &Value) -> Result<(), CheckpointError> {
        match self.get(key) {
            Some(value) if value != only => Err(CheckpointError::UnsupportedSetting {
                key: key.to_owned(),
                found: shortened(&value.to_string()),
                supported: only.to_string(),
            }),
            _ => Ok(()),
        }
    }
}

fn bad(key: &str, expected: &str, found: &Value) -> CheckpointError {
    CheckpointError::BadConfig {
        key: key.to_owned(),
        expected: expected.to_owned(),
        found: shortened(&found.to_string()),
    }
}

/// A value as a sentence quotes it: a hostile file must not fill the page.
fn shortened(value: &str) -> String {
    const MOST: usize = 60;
    match value.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops where something is amiss")]
mod tests {
    use super::*;

    const BERT: &str = r#"{"model_type": "bert", "vocab_size": 99, "hidden_size": 36, "num_hidden_layers": 1,
        "num_attention_heads": 3, "intermediate_size": 50, "max_position_embeddings": 20}"#;
    const GPT2: &str = r#"{"model_type": "gpt2", "vocab_size": 99, "n_embd": 36, "n_layer": 1, "n_head": 3, "n_positions": 20}"#;

    /// `json` with `key` set to `value`; null removes it.
    fn with(json: &str, key: &str, value: &str) -> Vec<u8> {
        let mut settings: Map<String, Value> = serde_json::from_str(json).unwrap();
        settings.insert(key.to_owned(), serde_json::from_str(value).unwrap());
        serde_json::to_vec(&settings).unwrap()
    }

    #[test]
    fn what_a_file_leaves_out_is_the_architectures_own() {
        let Ok(Config::Bert(bert)) = Config::parse(BERT.as_bytes()) else { panic!("no BERT") };
        assert_eq!((bert.type_vocab_size, bert.layer_norm_eps), (2, 1e-12));
        assert_eq!((bert.hidden_act, bert.tie_word_embeddings), (Activation::Gelu, true));
        let Ok(Config::Gpt2(gpt2)) = Config::parse(GPT2.as_bytes()) else { panic!("no GPT-2") };
        assert_eq!((gpt2.n_inner, gpt2.layer_norm_epsilon), (144, 1e-5));
        assert_eq!(gpt2.activation_function, Activation::GeluTanh);
    }

    #[test]
    fn the_oldest_files_name_no_architecture() {
        assert!(matches!(Config::parse(&with(GPT2, "model_type", "null")), Ok(Config::Gpt2(_))));
        let bert = with(BERT, "type_vocab_size", "2");
        let bert = with(std::str::from_utf8(&bert).unwrap(), "model_type", "null");
        assert!(matches!(Config::parse(&bert), Ok(Config::Bert(_))));
    }

    #[test]
    fn a_bad_setting_is_named_with_what_it_must_be() {
        for (json, key, value) in [
            (BERT, "vocab_size", "0"),
            (BERT, "vocab_size", "-3"),
            (BERT, "vocab_size", "18446744073709551616"),
            (BERT, "vocab_size", "\"30522\""),
            (BERT, "hidden_size", "null"),
            (BERT, "num_attention_heads", "5"),
            (BERT, "num_hidden_layers", "1e9"),
            (BERT, "layer_norm_eps", "-1"),
            (BERT, "tie_word_embeddings", "1"),
            (GPT2, "n_head", "7"),
            (GPT2, "n_positions", "4294967296"),
            (GPT2, "n_inner", "0"),
            (GPT2, "model_type", "7"),
        ] {
            match Config::parse(&with(json, key, value)) {
                Err(CheckpointError::BadConfig { key: named, .. }) => assert_eq!(named, key),
                other => panic!("{key} = {value}: {other:?}"),
            }
        }
    }

    const GPT_NEO: &str = r#"{"model_type": "gpt_neo", "vocab_size": 99, "hidden_size": 36, "num_layers": 4, "num_heads": 3,
        "max_position_embeddings": 20, "window_size": 5, "attention_types": [[["global", "local"], 1], [["local"], 2]]}"#;

    #[test]
    fn a_gpt_neo_s_blocks_look_where_its_file_says() {
        let Ok(Config::Gpt2(neo)) = Config::parse(GPT_NEO.as_bytes()) else { panic!("no GPT-Neo") };
        assert_eq!(neo.sight, [Sight::Back, Sight::Near(5), Sight::Near(5), Sight::Near(5)]);
        assert_eq!(neo.attention_scale(3), 1.0);
        for value in [
            "null",
            "7",
            "[]",
            "[[[\"global\"], 3]]",
            "[[[\"global\"], 5]]",
            "[[[\"global\"], 1e9]]",
            "[[[\"sliding\"], 4]]",
            "[[\"global\", 4]]",
            "[[[], 4]]",
        ] {
            match Config::parse(&with(GPT_NEO, "attention_types", value)) {
                Err(CheckpointError::BadConfig { key, .. }) => assert_eq!(key, "attention_types"),
                other => panic!("{value}: {other:?}"),
            }
        }
    }

    #[test]
    fn another_architecture_is_refused_by_its_name() {
        for (json, key, value, name) in [
            (BERT, "model_type", "\"xlm-roberta\"", "xlm-roberta"),
            (BERT, "architectures", "[\"DistilBertModel\"]", "DistilBertModel"),
            (BERT, "model_type", "\"llama\"", "llama"),
            (BERT, "architectures", "[\"NomicBertModel\"]", "NomicBertModel"),
            (GPT2, "architectures", "[\"JAISLMHeadModel\"]", "JAISLMHeadModel"),
        ] {
            match Config::parse(&with(json, key, value)) {
                Err(CheckpointError::UnsupportedArchitecture { found, supported }) => {
                    assert!(found.contains(name) && supported.contains("gpt2"), "{found}: {supported}");
                }
                other => panic!("{key} = {value}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_kind_that_computes_differently_is_refused() {
        for (json, key, value) in [
            (BERT, "position_embedding_type", "\"relative_key\""),
            (BERT, "is_decoder", "true"),
            (BERT, "add_cross_attention", "true"),
            (BERT, "hidden_act", "\"mish\""),
            (GPT2, "add_cross_attention", "true"),
        ] {
            match Config::parse(&with(json, key, value)) {
                Err(CheckpointError::UnsupportedSetting { key: named, .. }) => assert_eq!(named, key),
                other => panic!("{key} = {value}: {other:?}"),
            }
        }
    }
}
