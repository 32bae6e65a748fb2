//! Text to tokens: the pieces of a vocabulary with ids, spans, words, special tokens and segments.
//!
//! The work is done by the `tokenizers` crate; [`file`] checks what it is given, because it trusts its files, and
//! [`encoding`] says where every piece stands in the text. Absent on purpose: truncation, padding, post-processing
//! and decoding as `tokenizer.json` describes them. A model reads as many tokens as it has positions, its special
//! tokens follow from its architecture, and what is cut is counted.

mod encoding;
mod error;
mod file;
mod older;
mod pieces;

pub use encoding::Encoding;
pub use error::TokenizationError;

use crate::trace::Family;
use file::{Kind, Names};

/// A vocabulary, and how to split text into its pieces.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    kind: Kind,
    largest_id: u32,
    special: Special,
}

/// The ids of the special tokens that a vocabulary has.
#[derive(Clone, Copy, Debug, Default)]
struct Special {
    cls: Option<u32>,
    sep: Option<u32>,
    mask: Option<u32>,
    pad: Option<u32>,
    end_of_text: Option<u32>,
}

impl Special {
    fn contains(&self, id: u32) -> bool {
        [self.cls, self.sep, self.mask, self.pad, self.end_of_text].contains(&Some(id))
    }
}

impl Tokenizer {
    /// Reads the bytes of a `tokenizer.json`: a WordPiece vocabulary (BERT's) or a byte-level BPE (GPT-2's, RoBERTa's).
    ///
    /// # Errors
    /// It is no JSON, contradicts itself, lacks BERT's special tokens, or is of another kind.
    pub fn parse(bytes: &[u8]) -> Result<Tokenizer, TokenizationError> {
        let file::Checked { settings, kind, largest_id } = file::check(bytes)?;
        let inner: tokenizers::Tokenizer = serde_json::from_value(settings)
            .map_err(|error| TokenizationError::Damaged { reason: error.to_string() })?;
        let id = |piece: &str| inner.token_to_id(piece);
        let needed = |piece: &str| {
            id(piece).map(Some).ok_or_else(|| TokenizationError::MissingPiece { piece: piece.to_owned() })
        };
        let special = match kind.names() {
            Some(Names { cls, sep, mask, pad, .. }) => Special {
                cls: needed(cls)?,
                sep: needed(sep)?,
                mask: needed(mask)?,
                pad: id(pad),
                end_of_text: None,
            },
            None => Special { end_of_text: id(file::END_OF_TEXT), ..Special::default() },
        };
        Ok(Tokenizer { inner, kind, largest_id, special })
    }

    /// Makes ready what the first text would wait for: the library compiles its patterns with it, which takes a browser longer
    /// than all else that becomes of a text.
    pub fn prepare(&self) {
        // Whether it can split this is not of interest.
        let _ = self.inner.encode_fast("a", false);
    }

    /// Whether a model of `family` with `vocab_size` rows of embeddings can read every token of this vocabulary.
    ///
    /// # Errors
    /// The vocabulary is of the other family's kind, or has an id that the model has no row for. The reverse, rows
    /// without a piece, is common and fine.
    pub fn check_vocabulary(&self, family: Family, vocab_size: usize) -> Result<(), TokenizationError> {
        if family != self.kind.family() {
            let (expected, found) = (file::expected(family).to_owned(), self.kind.called().to_owned());
            return Err(TokenizationError::WrongKind { expected, found });
        }
        if self.largest_id as usize >= vocab_size {
            return Err(TokenizationError::Mismatch { largest_id: self.largest_id, vocab_size });
        }
        Ok(())
    }

    /// One more than the largest id.
    pub fn vocab_size(&self) -> usize {
        self.largest_id as usize + 1
    }

    /// The piece with this id as a person reads it (see [`crate::trace::Token::piece`]); none if no piece has it.
    pub fn piece(&self, id: u32) -> Option<String> {
        let stored = self.inner.id_to_token(id)?;
        Some(match self.kind {
            Kind::WordPiece => stored,
            _ if self.special.contains(id) => stored,
            Kind::ByteLevel | Kind::MarkedByteLevel => pieces::readable(&stored),
        })
    }

    /// The id of BERT's [CLS], RoBERTa's `<s>`.
    pub fn cls_id(&self) -> Option<u32> {
        self.special.cls
    }

    /// The id of BERT's [SEP], RoBERTa's `</s>`.
    pub fn sep_id(&self) -> Option<u32> {
        self.special.sep
    }

    /// The id of BERT's [MASK], RoBERTa's `<mask>`.
    pub fn mask_id(&self) -> Option<u32> {
        self.special.mask
    }

    /// The id of GPT's `<|endoftext|>`.
    pub fn end_of_text_id(&self) -> Option<u32> {
        self.special.end_of_text
    }
}
