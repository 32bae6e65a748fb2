//! Which checkpoint stands in each family's place.

use super::Fragment;
use crate::trace::Family;

/// The longest source a link may name, in bytes.
const LONGEST_SOURCE: usize = 500;

/// The sources of the two models, as the engine's loader takes them: `bert`, `gpt` or `url:<base>/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Models {
    bert: String,
    gpt: String,
}

impl Default for Models {
    fn default() -> Models {
        Models { bert: "bert".to_owned(), gpt: "gpt".to_owned() }
    }
}

impl Models {
    /// The source of a family's model.
    pub fn of(&self, family: Family) -> &str {
        match family {
            Family::Bert => &self.bert,
            Family::Gpt2 => &self.gpt,
        }
    }

    /// Puts a checkpoint in its family's place. A comma in an address is written `%2C`, which means the same.
    pub fn set(&mut self, family: Family, source: &str) {
        let place = match family {
            Family::Bert => &mut self.bert,
            Family::Gpt2 => &mut self.gpt,
        };
        *place = source.replace(',', "%2C");
    }

    /// Takes `m`: BERT's source and GPT's, separated by a comma.
    pub fn read(&mut self, from: &mut Fragment) {
        let sources = |value: &str| {
            let (bert, gpt) = value.split_once(',')?;
            (is_source(bert, "bert") && is_source(gpt, "gpt"))
                .then(|| Models { bert: bert.to_owned(), gpt: gpt.to_owned() })
        };
        if let Some(models) = from.read_with("m", sources) {
            *self = models;
        }
    }

    /// Writes `m` unless both are the page's own.
    pub fn write(&self, to: &mut Fragment) {
        if *self != Models::default() {
            to.set("m", format_args!("{},{}", self.bert, self.gpt));
        }
    }
}

/// Whether a link may name it: the page's own model of that place, or a web address.
fn is_source(text: &str, own: &str) -> bool {
    let base = text.strip_prefix("url:");
    let fetched = base.is_some_and(|base| base.starts_with("https://") || base.starts_with("http://"));
    let plain = !text.contains(|c: char| c == ',' || c.is_control() || c.is_whitespace());
    text == own || (fetched && plain && text.len() <= LONGEST_SOURCE)
}
