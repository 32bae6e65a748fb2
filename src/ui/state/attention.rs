//! What is on the screen of "Attention".

use super::{Fragment, OffHeads};
use crate::trace::{Family, ModelCard};

/// The highest number of a layer, a head or a position that a link may name.
pub(super) const HIGHEST: usize = 9_999;

/// One head of a model, both counted from 0; the address and the screen count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeadIndex {
    /// The block.
    pub layer: usize,
    /// The head in it.
    pub head: usize,
}

impl HeadIndex {
    /// The same head, or the nearest one that the model has.
    pub fn within(self, card: &ModelCard) -> HeadIndex {
        HeadIndex {
            layer: self.layer.min(card.layers.saturating_sub(1)),
            head: self.head.min(card.heads.saturating_sub(1)),
        }
    }

    /// So many layers and heads further, each in its own ring: after the last head comes the first of that layer.
    pub fn moved(self, layers: isize, heads: isize, card: &ModelCard) -> HeadIndex {
        let around = |at: usize, by: isize, count: usize| {
            let count = count.max(1).cast_signed();
            (at.cast_signed() + by).rem_euclid(count).cast_unsigned()
        };
        let from = self.within(card);
        HeadIndex {
            layer: around(from.layer, layers, card.layers),
            head: around(from.head, heads, card.heads),
        }
    }
}

/// Which models are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Show {
    /// BERT alone.
    Bert,
    /// GPT alone.
    Gpt,
    /// Side by side.
    #[default]
    Both,
}

impl Show {
    /// The choices in their order.
    pub const ALL: [Show; 3] = [Show::Bert, Show::Gpt, Show::Both];

    /// Its name in addresses and message keys.
    pub fn name(self) -> &'static str {
        match self {
            Show::Bert => "bert",
            Show::Gpt => "gpt",
            Show::Both => "both",
        }
    }

    /// Whether a model is shown.
    pub fn shows(self, family: Family) -> bool {
        match self {
            Show::Bert => family == Family::Bert,
            Show::Gpt => family == Family::Gpt2,
            Show::Both => true,
        }
    }

    /// The model that is shown, or stands first.
    pub fn first(self) -> Family {
        if self == Show::Gpt { Family::Gpt2 } else { Family::Bert }
    }
}

/// The cell that is looked at. Positions are those of one model's tokens; in the other model the same words are
/// found by their place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Whose tokens the positions count, from 0.
    pub of: Family,
    /// The row: who is looking.
    pub query: usize,
    /// The column that was pinned: who is looked at.
    pub key: Option<usize>,
}

/// The sentence, the heads and the row that are looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionState {
    /// The sentence; the prepared one if nobody has given one.
    pub text: Option<String>,
    /// Which models are shown.
    pub show: Show,
    /// BERT's head.
    pub bert: HeadIndex,
    /// GPT's head.
    pub gpt: HeadIndex,
    /// The heads that are switched off.
    pub off: OffHeads,
    /// The row and column that were chosen.
    pub spot: Option<Spot>,
    /// Whether special tokens are left out.
    pub special_hidden: bool,
}

impl Default for AttentionState {
    fn default() -> AttentionState {
        AttentionState {
            text: None,
            show: Show::default(),
            // In the prepared sentence these heads of the page's models look from "his" at "king".
            bert: HeadIndex { layer: 2, head: 0 },
            gpt: HeadIndex { layer: 2, head: 7 },
            off: OffHeads::default(),
            spot: None,
            special_hidden: false,
        }
    }
}

impl AttentionState {
    /// The head of a model.
    pub fn head(&self, family: Family) -> HeadIndex {
        match family {
            Family::Bert => self.bert,
            Family::Gpt2 => self.gpt,
        }
    }

    /// Looks at another head of a model.
    pub fn set_head(&mut self, family: Family, head: HeadIndex) {
        match family {
            Family::Bert => self.bert = head,
            Family::Gpt2 => self.gpt = head,
        }
    }

    /// Looks at a cell; looking once more at the pinned one takes the pin out.
    pub fn pin(&mut self, of: Family, query: usize, key: usize) {
        let spot = Spot { of, query, key: Some(key) };
        self.spot = Some(if self.spot == Some(spot) { Spot { key: None, ..spot } } else { spot });
    }

    /// Takes what the fragment says of this lesson.
    pub fn read(&mut self, from: &mut Fragment) {
        self.text = from.get("t").map(str::to_owned);
        if let Some(show) =
            from.read_with("show", |name| Show::ALL.into_iter().find(|show| show.name() == name))
        {
            self.show = show;
        }
        let mut number = |key: &str| Some(from.read_in(key, 1..=HIGHEST)? - 1);
        let (first, gpt) = ((number("l"), number("h")), (number("gl"), number("gh")));
        // A link to GPT alone may name its head by the short keys.
        let alone = self.show == Show::Gpt;
        let bert = if alone { (None, None) } else { first };
        let gpt = if alone { (gpt.0.or(first.0), gpt.1.or(first.1)) } else { gpt };
        for (family, (layer, head)) in [(Family::Bert, bert), (Family::Gpt2, gpt)] {
            let known = self.head(family);
            self.set_head(
                family,
                HeadIndex { layer: layer.unwrap_or(known.layer), head: head.unwrap_or(known.head) },
            );
        }
        let family = |name: &str| match name {
            "bert" => Some(Family::Bert),
            "gpt" => Some(Family::Gpt2),
            _ => None,
        };
        let of = from.read_with("of", family).filter(|of| self.show.shows(*of)).unwrap_or(self.show.first());
        let query = from.read_in("q", 0..=HIGHEST);
        let key = from.read_in("key", 0..=HIGHEST);
        self.spot = query.map(|query| Spot { of, query, key });
        self.off = from.read_with("off", OffHeads::parse).unwrap_or_default();
        self.special_hidden = from.flag("sp") == Some(false);
    }

