//! Where every piece stands in the text.

use tokenizers::utils::truncation::{TruncationParams, truncate_encodings};

use super::file::{Kind, MARKED, WORDPIECE};
use super::{TokenizationError, Tokenizer};
use crate::trace::{Family, Token};

/// Far more than any model reads, and little enough to split in a moment.
const MAX_TEXT_BYTES: usize = 1 << 20;

/// A text as a model reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// The tokens, special tokens included.
    pub tokens: Vec<Token>,
    /// How many tokens of the text were left out because they were too many.
    pub truncated: usize,
}

impl Tokenizer {
    /// Splits `text`, and for BERT a second text, into at most `max_tokens` tokens of a model of `family`.
    ///
    /// BERT reads `[CLS] text [SEP]` or `[CLS] text [SEP] text_b [SEP]`, RoBERTa `<s> text </s>` or
    /// `<s> text </s></s> text_b </s>`, GPT-2 the text as it stands. Special tokens that are typed in a text are what they
    /// spell; `[MASK]` is the mask of either BERT. What does not fit is cut off the end, of a pair off the longer text first.
    ///
    /// Spans are bytes of the original text and lie on character boundaries. Pieces of one character, as of an
    /// emoji that a byte-level vocabulary cuts, all span the whole of it; combining accents that BERT strips may lie
    /// in no span. A word of BERT's is what lies between spaces and punctuation; one of GPT's begins with the white
    /// space before it, one of RoBERTa's behind it.
    ///
    /// # Errors
    /// A text is too long, a second one is given to GPT, or the special tokens alone are more than `max_tokens`.
    pub fn encode(
        &self,
        family: Family,
        text: &str,
        text_b: Option<&str>,
        max_tokens: usize,
    ) -> Result<Encoding, TokenizationError> {
        if family == Family::Gpt2 && text_b.is_some() {
            return Err(TokenizationError::PairNotRead);
        }
        let needed = match family {
            Family::Bert => 2 + usize::from(text_b.is_some()) * (1 + usize::from(self.is_marked())),
            Family::Gpt2 => 0,
        };
        let Some(max_length) = max_tokens.checked_sub(needed) else {
            return Err(TokenizationError::NoRoom { max: max_tokens, needed });
        };

        let whole = (self.split(text)?, text_b.map(|text| self.split(text)).transpose()?);
        let length = |(first, second): &(tokenizers::Encoding, Option<tokenizers::Encoding>)| {
            first.len() + second.as_ref().map_or(0, tokenizers::Encoding::len)
        };
        let whole_length = length(&whole);
        let params = TruncationParams { max_length, ..TruncationParams::default() };
        let read = truncate_encodings(whole.0, whole.1, &params).map_err(|error| failed(error.as_ref()))?;
        let truncated = whole_length - length(&read);

        let mut tokens = Vec::with_capacity(needed + length(&read));
        tokens.extend(self.added_token(self.special.cls, 0, 0));
        let words = self.place(&read.0, (text, 0), 0, &mut tokens);
        tokens.extend(self.added_token(self.special.sep, text.len(), 0));
        if let (Some(second), Some(text_b)) = (&read.1, text_b) {
            if self.is_marked() {
                tokens.extend(self.added_token(self.special.sep, 0, 1));
            }
            self.place(second, (text_b, 1), words, &mut tokens);
            tokens.extend(self.added_token(self.special.sep, text_b.len(), 1));
        }
        Ok(Encoding { tokens, truncated })
    }

    /// Splits one text, adding nothing.
    fn split(&self, text: &str) -> Result<tokenizers::Encoding, TokenizationError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(TokenizationError::TextTooLong { found: text.len(), max: MAX_TEXT_BYTES });
        }
        // Both are as long, so that every span stays where it was.
        const { assert!(MARKED.mask.len() == WORDPIECE.mask.len()) };
        let encoding = match self.is_marked() {
            true => self.inner.encode(text.replace(WORDPIECE.mask, MARKED.mask), false),
            false => self.inner.encode(text, false),
        };
        encoding.map_err(|error| failed(error.as_ref()))
    }

    fn is_marked(&self) -> bool {
        self.kind == Kind::MarkedByteLevel
    }

    /// A special token that no text spells: it stands at `at` and spans nothing.
    fn added_token(&self, id: Option<u32>, at: usize, segment: u8) -> Option<Token> {
        let id = id?;
        let piece = self.piece(id)?;
        Some(Token { id, piece, start: at, end: at, word: None, special: true, segment })
    }

    /// Appends the tokens of one text, whose words are counted from `first_word`; returns the next word's number.
    fn place(
        &self,
        encoding: &tokenizers::Encoding,
        (text, segment): (&str, u8),
        first_word: usize,
        tokens: &mut Vec<Token>,
    ) -> usize {
        let mut next_word = first_word;
        let mut last: Option<(Option<u32>, bool)> = None;
        let splits = encoding.get_ids().iter().zip(encoding.get_offsets()).zip(encoding.get_word_ids());
        for ((&id, &(start, end)), &split) in splits {
            let piece = self.piece(id).unwrap_or_default();
            let special = self.special.contains(id);
            let spelled = text.get(start..end).unwrap_or_default();
            let (start, end) = match self.kind {
                // Its mask takes the space before it, where no mask stands.
                Kind::MarkedByteLevel if special => (end - spelled.trim_start().len(), end),
                Kind::MarkedByteLevel => without_spaces(&piece, start, end),
                Kind::WordPiece | Kind::ByteLevel => (start, end),
            };
            let continues = match (self.kind, last) {
                (_, None) => false,
                (Kind::WordPiece, Some((last_split, _))) => split == last_split,
                (Kind::ByteLevel | Kind::MarkedByteLevel, Some((_, last_special))) => {
                    !special && !last_special && !piece.starts_with(char::is_whitespace)
                }
            };
            next_word += usize::from(!continues);
            last = Some((split, special));
            tokens.push(Token { id, piece, start, end, word: Some(next_word - 1), special, segment });
        }
        next_word
    }
}

/// Where a piece stands without the spaces that belong to it: a word of RoBERTa's is told apart from the space before it,
/// as its own tokenizer does.
fn without_spaces(piece: &str, start: usize, end: usize) -> (usize, usize) {
    let before = piece.len() - piece.trim_start_matches(' ').len();
    let after = piece.len() - piece.trim_end_matches(' ').len();
    let start = end.min(start + before);
    (start, start.max(end.saturating_sub(after)))
}

fn failed(error: &(dyn std::error::Error + Send + Sync)) -> TokenizationError {
    TokenizationError::Failed { reason: error.to_string() }
}
