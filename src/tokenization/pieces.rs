//! Pieces of a byte-level vocabulary as a person reads them.

use tokenizers::Decoder;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

/// `stored` spells each byte as a printable character (`Ġthe`, Radford et al. 2019); this gives the text (` the`).
/// Bytes that are no whole character, as of an emoji that was cut in two, become U+FFFD.
pub(super) fn readable(stored: &str) -> String {
    match ByteLevel::default().decode_chain(vec![stored.to_owned()]) {
        Ok(text) => text.concat(),
        Err(_) => stored.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn bytes_become_text_again() {
        for (stored, text) in
            [("Ġthe", " the"), ("the", "the"), ("Ċ", "\n"), ("Ã©", "é"), ("ðŁĺĢ", "😀"), ("ðŁ", "\u{fffd}")]
        {
            assert_eq!(readable(stored), text);
        }
    }
}
