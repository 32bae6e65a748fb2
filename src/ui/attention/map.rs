//! One head's attention on one sentence: who looks at whom, how much, and who is not visible to whom.

use crate::trace::{Hook, Run, Token};
use crate::ui::state::HeadIndex;

/// How far a row's sum may lie from 1.
const SUM_TOLERANCE: f32 = 1e-3;

/// A share of a row so small that what remains of it cannot be divided by it.
const NOTHING: f32 = 1e-6;

/// The attention pattern of one head. Queries and keys are positions in the run's tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionMap {
    positions: usize,
    shown: Vec<usize>,
    /// `[query, key]`: the weight, rescaled where tokens are hidden; none where the query cannot see the key.
    cells: Vec<Option<f32>>,
    /// What the hidden tokens held of each query's row, 0 to 1.
    hidden: Vec<f32>,
    /// The sum of each query's row as the model computed it.
    sums: Vec<f32>,
}

impl AttentionMap {
    /// The map of one head; none if its pattern or the mask was not recorded. With `hide_special`, the special
    /// tokens that were added to the text are left out, and each row is divided by what remains of it.
    pub fn new(run: &Run, head: HeadIndex, hide_special: bool) -> Option<AttentionMap> {
        let positions = run.tokens.len();
        let size = positions * positions;
        let pattern = run.activation(Hook::Pattern(head.layer))?;
        let weights = pattern.data.get(head.head * size..(head.head + 1) * size)?;
        // Whether a key can be seen is the mask's to say: a weight of 0 can have other reasons.
        let mask =
            run.activation(Hook::Mask(head.layer)).filter(|mask| mask.shape == [positions, positions])?;
        let visible = mask.data.get(..size)?;
        if pattern.shape[1..] != [positions, positions] {
            return None;
        }

        let is_hidden = |position: usize| hide_special && run.tokens.get(position).is_some_and(added);
        let shown: Vec<usize> = (0..positions).filter(|position| !is_hidden(*position)).collect();
        let mut cells = Vec::with_capacity(size);
        let (mut hidden, mut sums) = (Vec::with_capacity(positions), Vec::with_capacity(positions));
        for (row, seen) in weights.chunks_exact(positions).zip(visible.chunks_exact(positions)) {
            let held: f32 =
                row.iter().enumerate().filter(|(key, _)| is_hidden(*key)).map(|(_, weight)| weight).sum();
            let remaining: f32 = shown.iter().map(|key| row[*key]).sum();
            let scale = if held > 0.0 && remaining > NOTHING { remaining } else { 1.0 };
            cells.extend(row.iter().zip(seen).map(|(weight, seen)| (*seen > 0.5).then_some(weight / scale)));
            hidden.push(held);
            sums.push(row.iter().sum());
        }
        Some(AttentionMap { positions, shown, cells, hidden, sums })
    }

    /// The positions that are shown, in order.
    pub fn shown(&self) -> &[usize] {
        &self.shown
    }

    /// The weight that `query` gives to `key`; none where the key is not visible to it.
    pub fn weight(&self, query: usize, key: usize) -> Option<f32> {
        if key < self.positions {
            self.cells.get(query * self.positions + key).copied().flatten()
        } else {
            None
        }
    }

    /// The cells in drawing order, `[query, key]` over the shown positions.
    pub fn drawn(&self) -> Vec<Option<f32>> {
        let row = |query: usize| self.shown.iter().map(move |key| self.weight(query, *key));
        self.shown.iter().flat_map(|query| row(*query)).collect()
    }

