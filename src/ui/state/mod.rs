//! What is on the screen, as plain values: everything here is in the address's fragment and comes back from it.

mod attention;
mod fragment;
mod generate;
mod mask;
mod models;
mod off;
pub mod share;

pub use attention::{AttentionState, HeadIndex, Show, Spot};
pub use fragment::{Fragment, LONGEST_VALUE};
pub use generate::{Branches, Drawn, GenerateState, HIGHEST_TEMPERATURE, MOST_BRANCHES, MOST_TOP_K, Next};
pub use mask::{Blank, MASK, MaskState, is_mask};
pub use models::Models;
pub use off::OffHeads;

use crate::trace::Family;

/// A lesson.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum View {
    /// Fill the mask, with BERT.
    #[default]
    Mask,
    /// Attention of BERT beside GPT.
    Attention,
    /// Generate with GPT.
    Generate,
}

impl View {
    /// The lessons in their order, each with the number that is its key.
    pub const ALL: [(u8, View); 3] = [(1, View::Mask), (3, View::Attention), (4, View::Generate)];

    /// Its name in addresses, message keys and `data-view`.
    pub fn name(self) -> &'static str {
        match self {
            View::Mask => "mask",
            View::Attention => "attention",
            View::Generate => "generate",
        }
    }

    /// The view of that name.
    pub fn named(name: &str) -> Option<View> {
        View::ALL.into_iter().map(|(_, view)| view).find(|view| view.name() == name)
    }

    /// The panels that an embed can show, the first by default (design: section 8).
    pub fn panels(self) -> &'static [&'static str] {
        match self {
            View::Mask => &["predictions", "tokens"],
            View::Attention => &["heatmap", "heads"],
            View::Generate => &["text", "dist"],
        }
    }
}

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the system says.
    #[default]
    Auto,
    /// Dark ink on light paper.
    Light,
    /// Light ink on dark paper.
    Dark,
}

impl Theme {
    /// Its name in addresses and `data-theme`.
    pub fn name(self) -> &'static str {
        match self {
            Theme::Auto => "auto",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    /// The theme of that name.
    pub fn named(name: &str) -> Option<Theme> {
        [Theme::Auto, Theme::Light, Theme::Dark].into_iter().find(|theme| theme.name() == name)
    }
}

/// One panel in an iframe of somebody's slides.
#[derive(Clone, Debug, PartialEq)]
pub struct Embed {
    /// Which of [`View::panels`].
    pub panel: String,
    /// Whether the text can be edited.
    pub edit: bool,
    /// Whether the answer is shown from the start.
    pub reveal: bool,
    /// Whether the line of keys is shown.
    pub keys: bool,
    /// Size of the type, 1 to 2.
    pub scale: f32,
}

impl Embed {
    /// The view's first panel, with everything that a frame can have.
    pub fn of(view: View) -> Embed {
        let panel = view.panels().first().copied().unwrap_or_default().to_owned();
        Embed { panel, edit: true, reveal: true, keys: true, scale: 1.0 }
    }

    fn read(view: View, from: &mut Fragment) -> Embed {
        let default = Embed::of(view);
        let panel = from.read_with("panel", |name| view.panels().iter().find(|panel| **panel == name));
        Embed {
            panel: panel.map_or(default.panel, |panel| (*panel).to_owned()),
            edit: from.flag("edit").unwrap_or(default.edit),
            reveal: from.flag("reveal").unwrap_or(default.reveal),
            keys: from.flag("keys").unwrap_or(default.keys),
            scale: from.read_in("scale", 1.0..=2.0).unwrap_or(default.scale),
        }
    }

    fn write(&self, to: &mut Fragment) {
        to.set("embed", 1);
        to.set("panel", &self.panel);
        for (key, on) in [("edit", self.edit), ("reveal", self.reveal), ("keys", self.keys)] {
            to.set_unless(key, u8::from(on), 1);
        }
        to.set_unless("scale", self.scale, 1.0);
    }
}

/// Everything on the screen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The lesson.
    pub view: View,
    /// Light or dark.
    pub theme: Theme,
    /// The language of the words, as BCP 47; the browser's if none.
    pub lang: Option<String>,
    /// Whether the notes column is hidden.
    pub notes_hidden: bool,
    /// One panel for an iframe, instead of the page.
    pub embed: Option<Embed>,
    /// Which checkpoints are looked at.
    pub models: Models,
    /// Fill the mask.
    pub mask: MaskState,
    /// Attention.
    pub attention: AttentionState,
    /// Generate.
    pub generate: GenerateState,
}

impl State {
    /// The state of an address's fragment, and the keys that could not be read. Whatever is missing, unknown or
    /// malformed takes its default: no address gives an error.
    pub fn from_fragment(text: &str) -> (State, Vec<String>) {
        let mut from = Fragment::parse(text);
        let mut state = State::default();
        // There is one schema so far; a later one is read as far as it is understood.
        from.read_in("v", 1..=1);
        state.view = from.read_with("view", View::named).unwrap_or_default();
        state.theme = from.read_with("theme", Theme::named).unwrap_or_default();
        state.lang = from.read_with("lang", language);
        state.notes_hidden = from.flag("notes") == Some(false);
        state.models.read(&mut from);
        if from.flag("embed") == Some(true) {
            state.embed = Some(Embed::read(state.view, &mut from));
        }
        match state.view {
            View::Mask => state.mask.read(&mut from),
            View::Attention => state.attention.read(&mut from),
            View::Generate => state.generate.read(&mut from),
        }
        (state, from.unreadable().to_vec())
    }

    /// The fragment, without `#`, that gives this state again. Only the current lesson's part is written; what has
    /// its default value is left out.
    pub fn to_fragment(&self) -> String {
        let mut to = Fragment::default();
        to.set("v", 1);
        to.set("view", self.view.name());
        self.models.write(&mut to);
        match self.view {
            View::Mask => self.mask.write(&mut to),
            View::Attention => self.attention.write(&mut to),
            View::Generate => self.generate.write(&mut to),
        }
        to.set_unless("notes", u8::from(!self.notes_hidden), 1);
        to.set_unless("theme", self.theme.name(), Theme::Auto.name());
        if let Some(lang) = &self.lang {
            to.set("lang", lang);
        }
        if let Some(embed) = &self.embed {
            embed.write(&mut to);
        }
        to.to_string()
    }

    /// The families whose models are on the screen.
    pub fn families(&self) -> &'static [Family] {
        match (self.view, self.attention.show) {
            (View::Mask, _) | (View::Attention, Show::Bert) => &[Family::Bert],
            (View::Generate, _) | (View::Attention, Show::Gpt) => &[Family::Gpt2],
            (View::Attention, Show::Both) => &[Family::Bert, Family::Gpt2],
        }
    }

    /// This state, with the lessons that it does not show as they are in `other`: an address tells of one lesson.
    pub fn with_other_lessons_of(mut self, other: State) -> State {
        if self.view != View::Mask {
            self.mask = other.mask;
        }
        if self.view != View::Attention {
            self.attention = other.attention;
        }
        if self.view != View::Generate {
            self.generate = other.generate;
        }
        self
    }
}

/// A language tag of BCP 47, as far as its letters tell.
fn language(tag: &str) -> Option<String> {
    let part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    (tag.len() <= 35 && tag.split('-').all(part)).then(|| tag.to_owned())
}

#[cfg(test)]
mod tests;
