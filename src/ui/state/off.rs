//! The heads that are switched off.

use std::fmt::{self, Display};

use super::attention::{HIGHEST, HeadIndex};
use crate::trace::{Family, ModelCard};

/// Heads of both models, in their order. In an address they read `b2.2,g4.7`: the model's first letter, then layer and
/// head, both from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffHeads(Vec<(Family, HeadIndex)>);

impl OffHeads {
    /// The heads of an address's value; none if any of it is no head.
    pub fn parse(text: &str) -> Option<OffHeads> {
        let number = |text: &str| text.parse().ok().filter(|number| (1..=HIGHEST).contains(number));
        let mut heads = OffHeads::default();
        for name in text.split(',') {
            let (family, place) = match name.split_at_checked(1)? {
                ("b", place) => (Family::Bert, place),
                ("g", place) => (Family::Gpt2, place),
                _ => return None,
            };
            let (layer, head) = place.split_once('.')?;
            let head = HeadIndex { layer: number(layer)? - 1, head: number(head)? - 1 };
            if !heads.contains(family, head) {
                heads.toggle(family, head);
            }
        }
        Some(heads)
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a head is.
    pub fn contains(&self, family: Family, head: HeadIndex) -> bool {
        self.0.binary_search(&(family, head)).is_ok()
    }

    /// Switches a head off, or on again.
    pub fn toggle(&mut self, family: Family, head: HeadIndex) {
        match self.0.binary_search(&(family, head)) {
            Ok(at) => {
                self.0.remove(at);
            }
            Err(at) => self.0.insert(at, (family, head)),
        }
    }

    /// Switches all heads of a model on.
    pub fn clear(&mut self, family: Family) {
        self.0.retain(|(of, _)| *of != family);
    }

    /// Those that a model has, as the engine counts them: `[layer, head]`, from 0.
    pub fn within(&self, card: &ModelCard) -> Vec<[usize; 2]> {
        let of_model =
            |(family, head): &&(Family, HeadIndex)| *family == card.family && head.within(card) == *head;
        self.0.iter().filter(of_model).map(|(_, head)| [head.layer, head.head]).collect()
    }
}

impl Display for OffHeads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (family, head)) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            let letter = if *family == Family::Bert { 'b' } else { 'g' };
            write!(f, "{comma}{letter}{}.{}", head.layer + 1, head.head + 1)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::attention::tests::card;
    use super::*;

    #[test]
    fn what_is_written_is_read_again_in_order_and_once() {
        for (given, written) in [
            ("b2.2,g4.7", "b2.2,g4.7"),
            ("g4.7,b2.2,g4.7", "b2.2,g4.7"),
            ("b10.1,b2.12", "b2.12,b10.1"),
            ("b9999.9999", "b9999.9999"),
        ] {
            let heads = OffHeads::parse(given).unwrap();
            assert_eq!(heads.to_string(), written);
            assert_eq!(OffHeads::parse(written), Some(heads));
        }
    }

    #[test]
    fn what_is_no_head_is_not_read() {
        for text in
            ["", ",", "b2.2,", "b0.1", "b1.0", "b1", "1.1", "x1.1", "g-1.1", "b1.1.1", "é1.1", "b10000.1"]
        {
            assert_eq!(OffHeads::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_head_is_switched_off_and_on_again() {
        let (layer, head) = (1, 1);
        let at = HeadIndex { layer, head };
        let mut heads = OffHeads::default();
        heads.toggle(Family::Gpt2, at);
        heads.toggle(Family::Bert, at);
        assert!(heads.contains(Family::Bert, at) && heads.contains(Family::Gpt2, at));
        heads.toggle(Family::Gpt2, at);
        assert_eq!(heads.to_string(), "b2.2");
        heads.clear(Family::Gpt2);
        assert!(!heads.is_empty());
        heads.clear(Family::Bert);
        assert!(heads.is_empty());
    }

    #[test]
    fn the_engine_is_asked_for_heads_that_its_model_has() {
        let heads = OffHeads::parse("b1.6,b4.1,b5.1,b1.7,g1.1").unwrap();
        assert_eq!(heads.within(&card(4, 6)), [[0, 5], [3, 0]]);
    }
}
