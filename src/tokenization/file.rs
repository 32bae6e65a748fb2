//! `tokenizer.json`, checked before the `tokenizers` crate believes it, and brought to what a model needs.
//!
//! The crate panics on some malformed files and follows some settings that must not rule here. So only the kinds of
//! parts that BERT and GPT-2 tokenizers are made of pass, and the rest of the file is set aside.

use serde_json::{Map, Value, json};

use super::TokenizationError;
use crate::trace::Family;

/// The file's name.
pub(super) const NAME: &str = "tokenizer.json";

const UNK: &str = "[UNK]";

/// The kinds of vocabulary that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// BERT's WordPiece.
    WordPiece,
    /// GPT-2's byte-level BPE.
    ByteLevel,
    /// The same with marks around a text and for a mask: RoBERTa's.
    MarkedByteLevel,
}

/// What a kind of vocabulary calls its special tokens.
pub(super) struct Names {
    pub(super) cls: &'static str,
    pub(super) sep: &'static str,
    pub(super) mask: &'static str,
    pub(super) pad: &'static str,
    pub(super) unk: &'static str,
}

pub(super) const WORDPIECE: Names =
    Names { cls: "[CLS]", sep: "[SEP]", mask: "[MASK]", pad: "[PAD]", unk: UNK };
pub(super) const MARKED: Names =
    Names { cls: "<s>", sep: "</s>", mask: "<mask>", pad: "<pad>", unk: "<unk>" };
pub(super) const END_OF_TEXT: &str = "<|endoftext|>";

impl Kind {
    /// The architecture whose models read it.
    pub(super) fn family(self) -> Family {
        match self {
            Kind::WordPiece | Kind::MarkedByteLevel => Family::Bert,
            Kind::ByteLevel => Family::Gpt2,
        }
    }

    /// The names of the tokens that stand around a text and for a mask, where there are such.
    pub(super) fn names(self) -> Option<&'static Names> {
        match self {
            Kind::WordPiece => Some(&WORDPIECE),
            Kind::MarkedByteLevel => Some(&MARKED),
            Kind::ByteLevel => None,
        }
    }

    /// How it is called.
    pub(super) fn called(self) -> &'static str {
        match self {
            Kind::WordPiece => "a WordPiece vocabulary",
            Kind::ByteLevel | Kind::MarkedByteLevel => "a byte-level BPE vocabulary",
        }
    }
}

/// Ids are below this: twice the largest published vocabulary.
const MAX_ID: u64 = 1 << 21;
/// A WordPiece word longer than this takes time that grows with its square; BERT's own limit is 100.
const MAX_WORD_CHARACTERS: u64 = 1000;
const NORMALIZERS: [&str; 9] =
    ["BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Sequence", "Strip", "StripAccents"];
const PRE_TOKENIZERS: [&str; 7] =
    ["BertPreTokenizer", "ByteLevel", "Digits", "Punctuation", "Sequence", "Whitespace", "WhitespaceSplit"];

/// What a checked file comes to.
pub(super) struct Checked {
    /// For the `tokenizers` crate.
    pub(super) settings: Value,
    pub(super) kind: Kind,
    pub(super) largest_id: u32,
}

/// What the vocabularies of a family's models are called.
pub(super) fn expected(family: Family) -> &'static str {
    match family {
        Family::Bert => "a WordPiece vocabulary or RoBERTa's",
        Family::Gpt2 => Kind::ByteLevel.called(),
    }
}

