//! What GPT computed at the places of "Generate", kept so that going back costs nothing, and the table drawn from it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::figure;
use crate::lesson::sampling::{Considered, Cut};
use crate::trace::{Hook, ModelCard, Run};

/// How many places are kept; one costs 4 bytes a piece of the vocabulary.
const KEPT: usize = 64;

/// The bytes of one cached number: the cache holds f32.
const CACHED_BYTES: usize = 4;

/// What was computed at one place: after a prompt and the tokens that follow it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The ids of the tokens that follow the prompt.
    pub path: Vec<u32>,
    /// The run without its activations.
    pub run: Run,
    /// The scores of what comes next, `[vocabulary]`.
    pub logits: Vec<f32>,
    /// Where the last position looked, `[layer][key]`: the mean over the heads.
    pub attention: Vec<Vec<f32>>,
}

impl Step {
    /// Keeps of a run what the lesson shows; none if its logits were not recorded.
    fn of(path: Vec<u32>, mut run: Run) -> Option<Step> {
        let recorded = run.activation(Hook::Logits)?;
        let vocabulary = *recorded.shape.last()?;
        let logits = recorded.data.chunks_exact(vocabulary.max(1)).next_back()?.to_vec();
        let attention = figure::attention_of(&run, run.computed.saturating_sub(1));
        run.activations.clear();
        Some(Step { path, run, logits, attention })
    }

    /// Whether the text ends here: the last token that was drawn says so.
    pub fn ended(&self) -> bool {
        !self.path.is_empty() && self.run.tokens.last().is_some_and(|token| token.special)
    }

    /// Whether the model can read no further token.
    pub fn full(&self) -> bool {
        self.run.tokens.len() >= self.run.model.positions
    }

    /// How many bytes the keys and values of all positions take.
    pub fn cache_bytes(&self) -> usize {
        self.run.tokens.len() * self.run.model.layers * 2 * self.run.model.hidden * CACHED_BYTES
    }
}

/// The steps of one prompt, and the names of all pieces seen.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    model: Option<ModelCard>,
    text: String,
    kept: VecDeque<Arc<Step>>,
    pieces: HashMap<u32, String>,
}

impl Steps {
    /// What was computed after `text` and the tokens of `path`, if it is kept.
    pub fn at(&self, text: &str, path: &[u32]) -> Option<Arc<Step>> {
        self.kept.iter().filter(|_| text == self.text).find(|step| step.path == path).cloned()
    }

    /// Whether another model than `model` has answered before: its tokens are not this one's.
    pub fn are_of_another(&self, model: &ModelCard) -> bool {
        self.model.as_ref().is_some_and(|known| known != model)
    }

    /// Keeps a run. Those of another prompt or model are forgotten, and the oldest beyond [`KEPT`].
    pub fn keep(&mut self, path: Vec<u32>, run: Run) {
        if self.model.as_ref() != Some(&run.model) {
            self.model = Some(run.model.clone());
            self.pieces.clear();
            self.kept.clear();
        }
        if run.text != self.text {
            self.text.clone_from(&run.text);
            self.kept.clear();
        }
        let listed = run.predictions.iter().flat_map(|prediction| &prediction.top);
        self.pieces.extend(listed.map(|candidate| (candidate.id, candidate.piece.clone())));
        self.pieces.extend(run.tokens.iter().map(|token| (token.id, token.piece.clone())));
        self.kept.retain(|step| step.path != path);
        self.kept.extend(Step::of(path, run).map(Arc::new));
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
    }

    /// How a piece is written, if a run has told.
    pub fn piece(&self, id: u32) -> Option<&str> {
        self.pieces.get(&id).map(String::as_str)
    }

    /// Forgets what was computed, but not how pieces are written: the same model may answer elsewhere.
    pub fn clear(&mut self) {
        self.kept.clear();
    }
}

/// The candidates as a table: the most probable, the one that comes next wherever it ranks, and the others as a sum.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Candidates {
    /// The rows, by falling probability.
    pub rows: Vec<Considered>,
    /// How many others there are.
    pub others: usize,
    /// The probabilities of the others together, before and after.
    pub others_sum: (f32, f32),
    /// How many of the others top-k and top-p cut.
    pub others_cut: (usize, usize),
}

impl Candidates {
    /// The first `count` of a distribution, and `next` if it is not among them.
    pub fn of(distribution: &[Considered], count: usize, next: Option<u32>) -> Candidates {
        let (first, rest) = distribution.split_at(count.min(distribution.len()));
        let mut table = Candidates { rows: first.to_vec(), ..Candidates::default() };
        let mut sums = (0.0, 0.0);
        for candidate in rest {
            if Some(candidate.id) == next {
                table.rows.push(*candidate);
                continue;
            }
            table.others += 1;
            sums.0 += f64::from(candidate.before);
            sums.1 += f64::from(candidate.after);
            match candidate.cut {
                Some(Cut::TopK) => table.others_cut.0 += 1,
                Some(Cut::TopP) => table.others_cut.1 += 1,
                None => {}
            }
        }
        table.others_sum = (sums.0 as f32, sums.1 as f32);
        table
    }

