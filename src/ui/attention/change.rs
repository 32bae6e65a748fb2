//! What switching heads off does to one probability: whose it is, and which runs tell it.

use crate::engine::protocol::RunRequest;
use crate::trace::{Ablation, Candidate, Family, ModelCard, Run, Token};

/// Why a row has no probability to watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwatched {
    /// No row has: BERT predicts where a token is masked, and none is.
    NoMask,
    /// BERT predicts where a token is masked, and this one is not.
    OtherRow,
    /// GPT predicts the next token, and none follows this one.
    Last,
}

/// Which probability is watched, in a run on a text and with which heads off.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    model: ModelCard,
    text: String,
    max_tokens: usize,
    /// Where the prediction is made.
    position: usize,
    /// The token that follows (GPT). For BERT it is the one that ranks first while all heads are on.
    next: Option<Token>,
    /// The heads that are off, `[layer, head]`.
    heads: Vec<[usize; 2]>,
}

impl Watch {
    /// What is watched when the row `query` of `run` is looked at: BERT's own answer to its mask, or the token that
    /// follows GPT's. The run was cut after `most` tokens.
    ///
    /// # Errors
    /// Why this row has nothing to watch.
    pub fn new(run: &Run, query: usize, heads: Vec<[usize; 2]>, most: usize) -> Result<Watch, Unwatched> {
        let (next, max_tokens) = match run.model.family {
            Family::Gpt2 => {
                // The text is cut after the query, so that the last prediction is the query's.
                let next = run.tokens.get(query + 1).cloned().ok_or(Unwatched::Last)?;
                (Some(next), query + 1)
            }
            Family::Bert if run.predictions.is_empty() => return Err(Unwatched::NoMask),
            Family::Bert if run.predictions.iter().all(|at| at.position != query) => {
                return Err(Unwatched::OtherRow);
            }
            Family::Bert => (None, most),
        };
        let (model, text) = (run.model.clone(), run.text.clone());
        Ok(Watch { model, text, max_tokens, position: query, next, heads })
    }

    /// The run with all heads on.
    pub fn plain(&self) -> RunRequest {
        RunRequest {
            text: self.text.clone(),
            max_tokens: Some(self.max_tokens),
            top_k: 1,
            watch: self.next.as_ref().map(|token| token.id),
            ..RunRequest::default()
        }
    }

    /// The run without the heads, which tells the probability of `expected`.
    pub fn ablated(&self, expected: &Candidate) -> RunRequest {
        let ablate = Ablation { heads: self.heads.clone(), ..Ablation::default() };
        RunRequest { watch: Some(expected.id), ablate, ..self.plain() }
    }

    /// The watched piece with its probability while all heads are on; none if the run `plain`, which has all heads on,
    /// does not tell it.
    pub fn expected(&self, plain: &Run) -> Option<Candidate> {
        if plain.model != self.model || plain.text != self.text {
            return None;
        }
        let found = plain.predictions.iter().find(|found| found.position == self.position)?;
        match &self.next {
            Some(Token { id, piece, .. }) => {
                Some(Candidate { id: *id, piece: piece.clone(), p: found.watched? })
            }
            None => found.top.first().cloned(),
        }
    }

    /// What the run without the heads says of `expected`.
    pub fn change(&self, expected: Candidate, ablated: &Run) -> Option<Change> {
        let found = ablated.predictions.iter().find(|found| found.position == self.position)?;
        Some(Change { after: found.watched?, piece: expected.piece, before: expected.p })
    }
}

/// A probability with all heads on, and without some.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The piece whose probability it is.
    pub piece: String,
    /// With all heads on, 0 to 1.
    pub before: f32,
    /// Without those that are off, 0 to 1.
    pub after: f32,
}

#[cfg(test)]
mod tests {
    use super::super::map::tests::run;
    use super::*;
    use crate::trace::Prediction;

    const MOST: usize = 64;

    fn prediction(position: usize, watched: Option<f32>) -> Prediction {
        let top = vec![Candidate { id: 7, piece: "her".into(), p: 0.6 }];
        Prediction { position, top, watched }
    }

    fn bert() -> Run {
        let mut run =
            run("a [MASK]", Family::Bert, &[("[CLS]", 0..0), ("a", 0..1), ("[MASK]", 2..8), ("[SEP]", 0..0)]);
        run.predictions = vec![prediction(2, None)];
        run
    }

    fn gpt() -> Run {
        let mut run = run("a b c", Family::Gpt2, &[("a", 0..1), (" b", 1..3), (" c", 3..5)]);
        run.tokens[1].id = 5;
        run.predictions = vec![prediction(2, None)];
        run
    }

    #[test]
    fn a_row_without_a_prediction_says_why() {
        let why = |run: &Run, query| Watch::new(run, query, Vec::new(), MOST).err();
        assert_eq!(why(&bert(), 1), Some(Unwatched::OtherRow));
        assert_eq!(why(&bert(), 2), None);
        assert_eq!(why(&Run { predictions: Vec::new(), ..bert() }, 1), Some(Unwatched::NoMask));
        assert_eq!(why(&gpt(), 2), Some(Unwatched::Last));
        assert_eq!(why(&gpt(), 0), None);
    }

    #[test]
    fn bert_watches_what_it_would_put_in_the_blank() {
        let watch = Watch::new(&bert(), 2, vec![[0, 1]], MOST).unwrap();
        // The ordinary run tells what it expects, so no other is needed.
        let expected = watch.expected(&bert()).unwrap();
        let request = watch.ablated(&expected);
        assert_eq!((request.watch, request.max_tokens), (Some(7), Some(MOST)));
        assert_eq!(request.ablate.heads, [[0, 1]]);
        let ablated = Run { predictions: vec![prediction(2, Some(0.25))], ..bert() };
        let change = watch.change(expected, &ablated);
        assert_eq!(change, Some(Change { piece: "her".into(), before: 0.6, after: 0.25 }));
    }

    #[test]
    fn gpt_watches_the_token_that_follows() {
        let watch = Watch::new(&gpt(), 0, vec![[0, 1]], MOST).unwrap();
        let plain = watch.plain();
        assert_eq!((plain.watch, plain.max_tokens, plain.ablate.is_empty()), (Some(5), Some(1), true));
        // The ordinary run predicts what follows the whole text.
        assert_eq!(watch.expected(&gpt()), None);
        let cut = Run { predictions: vec![prediction(0, Some(0.5))], ..gpt() };
        let expected = watch.expected(&cut).unwrap();
        assert_eq!((expected.piece.as_str(), expected.p), (" b", 0.5));
        assert_eq!(watch.ablated(&expected).max_tokens, Some(1));
    }

    #[test]
    fn another_text_or_model_tells_nothing() {
        let watch = Watch::new(&bert(), 2, Vec::new(), MOST).unwrap();
        assert_eq!(watch.expected(&Run { text: "b [MASK]".into(), ..bert() }), None);
        let mut other = bert();
        other.model.source = "url:https://example.org/".into();
        assert_eq!(watch.expected(&other), None);
    }
}