/// Checks the bytes of a `tokenizer.json`, and keeps the parts that are followed.
pub(super) fn check(bytes: &[u8]) -> Result<Checked, TokenizationError> {
    let mut file: Map<String, Value> = serde_json::from_slice(bytes)
        .map_err(|error| TokenizationError::NotJson { reason: error.to_string() })?;
    let mut part = |key: &str| file.remove(key).unwrap_or_default();
    let (mut model, normalizer, pre_tokenizer) = (part("model"), part("normalizer"), part("pre_tokenizer"));
    let added = part("added_tokens");

    kinds("normalizer", &normalizer, "normalizers", &NORMALIZERS)?;
    let splits_bytes = kinds("pre_tokenizer", &pre_tokenizer, "pretokenizers", &PRE_TOKENIZERS)?;
    let is_wordpiece = match model.get("type").and_then(Value::as_str) {
        Some("WordPiece") => true,
        Some("BPE") if splits_bytes => false,
        found => return Err(unsupported("model", found, "WordPiece and byte-level BPE")),
    };
    if !is_wordpiece {
        check_bpe(&mut model)?;
    }
    let vocabulary = Vocabulary::of(&model)?;
    let kind = if is_wordpiece {
        check_wordpiece(&model, &vocabulary)?;
        Kind::WordPiece
    } else if [MARKED.cls, MARKED.sep, MARKED.mask].iter().all(|mark| is_named(mark, &vocabulary, &added)) {
        Kind::MarkedByteLevel
    } else {
        Kind::ByteLevel
    };
    let added = added_tokens(added, kind, &vocabulary)?;
    let largest_id =
        added.iter().filter_map(|token| token.get("id")?.as_u64()).chain([vocabulary.largest_id]).max();
    let largest_id = largest_id.and_then(|id| u32::try_from(id).ok()).unwrap_or_default();

    // `json!` would copy the vocabulary.
    let settings = [
        ("version", Value::from("1.0")),
        ("added_tokens", Value::from(added)),
        ("normalizer", normalizer),
        ("pre_tokenizer", pre_tokenizer),
        ("model", model),
    ];
    let settings = Value::Object(settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
    Ok(Checked { settings, kind, largest_id })
}

/// Whether a token has this name, in the vocabulary or beside it.
fn is_named(name: &str, vocabulary: &Vocabulary<'_>, added: &Value) -> bool {
    let mut added = added.as_array().into_iter().flatten();
    vocabulary.id(name).is_some()
        || added.any(|token| token.get("content").and_then(Value::as_str) == Some(name))
}

/// The pieces of the model, with their ids.
struct Vocabulary<'a> {
    pieces: &'a Map<String, Value>,
    largest_id: u64,
}

impl<'a> Vocabulary<'a> {
    fn of(model: &'a Value) -> Result<Vocabulary<'a>, TokenizationError> {
        let pieces = model.get("vocab").and_then(Value::as_object).filter(|pieces| !pieces.is_empty());
        let pieces = pieces.ok_or_else(|| damaged("its model has no vocabulary"))?;
        let mut largest_id = 0;
        for (piece, id) in pieces {
            let id = id.as_u64().filter(|id| *id < MAX_ID);
            let id = id.ok_or_else(|| {
                damaged(&format!("the id of {} is no number below {MAX_ID}", quoted(piece)))
            })?;
            largest_id = largest_id.max(id);
        }
        Ok(Vocabulary { pieces, largest_id })
    }

    fn id(&self, piece: &str) -> Option<u64> {
        self.pieces.get(piece)?.as_u64()
    }
}

fn check_wordpiece(model: &Value, vocabulary: &Vocabulary<'_>) -> Result<(), TokenizationError> {
    let unknown = model.get("unk_token").and_then(Value::as_str).unwrap_or(UNK);
    if vocabulary.id(unknown).is_none() {
        return Err(TokenizationError::MissingPiece { piece: shortened(unknown) });
    }
    match model.get("max_input_chars_per_word").map(Value::as_u64) {
        None | Some(Some(0..=MAX_WORD_CHARACTERS)) => Ok(()),
        Some(_) => {
            Err(damaged(&format!("\"max_input_chars_per_word\" is no number up to {MAX_WORD_CHARACTERS}")))
        }
    }
}

/// GPT-2's vocabulary marks neither the start nor the end of a word, and its tokens do not depend on chance.
fn check_bpe(model: &mut Value) -> Result<(), TokenizationError> {
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
        match model.get(key) {
            None | Some(Value::Null) => {}
            Some(Value::String(mark)) if mark.is_empty() => {}
            Some(_) => return Err(unsupported(key, Some("set"), "byte-level BPE without it")),
        }
    }
    model["dropout"] = Value::Null;
    Ok(())
}

