//! How one row of attention weights comes about: q·k, scaled, masked, softmax. Every number is a recorded one, but for
//! q·k, which is computed here from the recorded queries and keys.

use std::ops::Range;

use crate::trace::{Activation, Hook, Run};
use crate::ui::state::HeadIndex;

/// How far the recorded scores may lie from q·k ÷ √(head size), as a share, to be called that.
const SAME: f32 = 1e-2;

/// What turns q·k into the score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Factor {
    /// Divided by the square root of the head size (Vaswani et al. 2017).
    RootOf(usize),
    /// Multiplied by this: some checkpoints scale otherwise.
    Times(f32),
}

/// The steps of one query's row, each a value a key.
#[derive(Clone, Debug, PartialEq)]
pub struct RowSteps {
    /// q·k, from the recorded queries and keys.
    pub dots: Vec<f32>,
    /// What comes between them and the scores.
    pub factor: Factor,
    /// The recorded scores, before the mask.
    pub scores: Vec<f32>,
    /// Whether the mask lets the query see the key.
    pub visible: Vec<bool>,
    /// The recorded weights.
    pub weights: Vec<f32>,
}

impl RowSteps {
    /// The row of `query` in one head; none if something of it was not recorded.
    pub fn new(run: &Run, head: HeadIndex, query: usize) -> Option<RowSteps> {
        let keys = run.tokens.len();
        let q = vector(run.activation(Hook::Q(head.layer))?, query, head.head)?;
        let k = run.activation(Hook::K(head.layer))?;
        let dots: Vec<f32> =
            (0..keys).map(|key| Some(dot(q, vector(k, key, head.head)?))).collect::<Option<_>>()?;
        let scores = row(run.activation(Hook::AttnScores(head.layer))?, head.head, query)?.to_vec();
        let weights = row(run.activation(Hook::Pattern(head.layer))?, head.head, query)?.to_vec();
        let mask = run.activation(Hook::Mask(head.layer)).filter(|mask| mask.shape.last() == Some(&keys))?;
        let visible =
            mask.data.get(query * keys..(query + 1) * keys)?.iter().map(|seen| *seen > 0.5).collect();
        let factor = factor(&dots, &scores, q.len());
        (scores.len() == keys).then_some(RowSteps { dots, factor, scores, visible, weights })
    }
}

/// Neighbours that are all visible, or all not.
pub fn stretches(visible: impl IntoIterator<Item = bool>) -> Vec<(bool, Range<usize>)> {
    let mut stretches: Vec<(bool, Range<usize>)> = Vec::new();
    for (at, visible) in visible.into_iter().enumerate() {
        match stretches.last_mut() {
            Some((same, keys)) if *same == visible => keys.end = at + 1,
            _ => stretches.push((visible, at..at + 1)),
        }
    }
    stretches
}

/// One head's vector of a `[position, head, head size]` activation.
fn vector(activation: &Activation, position: usize, head: usize) -> Option<&[f32]> {
    let [positions, heads, size] = activation.shape[..] else { return None };
    let from = (position * heads + head) * size;
    (position < positions && head < heads).then(|| activation.data.get(from..from + size)).flatten()
}