    /// The shown key that `query` looks at most; of equals the first.
    pub fn strongest(&self, query: usize) -> Option<usize> {
        let weights = self.shown.iter().filter_map(|key| Some((*key, self.weight(query, *key)?)));
        weights.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(key, _)| key)
    }

    /// What the hidden tokens held of this row, 0 to 1.
    pub fn hidden_share(&self, query: usize) -> f32 {
        self.hidden.get(query).copied().unwrap_or(0.0)
    }

    /// The sum of this row, if it is not 1 as it should be.
    pub fn wrong_sum(&self, query: usize) -> Option<f32> {
        let right = |sum: f32| (sum - 1.0).abs() <= SUM_TOLERANCE;
        self.sums.get(query).copied().filter(|sum| !right(*sum))
    }

    /// Whether any shown cell is not visible.
    pub fn has_invisible(&self) -> bool {
        self.shown.iter().any(|query| self.shown.iter().any(|key| self.weight(*query, *key).is_none()))
    }

    /// Whether any shown cell is not visible though its key stands before its query: the block looks a few positions back only.
    pub fn hides_earlier(&self) -> bool {
        let before = |query: usize| self.shown.iter().filter(move |key| **key < query);
        self.shown.iter().any(|query| before(*query).any(|key| self.weight(*query, *key).is_none()))
    }

    /// The shown position so many places after `position`, stopping at the ends; the first if it is not shown.
    pub fn neighbour(&self, position: usize, by: isize) -> Option<usize> {
        let last = self.shown.len().checked_sub(1)?;
        let Some(at) = self.shown.iter().position(|shown| *shown == position) else {
            return self.shown.first().copied();
        };
        self.shown.get(at.saturating_add_signed(by).min(last)).copied()
    }

    /// The cells at most `side` by `side` large, for a thumbnail: the largest weight of each block, none where
    /// nothing of it is visible. Also their number in a row.
    pub fn thumbnail(&self, side: usize) -> (usize, Vec<Option<f32>>) {
        let count = self.shown.len();
        let block = count.div_ceil(side.max(1)).max(1);
        let blocks = count.div_ceil(block);
        let mut cells = vec![None::<f32>; blocks * blocks];
        for (i, query) in self.shown.iter().enumerate() {
            for (j, key) in self.shown.iter().enumerate() {
                if let Some(weight) = self.weight(*query, *key) {
                    let cell = &mut cells[i / block * blocks + j / block];
                    *cell = Some(cell.map_or(weight, |most| most.max(weight)));
                }
            }
        }
        (blocks, cells)
    }
}

/// Whether a token was added to the text, as [CLS] and [SEP] are.
fn added(token: &Token) -> bool {
    token.special && token.start == token.end
}

/// A piece as it stands in a sentence of ours: without the space before it.
pub fn spoken(token: &Token) -> &str {
    let trimmed = token.piece.trim();
    if trimmed.is_empty() { "␣" } else { trimmed }
}

/// The row to begin with: of a token of the text, the one in the middle.
pub fn middle(run: &Run) -> Option<usize> {
    let of_text: Vec<usize> =
        (0..run.tokens.len()).filter(|position| !added(&run.tokens[*position])).collect();
    of_text.get(of_text.len() / 2).or(of_text.first()).copied().or(if run.tokens.is_empty() {
        None
    } else {
        Some(0)
    })
}

#[cfg(test)]
pub(super) mod tests {
    use std::ops::Range;

    use super::*;
    use crate::trace::{Activation, Architecture, Family, ModelCard};

    /// A run over these pieces, with their spans and whether they are special; nothing recorded.
    pub(in crate::ui::attention) fn run(text: &str, family: Family, tokens: &[(&str, Range<usize>)]) -> Run {
        let token = |(piece, span): &(&str, Range<usize>)| Token {
            id: 0,
            piece: (*piece).into(),
            start: span.start,
            end: span.end,
            word: (!span.is_empty()).then_some(span.start),
            special: span.is_empty(),
            segment: 0,
        };
        Run {
            model: ModelCard {
                source: "bert".into(),
                family,
                architecture: Architecture::Bert,
                layers: 1,
                heads: 2,
                hidden: 4,
                vocabulary: 10,
                positions: 16,
                parameters: 0,
                segments: 2,
                next_sentence: false,
            },
            text: text.into(),
            text_b: None,
            tokens: tokens.iter().map(token).collect(),
            predictions: Vec::new(),
            nsp: None,
            activations: Vec::new(),
            truncated: 0,
            computed: tokens.len(),
            ms: 1.0,
        }
    }

    /// [CLS] her bus [SEP], whose second head is the given pattern.
    fn bert(second_head: [f32; 16], visible: [f32; 16]) -> Run {
        let mut run =
            run("her bus", Family::Bert, &[("[CLS]", 0..0), ("her", 0..3), ("bus", 4..7), ("[SEP]", 0..0)]);
        let data = [[0.25; 16], second_head].concat();
        run.activations = vec![
            Activation { hook: Hook::Mask(0), shape: vec![4, 4], data: visible.to_vec() },
            Activation { hook: Hook::Pattern(0), shape: vec![2, 4, 4], data },
        ];
        run
    }

