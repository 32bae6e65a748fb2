//! The timeline of "Generate" as places and lines: the text on top, every other continuation below.

use super::state::Branches;

/// The width of the figure where nothing asks for more, in px.
const WIDTH: f64 = 992.0;

/// Where the prompt ends and the continuation begins, in px.
const PROMPT_END: f64 = 150.0;

/// Most dots that stand for the prompt's tokens: more would touch each other.
const MOST_DOTS: usize = 12;

/// How far these dots lie apart at most, in px.
const DOTS: f64 = 19.0;

/// How far tokens lie apart, at least and at most, in px.
const STRIDE: (f64, f64) = (84.0, 130.5);

/// Room behind the last token for the branch's name, in px.
const NAME: f64 = 150.0;

/// The height of the first line and how far the others lie apart, in px.
const ROWS: (f64, f64) = (40.0, 46.0);

/// Where the text on top ends and another continuation leaves it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// In px.
    pub width: f64,
    /// In px.
    pub height: f64,
    /// The prompt's tokens, or some of them: their x on the first line.
    pub dots: Vec<f64>,
    /// Where the line of the prompt ends.
    pub prompt_end: f64,
    /// The tokens.
    pub nodes: Vec<Node>,
    /// Where the next token will be.
    pub slot: (f64, f64),
    /// The other continuations.
    pub tails: Vec<Tail>,
}

/// One token of a continuation.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The ids from the prompt to this token: no other node has the same.
    pub key: Vec<u32>,
    /// A branch that it lies on.
    pub branch: usize,
    /// How many tokens lie between the prompt and this one, itself included.
    pub depth: usize,
    /// Its place.
    pub at: (f64, f64),
    /// Whether it is part of the text; else of another continuation.
    pub taken: bool,
}

/// A continuation that is not the text, from where it leaves a line above.
#[derive(Clone, Debug, PartialEq)]
pub struct Tail {
    /// The branch.
    pub branch: usize,
    /// The line, as an SVG path.
    pub line: String,
    /// Where its last token is.
    pub end: (f64, f64),
}

impl Timeline {
    /// The timeline of these branches after a prompt of `prompt` tokens.
    pub fn of(branches: &Branches, prompt: usize) -> Timeline {
        let path = branches.path();
        let deepest =
            branches.all().iter().map(|branch| branch.path.len()).max().unwrap_or(0).max(path.len() + 1);
        let stride = ((WIDTH - PROMPT_END - NAME) / deepest as f64).clamp(STRIDE.0, STRIDE.1);
        let x = |depth: usize| PROMPT_END + stride * (depth as f64 - 0.5);
        let y = |row: usize| ROWS.0 + ROWS.1 * row as f64;

        let mut nodes = Vec::new();
        let current = branches.current();
        for depth in 1..=path.len() {
            let key = branches.all()[current].ids(depth);
            nodes.push(Node { key, branch: current, depth, at: (x(depth), y(0)), taken: true });
        }
        // Each line with its row and how deep it reaches: a continuation leaves the one that it shares most with.
        let mut lines = vec![(path, 0)];
        let mut tails = Vec::new();
        for (index, branch) in branches.all().iter().enumerate() {
            let shared = lines.iter().map(|(line, row)| (branch.shared(line), *row));
            let (fork, from) = shared.rev().max_by_key(|(shared, _)| *shared).unwrap_or_default();
            if fork == branch.path.len() {
                continue;
            }
            let row = lines.len();
            let start = if fork == 0 { PROMPT_END - 12.0 } else { x(fork) };
            let (first, last, middle) = (x(fork + 1), x(branch.path.len()), (start + x(fork + 1)) / 2.0);
            let (above, below) = (y(from), y(row));
            tails.push(Tail {
                branch: index,
                line: format!("M{start} {above}C{middle} {above} {middle} {below} {first} {below}H{last}"),
                end: (last, below),
            });
            for depth in fork + 1..=branch.path.len() {
                nodes.push(Node {
                    key: branch.ids(depth),
                    branch: index,
                    depth,
                    at: (x(depth), below),
                    taken: false,
                });
            }
            lines.push((&branch.path, row));
        }
        let dots = prompt.min(MOST_DOTS);
        let apart = ((PROMPT_END - 34.0) / dots.max(1) as f64).min(DOTS);
        Timeline {
            width: WIDTH.max(x(deepest) + NAME),
            height: y(lines.len() - 1) + 30.0,
            dots: (0..dots).map(|dot| 10.0 + apart * dot as f64).collect(),
            prompt_end: PROMPT_END - 12.0,
            nodes,
            slot: (x(path.len() + 1), y(0)),
            tails,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::state::Drawn;

    fn branches(paths: &[&[u32]]) -> Branches {
        let mut branches = Branches::default();
        for path in paths {
            branches.focus(branches.current(), 0);
            for id in *path {
                branches.advance(Drawn { id: *id, by: None }).unwrap();
            }
        }
        branches
    }

    fn keys(timeline: &Timeline) -> Vec<Vec<u32>> {
        let mut keys: Vec<_> = timeline.nodes.iter().map(|node| node.key.clone()).collect();
        keys.sort();
        keys
    }

    #[test]
    fn every_token_of_every_branch_has_one_place_of_its_own() {
        let branches = branches(&[&[1, 2, 3], &[1, 2, 4, 5], &[1, 7], &[1, 2, 4, 6]]);
        let timeline = Timeline::of(&branches, 4);
        let expected: &[&[u32]] =
            &[&[1], &[1, 2], &[1, 2, 3], &[1, 2, 4], &[1, 2, 4, 5], &[1, 2, 4, 6], &[1, 7]];
        assert_eq!(keys(&timeline), expected);
        for (index, node) in timeline.nodes.iter().enumerate() {
            assert!(timeline.nodes[..index].iter().all(|other| other.at != node.at), "{node:?}");
            assert!(node.at.0 < timeline.width && node.at.1 < timeline.height);
            assert_eq!(node.taken, branches.ids().starts_with(&node.key));
        }
        assert_eq!((timeline.tails.len(), timeline.dots.len()), (3, 4));
    }

    #[test]
    fn what_lies_ahead_after_going_back_is_another_continuation() {
        let mut branches = branches(&[&[1, 2, 3]]);
        assert!(Timeline::of(&branches, 1).tails.is_empty());
        branches.focus(0, 1);
        let timeline = Timeline::of(&branches, 1);
        assert_eq!((timeline.tails.len(), keys(&timeline).len()), (1, 3));
        // The next token's slot stands above the token that was drawn there before.
        let ahead = timeline.nodes.iter().find(|node| node.depth == 2).unwrap();
        assert!(ahead.at.0 == timeline.slot.0 && ahead.at.1 > timeline.slot.1);
    }

    #[test]
    fn a_long_text_makes_the_figure_wider_and_not_the_tokens_closer() {
        let path: Vec<u32> = (0..40).collect();
        let timeline = Timeline::of(&branches(&[&path]), 100);
        assert!(timeline.width > 40.0 * STRIDE.0);
        assert_eq!(timeline.dots.len(), MOST_DOTS);
        assert_eq!(Timeline::of(&Branches::default(), 0).width, WIDTH);
    }
}