    /// Writes what differs from the default.
    pub fn write(&self, to: &mut Fragment) {
        let default = AttentionState::default();
        if let Some(text) = &self.text {
            to.set("t", text);
        }
        to.set_unless("show", self.show.name(), default.show.name());
        for (family, layer, head) in [(Family::Bert, "l", "h"), (Family::Gpt2, "gl", "gh")] {
            if self.show.shows(family) && self.head(family) != default.head(family) {
                to.set(layer, self.head(family).layer + 1);
                to.set(head, self.head(family).head + 1);
            }
        }
        if let Some(spot) = self.spot {
            if spot.of != self.show.first() {
                to.set("of", if spot.of == Family::Bert { "bert" } else { "gpt" });
            }
            to.set("q", spot.query);
            if let Some(key) = spot.key {
                to.set("key", key);
            }
        }
        if !self.off.is_empty() {
            to.set("off", &self.off);
        }
        to.set_unless("sp", u8::from(!self.special_hidden), 1);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::trace::Architecture;

    pub(in crate::ui::state) fn card(layers: usize, heads: usize) -> ModelCard {
        ModelCard {
            source: "bert".into(),
            family: Family::Bert,
            architecture: Architecture::Bert,
            layers,
            heads,
            hidden: 12,
            vocabulary: 10,
            positions: 16,
            parameters: 0,
            segments: 2,
            next_sentence: true,
        }
    }

    fn read(text: &str) -> (AttentionState, Vec<String>) {
        let mut from = Fragment::parse(text);
        let mut state = AttentionState::default();
        state.read(&mut from);
        (state, from.unreadable().to_vec())
    }

    fn written(state: &AttentionState) -> String {
        let mut to = Fragment::default();
        state.write(&mut to);
        to.to_string()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let head = |layer, head| HeadIndex { layer, head };
        let spot = |of, query, key| Some(Spot { of, query, key });
        let default = AttentionState::default();
        let cases = [
            default.clone(),
            AttentionState { text: Some(String::new()), ..default.clone() },
            AttentionState {
                text: Some("a & b = ö".into()),
                bert: head(0, 5),
                gpt: head(3, 0),
                ..default.clone()
            },
            AttentionState { spot: spot(Family::Gpt2, 5, Some(2)), special_hidden: true, ..default.clone() },
            AttentionState { off: OffHeads::parse("b2.2,g4.7").unwrap(), ..default.clone() },
            AttentionState { spot: spot(Family::Bert, 0, None), show: Show::Bert, ..default.clone() },
            AttentionState { spot: spot(Family::Gpt2, 3, None), show: Show::Gpt, gpt: head(1, 1), ..default },
        ];
        for state in cases {
            assert_eq!(read(&written(&state)), (state, Vec::new()));
        }
    }

    #[test]
    fn the_default_writes_nothing() {
        assert_eq!(written(&AttentionState::default()), "");
    }

    #[test]
    fn layers_and_heads_count_from_one_in_the_address() {
        let (state, unreadable) = read("l=1&h=2&gl=3&gh=4");
        assert!(unreadable.is_empty());
        assert_eq!(
            (state.bert, state.gpt),
            (HeadIndex { layer: 0, head: 1 }, HeadIndex { layer: 2, head: 3 })
        );
        let (state, _) = read("show=gpt&l=4&h=6");
        assert_eq!(state.gpt, HeadIndex { layer: 3, head: 5 });
        assert_eq!(state.bert, AttentionState::default().bert);
    }

    #[test]
    fn what_cannot_be_read_takes_its_default_and_is_named() {
        let (state, unreadable) = read("l=0&h=-1&show=all&q=x&key=2&sp=yes&of=me&off=b1.1,x");
        assert_eq!(state, AttentionState::default());
        assert_eq!(unreadable, ["show", "l", "h", "of", "q", "off", "sp"]);
    }

    #[test]
    fn the_spot_belongs_to_a_model_that_is_shown() {
        let (state, _) = read("show=gpt&of=bert&q=2");
        assert_eq!(state.spot, Some(Spot { of: Family::Gpt2, query: 2, key: None }));
    }

    #[test]
    fn heads_stay_within_the_model() {
        let head = HeadIndex { layer: 11, head: 3 };
        assert_eq!(head.within(&card(4, 6)), HeadIndex { layer: 3, head: 3 });
        for (by, expected) in [((0, 1), (3, 4)), ((1, 0), (0, 3)), ((0, -4), (3, 5)), ((-1, 9), (2, 0))] {
            let moved = head.moved(by.0, by.1, &card(4, 6));
            assert_eq!((moved.layer, moved.head), expected);
        }
    }

    #[test]
    fn a_second_pin_on_the_same_cell_takes_it_out() {
        let mut state = AttentionState::default();
        state.pin(Family::Bert, 3, 1);
        state.pin(Family::Bert, 3, 2);
        assert_eq!(state.spot, Some(Spot { of: Family::Bert, query: 3, key: Some(2) }));
        state.pin(Family::Bert, 3, 2);
        assert_eq!(state.spot, Some(Spot { of: Family::Bert, query: 3, key: None }));
    }
}