/// The file's added tokens, among which every special token of the architecture is one, taken literally.
fn added_tokens(
    file: Value,
    kind: Kind,
    vocabulary: &Vocabulary<'_>,
) -> Result<Vec<Value>, TokenizationError> {
    let special = match kind.names() {
        Some(Names { cls, sep, mask, pad, unk }) => vec![*pad, *unk, *cls, *sep, *mask],
        None => vec![END_OF_TEXT],
    };
    let mut tokens = match file {
        Value::Null => Vec::new(),
        Value::Array(tokens) => tokens,
        _ => return Err(damaged("\"added_tokens\" is no list")),
    };
    let content = |token: &Value| token.get("content").and_then(Value::as_str).map(str::to_owned);
    // The crate numbers added tokens by itself, after the vocabulary; the file must mean the same numbers.
    let mut next_id = vocabulary.pieces.len() as u64;
    for token in &tokens {
        let (Some(content), Some(id)) = (content(token), token.get("id").and_then(Value::as_u64)) else {
            return Err(damaged("an added token has no content or no id"));
        };
        let expected = vocabulary.id(&content).unwrap_or_else(|| {
            next_id += 1;
            next_id - 1
        });
        if id != expected || id >= MAX_ID {
            return Err(damaged(&format!(
                "the added token {} has id {id}, not {expected}",
                quoted(&content)
            )));
        }
    }
    let literal = |id: u64, piece: &str| {
        // RoBERTa's mask stands for a word with the space before it.
        let takes_space = piece == MARKED.mask;
        json!({
            "id": id, "content": piece, "special": true,
            "normalized": false, "single_word": false, "lstrip": takes_space, "rstrip": false,
        })
    };
    for piece in special {
        match tokens.iter_mut().find(|token| content(token).as_deref() == Some(piece)) {
            Some(token) => *token = literal(token["id"].as_u64().unwrap_or_default(), piece),
            None => tokens.extend(vocabulary.id(piece).map(|id| literal(id, piece))),
        }
    }
    Ok(tokens)
}

/// Checks that `part`, and every part of it if it is a sequence, is of one of the `known` kinds. Tells whether it
/// splits text into bytes.
fn kinds(key: &str, part: &Value, list: &str, known: &[&str]) -> Result<bool, TokenizationError> {
    if part.is_null() {
        return Ok(false);
    }
    let found = part.get("type").and_then(Value::as_str);
    if !found.is_some_and(|found| known.contains(&found)) {
        return Err(unsupported(key, found, &known.join(", ")));
    }
    let mut splits_bytes = found == Some("ByteLevel");
    if found == Some("Sequence") {
        for part in part.get(list).and_then(Value::as_array).into_iter().flatten() {
            splits_bytes |= kinds(key, part, list, known)?;
        }
    }
    Ok(splits_bytes)
}

fn unsupported(key: &str, found: Option<&str>, supported: &str) -> TokenizationError {
    TokenizationError::Unsupported {
        key: key.to_owned(),
        found: found.map_or("of no named kind".to_owned(), shortened),
        supported: supported.to_owned(),
    }
}

fn damaged(reason: &str) -> TokenizationError {
    TokenizationError::Damaged { reason: reason.to_owned() }
}

fn quoted(piece: &str) -> String {
    format!("\"{}\"", shortened(piece))
}

/// A word as a sentence quotes it: a hostile file must not fill the page.
fn shortened(word: &str) -> String {
    word.chars().take(40).collect()
}
