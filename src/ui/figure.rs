//! What the figures draw, computed from a run: words of pieces, binned vectors, mean attention, columns.

use std::ops::Range;

use crate::trace::{Hook, Run, Token};

/// How many bars the picture of a vector has.
pub const BINS: usize = 26;

/// The share of bins that a barcode's scale covers: the few beyond it take the full colour, and wash nothing out.
const COVERED_BY_SCALE: f32 = 0.98;

/// The narrowest and the widest column of a token figure, in px.
const COLUMN: (f64, f64) = (56.0, 116.0);

/// The narrowest column where the figure would not fit otherwise, in px: as narrow as a finger can hit.
const TIGHT: f64 = 44.0;

/// A character of what is written in a figure, and how far from a line it stands, in px.
const CHARACTER: f64 = 6.4;
const BESIDE: f64 = 12.0;

/// A few neighbouring dimensions of a vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Bin {
    /// Which dimensions, counted from 0.
    pub dimensions: Range<usize>,
    /// The mean of their values.
    pub mean: f32,
}

/// A vector in `count` bins of (nearly) equal width; fewer, if it has fewer dimensions.
pub fn bins(values: &[f32], count: usize) -> Vec<Bin> {
    let count = count.min(values.len());
    (0..count)
        .map(|bin| {
            let dimensions = bin * values.len() / count..(bin + 1) * values.len() / count;
            let mean = values[dimensions.clone()].iter().sum::<f32>() / dimensions.len() as f32;
            Bin { dimensions, mean }
        })
        .collect()
}

/// The vectors that `hook` recorded (`[position, hidden]`), each in [`BINS`] bins; none if it was not asked for.
pub fn barcodes(run: &Run, hook: Hook) -> Vec<Vec<Bin>> {
    let Some(activation) = run.activation(hook) else { return Vec::new() };
    let width = activation.shape.last().copied().unwrap_or(0).max(1);
    activation.data.chunks_exact(width).map(|vector| bins(vector, BINS)).collect()
}

/// The value that takes the full colour when all these barcodes share one scale.
pub fn scale<'a>(barcodes: impl Iterator<Item = &'a Vec<Bin>>) -> f32 {
    let mut sizes: Vec<f32> =
        barcodes.flatten().map(|bin| bin.mean.abs()).filter(|size| size.is_finite()).collect();
    sizes.sort_by(f32::total_cmp);
    let at = (sizes.len() as f32 * COVERED_BY_SCALE) as usize;
    sizes.get(at.min(sizes.len().saturating_sub(1))).copied().unwrap_or(0.0).max(f32::MIN_POSITIVE)
}

/// The attention of the token at `query` in each layer, `[layer][key]`: the mean of the heads' patterns. Layers
/// whose pattern was not recorded are left out.
pub fn attention_of(run: &Run, query: usize) -> Vec<Vec<f32>> {
    (0..run.model.layers)
        .filter_map(|layer| {
            let pattern = run.activation(Hook::Pattern(layer))?;
            let [heads, queries, keys] = pattern.shape[..] else { return None };
            let row = |head: usize| pattern.data.get((head * queries + query) * keys..)?.get(..keys);
            let mut mean = vec![0.0; keys];
            for head in 0..heads {
                for (sum, weight) in mean.iter_mut().zip(row(head)?) {
                    *sum += weight / heads as f32;
                }
            }
            (query < queries).then_some(mean)
        })
        .collect()
}

/// Neighbouring tokens that are pieces of one word.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Word {
    /// The tokens, at least one.
    pub tokens: Range<usize>,
    /// The word as it stands in the text; empty for a special token that was added.
    pub text: String,
}

/// The words of the input, special tokens as words of their own.
pub fn words(run: &Run) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for (at, token) in run.tokens.iter().enumerate() {
        let last = at.checked_sub(1).and_then(|before| run.tokens.get(before));
        let joins = last.is_some_and(|last| {
            !token.special
                && !last.special
                && token.word.is_some()
                && (token.word, token.segment) == (last.word, last.segment)
        });
        match words.last_mut().filter(|_| joins) {
            Some(word) => word.tokens.end = at + 1,
            None => words.push(Word { tokens: at..at + 1, text: String::new() }),
        }
    }
    for word in &mut words {
        word.text = text_of(run, &run.tokens[word.tokens.clone()]).to_owned();
    }
    words
}