    /// The largest probability shown, before or after: what fills a bar's track.
    pub fn longest(&self) -> f32 {
        let shown = self.rows.iter().flat_map(|row| [row.before, row.after]);
        shown.chain([self.others_sum.0, self.others_sum.1]).fold(f32::MIN_POSITIVE, f32::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::protocol::Sampling;
    use crate::lesson::sampling::distribution;
    use crate::trace::{Activation, Architecture, Candidate, Family, ModelCard, Prediction, Token};

    /// A run on `tokens` tokens, two of them computed, with a vocabulary of 3 and 2 heads.
    fn run(text: &str, tokens: usize) -> Run {
        let token = |id: usize| Token {
            id: id as u32,
            piece: format!("piece {id}"),
            start: 0,
            end: 0,
            word: None,
            special: id == 9,
            segment: 0,
        };
        let pattern = (0..2 * 2 * tokens).map(|i| i as f32).collect();
        Run {
            model: ModelCard {
                source: "gpt".into(),
                family: Family::Gpt2,
                architecture: Architecture::Gpt2,
                layers: 1,
                heads: 2,
                hidden: 8,
                vocabulary: 3,
                positions: 10,
                parameters: 0,
                segments: 2,
                next_sentence: false,
            },
            text: text.into(),
            text_b: None,
            tokens: (0..tokens).map(token).collect(),
            predictions: vec![Prediction {
                position: tokens - 1,
                top: vec![Candidate { id: 70, piece: " seventy".into(), p: 1.0 }],
                watched: None,
            }],
            nsp: None,
            activations: vec![
                Activation { hook: Hook::Pattern(0), shape: vec![2, 2, tokens], data: pattern },
                Activation {
                    hook: Hook::Logits,
                    shape: vec![2, 3],
                    data: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
                },
            ],
            truncated: 0,
            computed: 2,
            ms: 1.0,
        }
    }

    #[test]
    fn of_a_run_the_last_position_is_kept() {
        let mut steps = Steps::default();
        steps.keep(vec![5], run("a", 4));
        let step = steps.at("a", &[5]).unwrap();
        assert_eq!(step.logits, [3.0, 4.0, 5.0]);
        // The second of two computed positions; heads begin at 0 and 8.
        assert_eq!(step.attention, [[8.0, 9.0, 10.0, 11.0]]);
        assert_eq!(step.cache_bytes(), 4 * 2 * 8 * 4);
        assert!(step.run.activations.is_empty() && !step.ended() && !step.full());
        assert_eq!(
            (steps.piece(70), steps.piece(3), steps.piece(71)),
            (Some(" seventy"), Some("piece 3"), None)
        );
    }

    #[test]
    fn another_prompt_or_too_many_places_push_the_old_ones_out() {
        let mut steps = Steps::default();
        for id in 0..=KEPT as u32 {
            steps.keep(vec![id], run("a", 4));
        }
        assert!(steps.at("a", &[0]).is_none() && steps.at("a", &[1]).is_some());
        steps.keep(vec![], run("b", 4));
        assert!(
            steps.at("a", &[1]).is_none() && steps.at("b", &[]).is_some() && steps.at("a", &[]).is_none()
        );
        steps.clear();
        assert!(steps.at("b", &[]).is_none() && steps.piece(70).is_some());
    }

    #[test]
    fn another_model_has_other_pieces() {
        let mut steps = Steps::default();
        steps.keep(vec![], run("a", 4));
        let mut other = run("a", 4);
        other.model.source = "url:https://example.org/".into();
        other.predictions.clear();
        assert!(steps.are_of_another(&other.model) && !steps.are_of_another(&run("a", 4).model));
        steps.keep(vec![5], other);
        assert!(steps.piece(70).is_none() && steps.at("a", &[]).is_none() && steps.at("a", &[5]).is_some());
    }

    #[test]
    fn a_text_ends_at_a_drawn_special_token_and_a_model_is_full_at_its_last_position() {
        let mut steps = Steps::default();
        steps.keep(vec![9], run("a", 10));
        steps.keep(vec![], run("a", 10));
        let (drawn, prompt) = (steps.at("a", &[9]).unwrap(), steps.at("a", &[]).unwrap());
        assert!(drawn.ended() && drawn.full());
        assert!(!prompt.ended(), "a special token of the prompt ends nothing");
    }

    #[test]
    fn the_table_adds_up_and_holds_what_comes_next() {
        let logits: Vec<f32> = (0..20).map(|i| i as f32 * 0.2).collect();
        let all = distribution(&logits, &Sampling { temperature: 1.0, top_k: 15, top_p: 0.8, seed: 0 });
        let next = all[9].id;
        let table = Candidates::of(&all, 8, Some(next));
        assert_eq!((table.rows.len(), table.rows[8].id, table.others), (9, next, 11));
        for (of, others) in [
            (table.rows.iter().map(|row| row.before).sum::<f32>(), table.others_sum.0),
            (table.rows.iter().map(|row| row.after).sum::<f32>(), table.others_sum.1),
        ] {
            assert!((of + others - 1.0).abs() < 1e-5);
        }
        assert_eq!(table.others_cut.0, 5);
        assert!(table.others_cut.1 > 0);
        let first = Candidates::of(&all, 8, Some(all[0].id));
        assert_eq!((first.rows.len(), first.others), (8, 12));
        assert!(first.longest() >= first.others_sum.0 && first.longest() >= all[0].after);
    }
}
