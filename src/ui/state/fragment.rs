//! The key-value pairs of an address's fragment, read without trust.

use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The longest value that is read and written, in characters: more than any model reads, little enough that no address
/// keeps the page busy.
pub const LONGEST_VALUE: usize = 20_000;

/// Pairs in the order in which they were found or set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fragment {
    pairs: Vec<(String, String)>,
    unreadable: Vec<String>,
}

impl Fragment {
    /// The pairs of `text`, which may begin with `#`. Of a key that stands twice the first counts. A value that is
    /// too long cannot be read.
    pub fn parse(text: &str) -> Fragment {
        let text = text.strip_prefix('#').unwrap_or(text);
        let mut fragment = Fragment::default();
        for (key, value) in
            form_urlencoded::parse(text.as_bytes()).into_owned().filter(|(key, _)| is_key(key))
        {
            if fits(&value) {
                fragment.pairs.push((key, value));
            } else {
                fragment.unreadable.push(key);
            }
        }
        fragment
    }

    /// The value of `key` as it stands there.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// The value of `key` as `read` understands it; where it does not, the key is noted as unreadable.
    pub fn read_with<T>(&mut self, key: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let value = read(self.get(key)?);
        if value.is_none() {
            self.unreadable.push(key.to_owned());
        }
        value
    }

    /// The number at `key`, if it is one and lies in `range`.
    pub fn read_in<T: FromStr + PartialOrd>(&mut self, key: &str, range: RangeInclusive<T>) -> Option<T> {
        self.read_with(key, |value| value.parse().ok().filter(|number| range.contains(number)))
    }

    /// `1` or `0`.
    pub fn flag(&mut self, key: &str) -> Option<bool> {
        self.read_with(key, |value| match value {
            "1" => Some(true),
            "0" => Some(false),
            _ => None,
        })
    }

    /// Appends a pair, unless its value is too long to be read again.
    pub fn set(&mut self, key: &str, value: impl Display) {
        let value = value.to_string();
        if fits(&value) {
            self.pairs.push((key.to_owned(), value));
        }
    }

    /// Appends a pair unless the value is the default.
    pub fn set_unless<T: Display + PartialEq>(&mut self, key: &str, value: T, default: T) {
        if value != default {
            self.set(key, value);
        }
    }

    /// The keys whose values could not be read.
    pub fn unreadable(&self) -> &[String] {
        &self.unreadable
    }
}

/// Whether it could be a key of ours: those are short words. What is not is ignored, as every unknown key is.
fn is_key(text: &str) -> bool {
    (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn fits(value: &str) -> bool {
    value.len() <= LONGEST_VALUE || value.chars().count() <= LONGEST_VALUE
}

impl Display for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.pairs).finish())
    }
}