/// One head's row of a `[head, query, key]` activation.
fn row(activation: &Activation, head: usize, query: usize) -> Option<&[f32]> {
    let [heads, queries, keys] = activation.shape[..] else { return None };
    let from = (head * queries + query) * keys;
    (head < heads && query < queries).then(|| activation.data.get(from..from + keys)).flatten()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The factor between two rows that are proportional, by least squares.
fn factor(dots: &[f32], scores: &[f32], size: usize) -> Factor {
    let usual = (size as f32).sqrt().recip();
    let squares = dot(dots, dots);
    let found = if squares > 0.0 { dot(dots, scores) / squares } else { usual };
    if (found - usual).abs() <= usual * SAME { Factor::RootOf(size) } else { Factor::Times(found) }
}

#[cfg(test)]
mod tests {
    use super::super::map::tests::run;
    use super::*;
    use crate::trace::Family;

    /// Two tokens, two heads of size 4; the scores are q·k times `scale`, GPT's mask.
    fn causal(scale: f32) -> Run {
        let mut run = run("a b", Family::Gpt2, &[("a", 0..1), ("b", 2..3)]);
        let (heads, size) = (2, 4);
        let q: Vec<f32> = (0..16).map(|i| (i as f32 * 0.9).sin()).collect();
        let k: Vec<f32> = (0..16).map(|i| (i as f32 * 0.4).cos()).collect();
        let of = |data: &[f32], position: usize, head: usize| {
            data[(position * heads + head) * size..][..size].to_vec()
        };
        let mut scores = Vec::new();
        for head in 0..heads {
            for query in 0..2 {
                scores.extend((0..2).map(|key| dot(&of(&q, query, head), &of(&k, key, head)) * scale));
            }
        }
        let activation =
            |hook, shape: &[usize], data: Vec<f32>| Activation { hook, shape: shape.to_vec(), data };
        run.activations = vec![
            activation(Hook::Q(0), &[2, 2, 4], q),
            activation(Hook::K(0), &[2, 2, 4], k),
            activation(Hook::AttnScores(0), &[2, 2, 2], scores),
            activation(Hook::Mask(0), &[2, 2], vec![1.0, 0.0, 1.0, 1.0]),
            activation(Hook::Pattern(0), &[2, 2, 2], vec![1.0, 0.0, 0.4, 0.6, 1.0, 0.0, 0.3, 0.7]),
        ];
        run
    }

    #[test]
    fn a_row_takes_its_numbers_from_its_head_and_query() {
        let steps = RowSteps::new(&causal(0.5), HeadIndex { layer: 0, head: 1 }, 1).unwrap();
        assert_eq!(steps.weights, [0.3, 0.7]);
        assert_eq!(steps.factor, Factor::RootOf(4));
        for (dot, score) in steps.dots.iter().zip(&steps.scores) {
            assert!((dot / 2.0 - score).abs() < 1e-6);
        }
        let first = RowSteps::new(&causal(0.5), HeadIndex { layer: 0, head: 0 }, 0).unwrap();
        assert_eq!(first.visible, [true, false]);
        assert_eq!(steps.visible, [true, true]);
    }

    #[test]
    fn neighbours_that_are_alike_make_one_stretch() {
        assert_eq!(stretches([true, true, false, true]), [(true, 0..2), (false, 2..3), (true, 3..4)]);
        assert_eq!(stretches([]), []);
    }

    #[test]
    fn another_scale_is_said_as_it_is() {
        let head = HeadIndex { layer: 0, head: 1 };
        let Some(Factor::Times(found)) = RowSteps::new(&causal(0.25), head, 1).map(|steps| steps.factor)
        else {
            panic!("not the usual scale");
        };
        assert!((found - 0.25).abs() < 1e-5);
    }

    #[test]
    fn no_steps_without_every_recording() {
        let head = HeadIndex { layer: 0, head: 1 };
        for missing in 0..5 {
            let mut run = causal(0.5);
            run.activations.remove(missing);
            assert!(RowSteps::new(&run, head, 1).is_none());
        }
        assert!(RowSteps::new(&causal(0.5), head, 2).is_none());
        assert!(RowSteps::new(&causal(0.5), HeadIndex { layer: 0, head: 2 }, 0).is_none());
    }

    #[cfg(feature = "engine")]
    #[test]
    fn queries_times_keys_agree_with_the_scores_of_the_embedded_models() {
        use crate::engine::Session;
        use crate::engine::protocol::RunRequest;
        use crate::hub::{Files, Vocabulary};

        for name in ["bert", "gpt"] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models").join(name);
            let read = |file: &str| std::fs::read(folder.join(file)).unwrap();
            let (config, tokenizer) = (read("config.json"), read("tokenizer.json"));
            let vocabulary = Vocabulary::Tokenizer(tokenizer);
            let files = Files { config, vocabulary, weights: read("model.safetensors") };
            let session = pollster::block_on(Session::on_cpu(name, files)).unwrap();
            let card = session.card().clone();
            let want = [Hook::Q, Hook::K, Hook::AttnScores, Hook::Pattern, Hook::Mask].into_iter();
            let want = want.flat_map(|hook| (0..card.layers).map(hook)).collect();
            let text = "The children looked at the sky because it was red.".into();
            let run =
                pollster::block_on(session.run(&RunRequest { text, want, ..RunRequest::default() })).unwrap();
            for (layer, head) in
                (0..card.layers).flat_map(|layer| (0..card.heads).map(move |head| (layer, head)))
            {
                for query in 0..run.tokens.len() {
                    let steps = RowSteps::new(&run, HeadIndex { layer, head }, query).unwrap();
                    let size = card.hidden / card.heads;
                    assert_eq!(steps.factor, Factor::RootOf(size), "{name} {layer} {head} {query}");
                    for (dot, score) in steps.dots.iter().zip(&steps.scores) {
                        let scaled = dot / (size as f32).sqrt();
                        assert!(
                            (scaled - score).abs() <= 1e-3 * (1.0 + score.abs()),
                            "{scaled} is not {score}"
                        );
                    }
                    let hidden = steps.weights.iter().zip(&steps.visible).filter(|(_, visible)| !**visible);
                    assert!(hidden.map(|(weight, _)| weight).sum::<f32>() == 0.0);
                }
            }
        }
    }
}
