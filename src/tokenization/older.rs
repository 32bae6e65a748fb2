//! Vocabularies as they were kept before `tokenizer.json`: `vocab.txt` (BERT's), or `vocab.json` with `merges.txt` (GPT-2's,
//! RoBERTa's), each with what `tokenizer_config.json` says of it. They are brought to the form of a `tokenizer.json`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{TokenizationError, Tokenizer};

/// A file of pieces, one a line: the first has id 0.
const PIECES_FILE: &str = "vocab.txt";
/// A file of pieces with their ids.
const IDS_FILE: &str = "vocab.json";
/// A file of pairs of pieces that become one, the most frequent first.
const MERGES_FILE: &str = "merges.txt";

/// What is used of a `tokenizer_config.json`. What it leaves out is as Hugging Face's tokenizers have it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    do_lower_case: Option<bool>,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: Option<bool>,
    add_prefix_space: Option<bool>,
}

impl Settings {
    /// Settings that cannot be read change nothing.
    fn read(bytes: Option<&[u8]>) -> Settings {
        bytes.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default()
    }
}

impl Tokenizer {
    /// Reads BERT's `vocab.txt`, with the bytes of `tokenizer_config.json` where there is one.
    ///
    /// # Errors
    /// It is no text, or as [`Tokenizer::parse`].
    pub fn from_pieces(vocab: &[u8], settings: Option<&[u8]>) -> Result<Tokenizer, TokenizationError> {
        let pieces = text(PIECES_FILE, vocab)?.lines().zip(0_u32..);
        let vocabulary: BTreeMap<&str, u32> = pieces.collect();
        let settings = Settings::read(settings);
        let parts = json!({
            "normalizer": {
                "type": "BertNormalizer",
                "clean_text": true,
                "handle_chinese_chars": settings.tokenize_chinese_chars.unwrap_or(true),
                "strip_accents": settings.strip_accents,
                "lowercase": settings.do_lower_case.unwrap_or(true),
            },
            "pre_tokenizer": { "type": "BertPreTokenizer" },
            "model": {
                "type": "WordPiece",
                "unk_token": "[UNK]",
                "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100,
                "vocab": vocabulary,
            },
        });
        of(&parts)
    }

    /// Reads GPT-2's or RoBERTa's `vocab.json` and `merges.txt`, with the bytes of `tokenizer_config.json` where there is
    /// one.
    ///
    /// # Errors
    /// One of them is something else, or as [`Tokenizer::parse`].
    pub fn from_merges(
        vocab: &[u8],
        merges: &[u8],
        settings: Option<&[u8]>,
    ) -> Result<Tokenizer, TokenizationError> {
        let vocabulary: Value =
            serde_json::from_slice(vocab).map_err(|error| bad(IDS_FILE, &error.to_string()))?;
        // The first line tells the version.
        let lines = text(MERGES_FILE, merges)?.lines();
        let pairs: Vec<&str> =
            lines.filter(|line| !line.is_empty() && !line.starts_with("#version")).collect();
        if let Some(line) = pairs.iter().find(|line| line.split(' ').count() != 2) {
            let start: String = line.chars().take(40).collect();
            return Err(bad(MERGES_FILE, &format!("the line \"{start}\" is no pair of pieces")));
        }
        let add_prefix_space = Settings::read(settings).add_prefix_space.unwrap_or(false);
        let parts = json!({
            "pre_tokenizer": {
                "type": "ByteLevel",
                "add_prefix_space": add_prefix_space,
                "trim_offsets": true,
                "use_regex": true,
            },
            "model": { "type": "BPE", "vocab": vocabulary, "merges": pairs },
        });
        of(&parts)
    }
}

fn of(parts: &Value) -> Result<Tokenizer, TokenizationError> {
    Tokenizer::parse(parts.to_string().as_bytes())
}

fn text<'a>(file: &'static str, bytes: &'a [u8]) -> Result<&'a str, TokenizationError> {
    std::str::from_utf8(bytes).map_err(|error| bad(file, &error.to_string()))
}

fn bad(file: &'static str, reason: &str) -> TokenizationError {
    TokenizationError::BadVocabulary { file, reason: reason.to_owned() }
}