/// The part of the text that these tokens of one segment stand for.
fn text_of<'a>(run: &'a Run, tokens: &[Token]) -> &'a str {
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return "" };
    source(run, first).get(first.start..last.end).unwrap_or_default().trim()
}

/// The text that a token's span indexes.
fn source<'a>(run: &'a Run, token: &Token) -> &'a str {
    if token.segment == 0 { &run.text } else { run.text_b.as_deref().unwrap_or_default() }
}

/// A token's span in characters, both ends counted from 1 and included; none for a token that was added.
pub fn characters(run: &Run, token: &Token) -> Option<(usize, usize)> {
    let text = source(run, token);
    let count = |part: Option<&str>| part.map(|part| part.chars().count());
    let inside = count(text.get(token.start..token.end)).filter(|inside| *inside > 0)?;
    let before = count(text.get(..token.start))?;
    Some((before + 1, before + inside))
}

/// The end of the text that the model did not read; empty if it read all.
pub fn unread(run: &Run) -> &str {
    if run.truncated == 0 {
        return "";
    }
    // The [SEP] that was added stands at the end of the whole text.
    let in_text = run.tokens.iter().filter(|token| token.segment == 0 && token.start < token.end);
    let end = in_text.map(|token| token.end).max().unwrap_or(0);
    run.text.get(end..).unwrap_or_default().trim()
}

/// A word worth hiding: the longest of one piece, of letters only; else the longest word. Its place in the text, in
/// bytes.
pub fn word_to_hide(run: &Run) -> Option<Range<usize>> {
    let candidates = words(run).into_iter().filter(|word| {
        let tokens = &run.tokens[word.tokens.clone()];
        tokens.iter().all(|token| !token.special && token.segment == 0)
            && word.text.chars().any(char::is_alphabetic)
    });
    let rank = |word: &Word| {
        let plain = word.tokens.len() == 1 && word.text.chars().all(char::is_alphabetic);
        (plain, word.text.chars().count())
    };
    let word = candidates.max_by_key(rank)?;
    Some(run.tokens[word.tokens.start].start..run.tokens[word.tokens.end - 1].end)
}

/// The widths of the columns under pieces of these lengths (in characters), in whole px. All are equal where
/// `available` px allow it, since vectors that are drawn side by side are of one length; else each is as wide as its
/// piece needs, with less around it where only so all fit, and the rest is shared.
pub fn column_widths(lengths: &[usize], available: f64) -> Vec<f64> {
    let (narrowest, widest) = COLUMN;
    let needed = |least: f64, around: f64| -> Vec<f64> {
        lengths.iter().map(|length| least.max(around + 8.6 * *length as f64)).collect()
    };
    let fits = |widths: &[f64]| widths.iter().sum::<f64>() <= available;
    let equal = (available / lengths.len().max(1) as f64).min(widest);
    let roomy = needed(narrowest, 20.0);
    let tight = needed(TIGHT, 12.0);
    let widths = if roomy.iter().all(|width| *width <= equal) {
        vec![equal; lengths.len()]
    } else if !fits(&roomy) && fits(&tight) {
        tight
    } else {
        roomy
    };
    let spare = (available - widths.iter().sum::<f64>()).max(0.0) / lengths.len().max(1) as f64;
    // Edges are rounded, not widths: so nothing is left at the end.
    let mut edge = 0.0_f64;
    let column = |width: f64| {
        let from = edge.round();
        edge += (width + spare).min(widest.max(width));
        edge.round() - from
    };
    widths.into_iter().map(column).collect()
}

/// What is written at the foot of a vertical line.
#[derive(Debug, PartialEq)]
pub struct Foot<'a> {
    /// Where each of its lines is anchored, in px.
    pub at: f64,
    /// Which part of a line that is, as SVG's `text-anchor` has it.
    pub anchor: &'static str,
    /// One line beside the vertical one, or two under it.
    pub lines: Vec<&'a str>,
}

