//! What can be wrong with a vocabulary or a text, each as a sentence that says what to do.

use crate::engine::protocol::Problem;

/// Why a `tokenizer.json` was refused, or a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenizationError {
    /// `tokenizer.json` is not a JSON object.
    #[error(
        "tokenizer.json is not a JSON object ({reason}). Take the file as it lies in the model's folder."
    )]
    NotJson {
        /// Where it stops being one.
        reason: String,
    },
    /// `tokenizer.json` contradicts itself.
    #[error("tokenizer.json is damaged ({reason}). Take the file as it lies in the model's folder.")]
    Damaged {
        /// The contradiction.
        reason: String,
    },
    /// A file of the older kinds of vocabulary is something else.
    #[error("{file} cannot be used ({reason}). Take the file as it lies in the model's folder.")]
    BadVocabulary {
        /// The file.
        file: &'static str,
        /// What gave it away.
        reason: String,
    },
    /// BERT cannot be run without this token.
    #[error(
        "tokenizer.json has no token {piece}, which BERT needs. Take the file that was saved with the model."
    )]
    MissingPiece {
        /// The token.
        piece: String,
    },
    /// A part of the tokenizer is of a kind that is not run.
    #[error(
        "tokenizer.json: \"{key}\" is {found}. Cloze runs {supported}: choose a model whose tokenizer is that."
    )]
    Unsupported {
        /// The part.
        key: String,
        /// Its kind.
        found: String,
        /// What would run.
        supported: String,
    },
    /// The vocabulary is of the other architecture's kind.
    #[error(
        "tokenizer.json holds {found}, but this model reads {expected}. Make sure that tokenizer.json and config.json \
         belong together."
    )]
    WrongKind {
        /// The kind that the model reads.
        expected: String,
        /// The kind that is there.
        found: String,
    },
    /// The vocabulary is larger than the model's table.
    #[error(
        "tokenizer.json numbers its pieces up to {largest_id}, but by config.json the model knows {vocab_size} (0 to \
         {}). Make sure that the two files belong together.", vocab_size.saturating_sub(1)
    )]
    Mismatch {
        /// The largest id in the vocabulary.
        largest_id: u32,
        /// Rows in the model's table.
        vocab_size: usize,
    },
    /// The text is longer than anything a model reads.
    #[error("The text has {found} bytes; at most {max} are read. Shorten it.")]
    TextTooLong {
        /// Its length in bytes.
        found: usize,
        /// The longest that is taken, in bytes.
        max: usize,
    },
    /// The special tokens alone are more than may be read.
    #[error("At most {max} tokens may be read, but the special tokens alone are {needed}. Allow more.")]
    NoRoom {
        /// How many tokens may be read.
        max: usize,
        /// How many the special tokens take.
        needed: usize,
    },
    /// GPT was given a pair.
    #[error("GPT reads one text, not a pair: leave the second out.")]
    PairNotRead,
    /// The text could not be split.
    #[error("tokenizer.json cannot split this text ({reason}). Take the file that was saved with the model.")]
    Failed {
        /// What the tokenizer says.
        reason: String,
    },
}

impl From<TokenizationError> for Problem {
    fn from(error: TokenizationError) -> Problem {
        use TokenizationError as E;
        let problem = |code: &str| Problem::new(code, error.to_string());
        let of_file = |code: &str| problem(code).with("file", super::file::NAME);
        match &error {
            E::NotJson { reason } | E::Damaged { reason } | E::Failed { reason } => {
                of_file("bad-tokenizer").with("reason", reason)
            }
            E::BadVocabulary { file, reason } => {
                problem("bad-vocabulary").with("file", file).with("reason", reason)
            }
            E::MissingPiece { piece } => of_file("tokenizer-lacks-token").with("key", piece),
            E::Unsupported { key, found, supported } => of_file("unsupported-tokenizer")
                .with("key", key)
                .with("found", found)
                .with("supported", supported),
            E::WrongKind { expected, found } => {
                of_file("wrong-tokenizer").with("expected", expected).with("found", found)
            }
            E::Mismatch { largest_id, vocab_size } => {
                of_file("tokenizer-mismatch").with("expected", vocab_size).with("found", largest_id)
            }
            E::TextTooLong { found, max } => problem("text-too-long").with("found", found).with("max", max),
            E::NoRoom { max, needed } => problem("too-few-tokens").with("max", max).with("needed", needed),
            E::PairNotRead => problem("pair-not-read"),
        }
    }
}
