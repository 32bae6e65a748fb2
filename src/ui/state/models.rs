//! Which checkpoint stands in each family's place.

use super::Fragment;
use crate::engine::protocol::Load;
use crate::trace::{Family, WeightType};

/// The longest source a link may name, in bytes.
const LONGEST_SOURCE: usize = 500;

/// The sources of the two models, as the engine's loader takes them: `bert`, `gpt`, `hf:<owner>/<name>`, `url:<base>/` or
/// `files:<name>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Models {
    bert: String,
    gpt: String,
    /// The address of the hub, if it is another than Hugging Face's.
    hub: Option<String>,
    /// How their weights are kept, if not as suits them.
    weights: Option<WeightType>,
}

impl Default for Models {
    fn default() -> Models {
        Models { bert: "bert".to_owned(), gpt: "gpt".to_owned(), hub: None, weights: None }
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

    /// What loads a family's model.
    pub fn load(&self, family: Family) -> Load {
        Load {
            source: self.of(family).to_owned(),
            hub: self.hub.clone(),
            weights: self.weights,
            ..Load::default()
        }
    }

    /// The address of the hub, if it is another than Hugging Face's.
    pub fn hub(&self) -> Option<&str> {
        self.hub.as_deref()
    }

    /// Takes another hub, or Hugging Face's again.
    pub fn set_hub(&mut self, hub: Option<String>) {
        self.hub = hub;
    }

    /// Puts the page's own model in its family's place.
    pub fn reset(&mut self, family: Family) {
        let own = Models::default();
        self.set(family, own.of(family), None, None);
    }

    /// Puts a checkpoint in its family's place, its weights kept as `weights` says. A comma in an address is written `%2C`,
    /// which means the same.
    pub fn set(&mut self, family: Family, source: &str, hub: Option<String>, weights: Option<WeightType>) {
        self.hub = hub.or(self.hub.take());
        self.weights = weights;
        let place = match family {
            Family::Bert => &mut self.bert,
            Family::Gpt2 => &mut self.gpt,
        };
        *place = source.replace(',', "%2C");
    }

    /// Takes `m`, BERT's source and GPT's, separated by a comma; `hub` and `weights`.
    pub fn read(&mut self, from: &mut Fragment) {
        let sources = |value: &str| {
            let (bert, gpt) = value.split_once(',')?;
            (is_source(bert, "bert") && is_source(gpt, "gpt")).then(|| (bert.to_owned(), gpt.to_owned()))
        };
        if let Some((bert, gpt)) = from.read_with("m", sources) {
            (self.bert, self.gpt) = (bert, gpt);
        }
        if let Some(hub) = from.read_with("hub", |hub| is_address(hub).then(|| hub.to_owned())) {
            self.hub = Some(hub);
        }
        self.weights = from.read_with("weights", WeightType::named);
    }

    /// Writes `m` unless both are the page's own, `hub` if another is meant than Hugging Face's, and `weights` if somebody chose.
    pub fn write(&self, to: &mut Fragment) {
        let own = Models::default();
        // Files of a reader's are nobody else's.
        let linked =
            |source: &'_ str, own: &'_ str| if is_source(source, own) { source } else { own }.to_owned();
        let (bert, gpt) = (linked(&self.bert, &own.bert), linked(&self.gpt, &own.gpt));
        if (&bert, &gpt) != (&own.bert, &own.gpt) {
            to.set("m", format_args!("{bert},{gpt}"));
        }
        if let Some(hub) = &self.hub {
            to.set("hub", format_args!("{hub}"));
        }
        if let Some(weights) = self.weights {
            to.set("weights", weights.name());
        }
    }
}

/// Whether a link may name it: the page's own model of that place, a model of a hub, or a web address.
fn is_source(text: &str, own: &str) -> bool {
    let elsewhere = text.starts_with("hf:") || text.strip_prefix("url:").is_some_and(is_address);
    text == own || (elsewhere && is_plain(text))
}

fn is_address(text: &str) -> bool {
    (text.starts_with("https://") || text.starts_with("http://")) && is_plain(text)
}

fn is_plain(text: &str) -> bool {
    text.len() <= LONGEST_SOURCE && !text.contains(|c: char| c == ',' || c.is_control() || c.is_whitespace())
}