/// Writes `text` at the foot of a vertical line at `x`: beside it, on the right unless there is more room on the left, where
/// it fits into what is `seen`, in px; else under it, as two lines, the first of which ends at a comma if there is one.
pub fn foot<'a>(text: &'a str, x: f64, seen: &Range<f64>) -> Foot<'a> {
    let width = |line: &str| CHARACTER * line.chars().count() as f64;
    let left = x - seen.start > seen.end - x;
    let (at, anchor) = if left { (x - BESIDE, "end") } else { (x + BESIDE, "start") };
    let room = if left { at - seen.start } else { seen.end - at };
    let middle = || text.match_indices(' ').map(|(at, _)| at).min_by_key(|at| at.abs_diff(text.len() / 2));
    let end = text.find(", ").map(|comma| comma + 1).or_else(middle).filter(|_| width(text) > room);
    let Some(end) = end else { return Foot { at, anchor, lines: vec![text] } };
    let lines = vec![&text[..end], &text[end + 1..]];
    let half = lines.iter().map(|line| width(line)).fold(0.0, f64::max) / 2.0;
    Foot { at: x.min(seen.end - half).max(seen.start + half), anchor: "middle", lines }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Activation, Architecture, Family, ModelCard};

    fn token(piece: &str, span: Range<usize>, word: Option<usize>, special: bool) -> Token {
        Token { id: 0, piece: piece.into(), start: span.start, end: span.end, word, special, segment: 0 }
    }

    /// `Ein Straßenmusiker [MASK] hier` as [CLS] ein straßen ##musiker [MASK] hier [SEP].
    fn run() -> Run {
        let text = "Ein Straßenmusiker [MASK] hier";
        let tokens = vec![
            token("[CLS]", 0..0, None, true),
            token("ein", 0..3, Some(0), false),
            token("straßen", 4..12, Some(1), false),
            token("##musiker", 12..19, Some(1), false),
            token("[MASK]", 20..26, Some(2), true),
            token("hier", 27..31, Some(3), false),
            token("[SEP]", 0..0, None, true),
        ];
        Run {
            model: ModelCard {
                source: "bert".into(),
                family: Family::Bert,
                architecture: Architecture::Bert,
                layers: 2,
                heads: 2,
                hidden: 4,
                vocabulary: 10,
                positions: 16,
                parameters: 0,
                segments: 2,
                next_sentence: true,
            },
            text: text.into(),
            text_b: None,
            tokens,
            predictions: Vec::new(),
            nsp: None,
            activations: Vec::new(),
            truncated: 0,
            computed: 7,
            ms: 1.0,
        }
    }

    #[test]
    fn bins_cover_every_dimension_once_and_keep_the_mean() {
        for (length, count) in [(256, BINS), (26, BINS), (36, BINS), (5, BINS), (1, BINS), (0, BINS)] {
            let values: Vec<f32> = (0..length).map(|i| (i as f32 * 0.7).sin()).collect();
            let bins = bins(&values, count);
            assert_eq!(bins.len(), length.min(count));
            let mut next = 0;
            let mut sum = 0.0;
            for bin in &bins {
                assert_eq!(bin.dimensions.start, next);
                assert!(!bin.dimensions.is_empty());
                next = bin.dimensions.end;
                sum += bin.mean * bin.dimensions.len() as f32;
            }
            assert_eq!(next, length);
            assert!((sum - values.iter().sum::<f32>()).abs() < 1e-4);
        }
    }

    #[test]
    fn one_outlier_does_not_set_the_scale() {
        let mut values = vec![1.0; 25];
        values.push(-100.0);
        let barcodes: Vec<_> =
            std::iter::repeat_n(bins(&[1.0; 26], BINS), 3).chain([bins(&values, BINS)]).collect();
        assert_eq!(scale(barcodes.iter()), 1.0);
        assert!(scale([].into_iter()) > 0.0);
    }

    #[test]
    fn attention_is_the_mean_of_the_heads_in_the_querys_row() {
        let mut run = run();
        // Two heads, two queries, three keys.
        let data = vec![1.0, 0.0, 0.0, 0.2, 0.3, 0.5, 0.0, 1.0, 0.0, 0.4, 0.1, 0.5];
        run.activations.push(Activation { hook: Hook::Pattern(1), shape: vec![2, 2, 3], data });
        let rows = attention_of(&run, 1);
        assert_eq!(rows.len(), 1);
        for (found, expected) in rows[0].iter().zip([0.3, 0.2, 0.5]) {
            assert!((found - expected).abs() < 1e-6);
        }
        assert!(attention_of(&run, 2).is_empty());
    }

    #[test]
    fn pieces_of_a_word_are_joined_and_spans_count_characters() {
        let run = run();
        let words = words(&run);
        let texts: Vec<_> = words.iter().map(|word| (word.tokens.clone(), word.text.as_str())).collect();
        assert_eq!(
            texts,
            [
                (0..1, ""),
                (1..2, "Ein"),
                (2..4, "Straßenmusiker"),
                (4..5, "[MASK]"),
                (5..6, "hier"),
                (6..7, "")
            ]
        );
        assert_eq!(characters(&run, &run.tokens[3]), Some((12, 18)));
        assert_eq!(characters(&run, &run.tokens[0]), None);
    }

    #[test]
    fn a_word_of_one_piece_is_hidden_first() {
        let mut run = run();
        assert_eq!(word_to_hide(&run), Some(27..31));
        run.tokens.retain(|token| token.word == Some(1) || token.special);
        assert_eq!(word_to_hide(&run), Some(4..19));
        run.tokens.retain(|token| token.special);
        assert_eq!(word_to_hide(&run), None);
    }

    #[test]
    fn what_was_cut_off_is_the_end_of_the_text() {
        let mut run = run();
        assert_eq!(unread(&run), "");
        run.tokens.remove(5);
        run.tokens[5] = token("[SEP]", run.text.len()..run.text.len(), None, true);
        run.truncated = 1;
        assert_eq!(unread(&run), "hier");
    }

    #[test]
    fn columns_hold_their_pieces_and_share_what_is_left() {
        assert_eq!(column_widths(&[3, 3], 0.0), [56.0, 56.0]);
        assert_eq!(column_widths(&[3, 3], 160.0), [80.0, 80.0]);
        assert_eq!(column_widths(&[3, 3], 1000.0), [116.0, 116.0]);
        assert!(column_widths(&[3, 15], 0.0)[1] > 140.0);
        assert!(column_widths(&[], 100.0).is_empty());
        // Equal where the longest piece has room, up to the last pixel; else as each needs, closer where that helps.
        assert_eq!(column_widths(&[3, 7, 3], 250.0), [83.0, 84.0, 83.0]);
        assert_eq!(column_widths(&[1, 10, 1], 240.0).iter().sum::<f64>(), 240.0);
        assert_eq!(column_widths(&[1, 10, 1], 190.0).iter().sum::<f64>(), 190.0);
        assert!(column_widths(&[1, 10, 1], 180.0).iter().sum::<f64>() > 200.0);
    }

    #[test]
    fn a_line_s_foot_is_written_where_it_can_be_read() {
        let text = "only this vector is read out, against 8,192 pieces";
        let beside = |at, anchor| Foot { at, anchor, lines: vec![text] };
        assert_eq!(foot(text, 300.0, &(0.0..1000.0)), beside(312.0, "start"));
        assert_eq!(foot(text, 700.0, &(0.0..1000.0)), beside(688.0, "end"));
        // On a phone there is room for it on neither side; and under the line it stays within what is seen.
        let lines = ["only this vector is read out,", "against 8,192 pieces"];
        for (x, at) in [(740.0, 740.0), (620.0, 692.8), (860.0, 807.2)] {
            let found = foot(text, x, &(600.0..900.0));
            assert_eq!((found.anchor, &*found.lines), ("middle", &lines[..]));
            assert!((found.at - at).abs() < 1e-9, "at {} under {x}", found.at);
        }
        assert_eq!(foot("two words", 5.0, &(0.0..10.0)).lines, ["two", "words"]);
        assert_eq!(foot("unbreakable", 5.0, &(0.0..10.0)).lines, ["unbreakable"]);
    }
}
