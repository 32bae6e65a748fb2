//! The same words in two models: tokens of one text, found by their place in it.

use std::ops::Range;

use crate::trace::{Run, Token};

/// The token of `to` that stands for the same part of the text as the token of `from` at `position`: the one that
/// shares most bytes with it, of equals the first. None for special tokens that were added.
pub fn aligned(from: &Run, position: usize, to: &Run) -> Option<usize> {
    let token = from.tokens.get(position)?;
    let shared = |other: &Token| {
        let same = other.segment == token.segment;
        if same { other.end.min(token.end).saturating_sub(other.start.max(token.start)) } else { 0 }
    };
    let shares = to.tokens.iter().map(shared).enumerate().filter(|(_, bytes)| *bytes > 0);
    shares.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(position, _)| position)
}

/// A part of the text that both models cut out whole, in one token or in several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// What is written there.
    pub text: String,
    /// The tokens of the first run; for one run alone, exactly one.
    pub first: Range<usize>,
    /// The tokens of the second run, if there is one.
    pub second: Range<usize>,
}

/// The common parts of two runs on the same text, in its order: the smallest at whose borders both models cut. Of one
/// run alone, its shown tokens one by one.
///
/// Special tokens that were added stand nowhere in the text and are no part of two runs' units.
pub fn units(first: &Run, second: Option<&Run>, shown: impl Fn(usize) -> bool) -> Vec<Unit> {
    let Some(second) = second else {
        let unit = |position: usize| Unit {
            text: super::map::spoken(&first.tokens[position]).to_owned(),
            first: position..position + 1,
            second: 0..0,
        };
        return (0..first.tokens.len()).filter(|position| shown(*position)).map(unit).collect();
    };
    let mut units: Vec<(Range<usize>, Unit)> = Vec::new();
    for (position, token) in in_text(first) {
        let unit = Unit { text: String::new(), first: position..position + 1, second: 0..0 };
        join(&mut units, token.start..token.end, unit, |into, from| into.first.end = from.first.end);
    }
    for (position, token) in in_text(second) {
        let span = token.start..token.end;
        let touched: Vec<usize> = (0..units.len()).filter(|at| overlap(&units[*at].0, &span)).collect();
        let Some((from, to)) = touched.first().zip(touched.last()) else { continue };
        let merged = units[*from].0.start.min(span.start)..units[*to].0.end.max(span.end);
        let (_, last) = &units[*to];
        let first = units[*from].1.first.start..last.first.end;
        let seconds = units[*from].1.second.clone();
        let second = if seconds.is_empty() { position..position + 1 } else { seconds.start..position + 1 };
        units.splice(*from..=*to, [(merged, Unit { text: String::new(), first, second })]);
    }
    let write = |(span, unit): (Range<usize>, Unit)| {
        let text = first.text.get(span).unwrap_or_default().trim();
        Unit { text: text.to_owned(), ..unit }
    };
    units.into_iter().map(write).collect()
}

/// The row of weights over the units: each the sum over its tokens, none where none of them is visible.
pub fn shares(
    units: &[Unit],
    tokens: impl Fn(&Unit) -> Range<usize>,
    weight: impl Fn(usize) -> Option<f32>,
) -> Vec<Option<f32>> {
    let share =
        |unit: &Unit| tokens(unit).filter_map(&weight).fold(None, |sum, w| Some(sum.unwrap_or(0.0) + w));
    units.iter().map(share).collect()
}

/// The tokens that stand in the text, with their positions.
fn in_text(run: &Run) -> impl Iterator<Item = (usize, &Token)> {
    run.tokens.iter().enumerate().filter(|(_, token)| token.segment == 0 && token.start < token.end)
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

/// Appends a unit, or joins it to the last one where both stand in the same place (the bytes of one character).
fn join(
    units: &mut Vec<(Range<usize>, Unit)>,
    span: Range<usize>,
    unit: Unit,
    merge: impl Fn(&mut Unit, &Unit),
) {
    match units.last_mut() {
        Some((last, into)) if overlap(last, &span) => {
            last.end = last.end.max(span.end);
            merge(into, &unit);
        }
        _ => units.push((span, unit)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::map::tests::run;
    use super::*;
    use crate::trace::Family;

    /// "The busker sang 🎻!" as two models might cut it: GPT's spans begin with the space, its emoji has two tokens.
    fn both() -> (Run, Run) {
        let text = "The busker sang 🎻!";
        let bert = [
            ("[CLS]", 0..0),
            ("the", 0..3),
            ("bus", 4..7),
            ("##ker", 7..10),
            ("sang", 11..15),
            ("[UNK]", 16..20),
            ("!", 20..21),
            ("[SEP]", 0..0),
        ];
        let gpt = [
            ("The", 0..3),
            (" b", 3..5),
            ("usker", 5..10),
            (" sang", 10..15),
            (" \u{fffd}", 16..20),
            ("\u{fffd}", 16..20),
            ("!", 20..21),
        ];
        (run(text, Family::Bert, &bert), run(text, Family::Gpt2, &gpt))
    }

    #[test]
    fn tokens_find_each_other_by_their_place() {
        let (bert, gpt) = both();
        let found: Vec<_> = (0..9).map(|position| aligned(&bert, position, &gpt)).collect();
        assert_eq!(found, [None, Some(0), Some(2), Some(2), Some(3), Some(4), Some(6), None, None]);
        assert_eq!(aligned(&gpt, 1, &bert), Some(2));
        assert_eq!(aligned(&gpt, 5, &bert), Some(5));
    }

    #[test]
    fn units_are_cut_where_both_models_cut() {
        let (bert, gpt) = both();
        let units = units(&bert, Some(&gpt), |_| true);
        let found: Vec<_> =
            units.iter().map(|u| (u.text.as_str(), u.first.clone(), u.second.clone())).collect();
        let expected = [
            ("The", 1..2, 0..1),
            ("busker", 2..4, 1..3),
            ("sang", 4..5, 3..4),
            ("🎻", 5..6, 4..6),
            ("!", 6..7, 6..7),
        ];
        assert_eq!(found, expected);
        let turned = super::units(&gpt, Some(&bert), |_| true);
        assert_eq!(
            turned.iter().map(|u| u.second.clone()).collect::<Vec<_>>(),
            expected.map(|(_, first, _)| first)
        );
    }

    #[test]
    fn one_run_alone_has_a_unit_for_each_shown_token() {
        let (bert, _) = both();
        let units = units(&bert, None, |position| position > 0);
        assert_eq!(units.len(), 7);
        assert_eq!((units[1].text.as_str(), units[1].first.clone()), ("bus", 2..3));
    }

    #[test]
    fn a_units_share_is_the_sum_of_its_tokens() {
        let (bert, gpt) = both();
        let units = units(&bert, Some(&gpt), |_| true);
        let row = [Some(0.1), Some(0.2), Some(0.3), None, Some(0.4), None, None];
        let found = shares(&units, |unit| unit.second.clone(), |position| row[position]);
        assert_eq!(found, [Some(0.1), Some(0.5), None, Some(0.4), None]);
    }
}