    const ROWS: [f32; 16] = [
        0.1, 0.2, 0.3, 0.4, //
        0.2, 0.6, 0.2, 0.0, //
        0.5, 0.0, 0.0, 0.5, //
        0.3, 0.3, 0.3, 0.3,
    ];
    const HEAD: HeadIndex = HeadIndex { layer: 0, head: 1 };

    #[test]
    fn weights_are_those_of_the_head_and_the_mask_says_what_is_visible() {
        let mut visible = [1.0; 16];
        visible[4 + 2] = 0.0;
        let map = AttentionMap::new(&bert(ROWS, visible), HEAD, false).unwrap();
        assert_eq!(map.weight(0, 3), Some(0.4));
        assert_eq!(map.weight(1, 2), None, "masked, whatever its weight");
        assert_eq!(map.weight(1, 3), Some(0.0), "a weight of 0 is no mask");
        assert_eq!(map.weight(1, 4), None);
        assert_eq!(map.strongest(1), Some(1));
        assert_eq!(map.strongest(2), Some(0));
        assert!(map.has_invisible() && !map.hides_earlier());
        let mut near = [1.0; 16];
        near[3 * 4] = 0.0;
        assert!(AttentionMap::new(&bert(ROWS, near), HEAD, false).unwrap().hides_earlier());
        assert_eq!(map.drawn().len(), 16);
    }

    #[test]
    fn rows_without_special_tokens_are_divided_by_what_remains() {
        let map = AttentionMap::new(&bert(ROWS, [1.0; 16]), HEAD, true).unwrap();
        assert_eq!(map.shown(), [1, 2]);
        let row: Vec<f32> = map.shown().iter().filter_map(|key| map.weight(1, *key)).collect();
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!((row[0] - 0.75).abs() < 1e-6);
        assert!((map.hidden_share(1) - 0.2).abs() < 1e-6);
        // Nothing remains of this row, so there is nothing to divide by.
        assert_eq!(map.hidden_share(2), 1.0);
        assert_eq!(map.weight(2, 1), Some(0.0));
    }

    #[test]
    fn a_row_that_does_not_add_up_to_one_is_noticed() {
        let mut rows = ROWS;
        rows[4] = f32::NAN;
        let map = AttentionMap::new(&bert(rows, [1.0; 16]), HEAD, true).unwrap();
        assert_eq!(map.wrong_sum(0), None);
        assert!(map.wrong_sum(1).is_some_and(f32::is_nan));
        assert!(map.wrong_sum(3).is_some_and(|sum| (sum - 1.2).abs() < 1e-6));
    }

    #[test]
    fn no_map_without_pattern_or_mask() {
        let mut run = bert(ROWS, [1.0; 16]);
        assert!(AttentionMap::new(&run, HeadIndex { layer: 0, head: 2 }, false).is_none());
        assert!(AttentionMap::new(&run, HeadIndex { layer: 1, head: 0 }, false).is_none());
        run.activations.remove(0);
        assert!(AttentionMap::new(&run, HEAD, false).is_none());
    }

    #[test]
    fn neighbours_stop_at_the_ends_and_skip_what_is_hidden() {
        let map = AttentionMap::new(&bert(ROWS, [1.0; 16]), HEAD, true).unwrap();
        for (from, by, to) in [(1, 1, 2), (2, 1, 2), (2, -9, 1), (1, -1, 1), (0, 1, 1)] {
            assert_eq!(map.neighbour(from, by), Some(to), "{from} {by}");
        }
    }

    #[test]
    fn thumbnails_keep_the_largest_weight_of_a_block() {
        let mut visible = [1.0; 16];
        (2..4).for_each(|key| (0..2).for_each(|query| visible[query * 4 + key] = 0.0));
        let map = AttentionMap::new(&bert(ROWS, visible), HEAD, false).unwrap();
        assert_eq!(map.thumbnail(4), (4, map.drawn()));
        assert_eq!(map.thumbnail(2), (2, vec![Some(0.6), None, Some(0.5), Some(0.5)]));
        assert_eq!(map.thumbnail(3).0, 2);
    }

    #[test]
    fn the_first_row_is_one_of_the_text() {
        let with = |tokens: &[(&str, Range<usize>)]| middle(&run("a b c", Family::Bert, tokens));
        assert_eq!(with(&[("[CLS]", 0..0), ("a", 0..1), ("b", 2..3), ("c", 4..5), ("[SEP]", 0..0)]), Some(2));
        assert_eq!(with(&[("[CLS]", 0..0), ("[SEP]", 0..0)]), Some(0));
        assert_eq!(with(&[]), None);
    }
}
