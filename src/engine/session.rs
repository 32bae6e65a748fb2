//! One loaded model: its tokenizer, its network, and the runs it answers.

use std::ops::Range;

use cloze_arithmetic::sum_of_exponentials;
use web_time::Instant;

use super::check::Reference;
use super::network::{Network, Outcome, Pass, input};
use super::protocol::{Answer, Ask, EngineKind, Problem, RunRequest, Sampling, SelfCheck};
use crate::checkpoint::{self, BertKind, Checkpoint, Gpt2Kind};
use crate::gpu::{Best, Drawn};
use crate::hub::Vocabulary;
use crate::lesson::sampling::softmax;
use crate::tokenization::{TokenizationError, Tokenizer};
use crate::trace::{
    Ablation, Activation, Architecture, Candidate, Dispatches, Embedding, Family, Hook, ModelCard,
    NextSentence, Patch, Prediction, Run, Token, WeightType,
};

/// Candidates listed for a prediction when the request names no number.
pub(super) const TOP_K: usize = 8;

/// A loaded model on one engine.
pub struct Session {
    card: ModelCard,
    tokenizer: Tokenizer,
    engine: EngineKind,
    weights: WeightType,
    /// How the file keeps them.
    file: WeightType,
    network: Box<dyn Network>,
}

impl Session {
    /// A session of a network, with how its weights are kept, and how the file keeps them.
    pub(super) fn new(
        card: ModelCard,
        tokenizer: Tokenizer,
        engine: EngineKind,
        [weights, file]: [WeightType; 2],
        network: Box<dyn Network>,
    ) -> Session {
        Session { card, tokenizer, engine, weights, file, network }
    }

    /// The model's sizes.
    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// Where it computes.
    pub fn engine(&self) -> EngineKind {
        self.engine
    }

    /// How its weights are kept.
    pub fn weights(&self) -> WeightType {
        self.weights
    }

    /// How the file keeps them.
    pub fn stored(&self) -> WeightType {
        self.file
    }

    /// Answers what is asked of a loaded model.
    ///
    /// # Errors
    /// As [`Session::run`], [`Session::kernels`] and [`Session::generate`].
    pub async fn answer(&self, ask: &Ask) -> Result<Answer, Problem> {
        Ok(match ask {
            Ask::Run { run, .. } => Answer::Ran { run: Box::new(self.run(run).await?) },
            Ask::Kernels { .. } => Answer::Kernels { kernels: self.kernels().await? },
            Ask::Generate { generate } => Answer::Generated { steps: self.generate(generate).await? },
            Ask::Load(_) | Ask::Measure { .. } | Ask::Download { .. } | Ask::Stored | Ask::Forget { .. } => {
                Answer::Done
            }
        })
    }

    /// Compares its values with reference values.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn check(&self, reference: &Reference) -> Result<SelfCheck, Problem> {
        let row = self.row(&reference.text, reference.logits.position).await?;
        Ok(reference.compare(&row, self.weights, self.file))
    }

    /// The logits at a position of `text`, or the final hidden state there if the model has no head.
    async fn row(&self, text: &str, position: usize) -> Result<Vec<f32>, Problem> {
        for hook in [Hook::Logits, Hook::FinalHidden] {
            let ask = RunRequest { text: text.to_owned(), want: vec![hook], ..RunRequest::default() };
            let run = self.run_aside(&ask).await?;
            if let Some(Activation { shape, data, .. }) = run.activation(hook) {
                let width = shape.last().copied().unwrap_or(1);
                return Ok(data.chunks(width).nth(position).unwrap_or_default().to_vec());
            }
        }
        Ok(Vec::new())
    }

    /// What the GPU did for the last run: its dispatches, timed where it can be asked for the time.
    ///
    /// # Errors
    /// `no-kernels` if the model computes on the CPU or has not run yet; `gpu-failed`, `gpu-lost`.
    pub async fn kernels(&self) -> Result<Dispatches, Problem> {
        self.network.kernels().await
    }

    /// Runs the model once.
    ///
    /// # Errors
    /// `empty-text`, `too-long`, `unknown-activation`, `bad-request`: the request must be changed. `gpu-failed`,
    /// `gpu-lost`, `gpu-limits`: the GPU is of no use.
    pub async fn run(&self, request: &RunRequest) -> Result<Run, Problem> {
        self.pass(request, false).await
    }

    /// A run that nobody asked for: [`Session::kernels`] goes on to tell of the one before.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub(super) async fn run_aside(&self, request: &RunRequest) -> Result<Run, Problem> {
        self.pass(request, true).await
    }

    async fn pass(&self, request: &RunRequest, aside: bool) -> Result<Run, Problem> {
        let started = Instant::now();
        self.check_hooks(&request.want)?;
        let (tokens, truncated) = self.tokens(request)?;
        self.check_ablation(&request.ablate, tokens.len())?;
        let predict = self.predicted(&tokens);

        let mut ablate = request.ablate.clone();
        let sources = self.sources(&mut ablate.patch, tokens.len())?;
        let ablate = &ablate;
        let cached = request.cached && self.card.family == Family::Gpt2 && ablate.is_empty();
        let want = &request.want;
        let listed = if request.top_k == 0 { TOP_K } else { request.top_k };
        // A piece that is watched may be far from the best.
        let best = if request.watch.is_some() { self.card.vocabulary } else { listed };
        let sources = &sources;
        let pass = Pass { tokens: &tokens, predict: &predict, best, want, cached, ablate, sources, aside };
        let outcome = self.network.run(&pass).await?;
        let scores = finite(&outcome.logits) && outcome.next_sentence.as_deref().is_none_or(finite);
        let best = outcome.best.iter().all(|best| best.finite);
        if !(scores && best && outcome.activations.iter().all(is_computed)) {
            return Err(self.not_finite());
        }
        let predictions = self.predictions(&predict, &outcome, listed, request.watch);
        let nsp = outcome.next_sentence.filter(|_| self.card.next_sentence);

        Ok(Run {
            model: self.card.clone(),
            text: request.text.clone(),
            text_b: request.text_b.clone(),
            predictions,
            nsp: nsp.map(|logits| NextSentence {
                is_next: softmax(&logits).first().copied().unwrap_or_default(),
            }),
            tokens,
            activations: outcome.activations,
            truncated,
            computed: outcome.computed,
            ms: started.elapsed().as_secs_f64() * 1e3,
        })
    }

    /// Refuses hooks that this model does not have.
    fn check_hooks(&self, want: &[Hook]) -> Result<(), Problem> {
        let known = Hook::all(self.card.family, self.card.layers);
        match want.iter().find(|hook| !known.contains(hook)) {
            None => Ok(()),
            Some(hook) => {
                let detail = format!("this model has no activation \"{hook}\"; its layers count from 0");
                Err(Problem::new("unknown-activation", detail).with("name", hook))
            }
        }
    }

    /// Refuses changes of what this model or this input does not have.
    fn check_ablation(&self, ablate: &Ablation, tokens: usize) -> Result<(), Problem> {
        let ModelCard { layers, heads, segments, .. } = self.card;
        let refuse = |detail: String| Err(Problem::new("bad-request", detail));
        if let Some([layer, head]) =
            ablate.heads.iter().find(|[layer, head]| *layer >= layers || *head >= heads)
        {
            return refuse(format!(
                "there is no head {head} in layer {layer}: this model has {layers} layers of {heads} heads, counted from 0"
            ));
        }
        if let Some([query, key]) = ablate.mask.iter().find(|[query, key]| *query >= tokens || *key >= tokens)
        {
            return refuse(format!(
                "the mask has no cell [{query}, {key}]: the input has {tokens} tokens, counted from 0"
            ));
        }
        if segments == 0 && ablate.leaves_out(Embedding::Segment) {
            return refuse("this model has no segment embedding to leave out".to_owned());
        }
        Ok(())
    }

    /// The inputs of the runs that hidden states are taken from; the states are given their first names. Refuses places that
    /// they or this input of `tokens` tokens do not have.
    fn sources(&self, patches: &mut [Patch], tokens: usize) -> Result<Vec<Vec<Token>>, Problem> {
        let known = Hook::all(self.card.family, self.card.layers);
        let source = |patch: &mut Patch| {
            let Patch { hook, position, text, text_b, .. } = patch;
            let Some(state) = hook.state(self.card.layers).filter(|_| known.contains(hook)) else {
                let detail = format!(
                    "\"{hook}\" cannot be patched: take the residual stream of a block, blocks.0.hook_resid_post for \
                     example, or ln_final.hook_normalized"
                );
                return Err(Problem::new("bad-request", detail));
            };
            *hook = state;
            let (text, text_b) = (text.clone(), text_b.clone());
            let (source, _) = self.tokens(&RunRequest { text, text_b, ..RunRequest::default() })?;
            for (position, tokens, which) in
                [(*position, tokens, "the input"), (patch.source(), source.len(), "the patch's text")]
            {
                if position >= tokens {
                    let detail =
                        format!("{which} has no position {position}: it has {tokens} tokens, counted from 0");
                    return Err(Problem::new("bad-request", detail));
                }
            }
            Ok(source)
        };
        patches.iter_mut().map(source).collect()
    }

    /// The tokens the model reads, and how many of the text's were left out.
    pub(super) fn tokens(&self, request: &RunRequest) -> Result<(Vec<Token>, usize), Problem> {
        let most = self.card.positions.min(request.max_tokens.unwrap_or(usize::MAX));
        if request.text.trim().is_empty() {
            return Err(Problem::new("empty-text", "there is no text to run on"));
        }
        if self.card.family == Family::Gpt2 && request.text_b.is_some() {
            return Err(Problem::new("bad-request", "GPT reads one text, not a pair: leave textB out"));
        }
        if self.card.segments == 1 && request.text_b.is_some() {
            let detail = "this model tells no second text from a first: leave textB out";
            return Err(Problem::new("bad-request", detail));
        }
        if self.card.family == Family::Bert && !request.drawn.is_empty() {
            return Err(Problem::new("bad-request", "BERT does not continue a text: leave drawn out"));
        }
        let text_b = request.text_b.as_deref();
        let encoding = self.tokenizer.encode(self.card.family, &request.text, text_b, most)?;
        let mut tokens = encoding.tokens;
        if tokens.len() + request.drawn.len() > most {
            let detail = format!("{} tokens; this model reads {most}", tokens.len() + request.drawn.len());
            let problem = Problem::new("too-long", detail).with("n", tokens.len() + request.drawn.len());
            return Err(problem.with("max", most));
        }
        for &id in &request.drawn {
            let token = self.drawn_token(&tokens, id, request.text.len());
            tokens.push(token.ok_or_else(|| {
                Problem::new("bad-request", format!("{id} in drawn is no token of this model")).with("id", id)
            })?);
        }
        if tokens.is_empty() {
            return Err(Problem::new(
                "bad-request",
                "nothing of the text is read: let maxTokens be 1 or more",
            ));
        }
        Ok((tokens, encoding.truncated))
    }

    /// A token that was drawn after `tokens`, standing at the `end` of the text; none if no token has this id.
    pub(super) fn drawn_token(&self, tokens: &[Token], id: u32, end: usize) -> Option<Token> {
        let piece = self.tokenizer.piece(id)?;
        let special = Some(id) == self.tokenizer.end_of_text_id();
        let last = tokens.iter().filter_map(|token| token.word).max();
        let word = match last {
            Some(last) if piece.starts_with(char::is_whitespace) => last + 1,
            Some(last) => last,
            None => 0,
        };
        Some(Token { id, piece, start: end, end, word: (!special).then_some(word), special, segment: 0 })
    }

    /// The positions whose predictions are listed.
    fn predicted(&self, tokens: &[Token]) -> Vec<u32> {
        match self.card.family {
            Family::Gpt2 => vec![(tokens.len() - 1) as u32],
            Family::Bert => {
                let mask = self.tokenizer.mask_id();
                let masks = tokens.iter().enumerate().filter(|(_, token)| Some(token.id) == mask);
                masks.map(|(position, _)| position as u32).collect()
            }
        }
    }

    /// The `count` most probable pieces for each position, and the probability of the piece that is watched.
    fn predictions(
        &self,
        positions: &[u32],
        outcome: &Outcome,
        count: usize,
        watch: Option<u32>,
    ) -> Vec<Prediction> {
        let of_rows = outcome.logits.chunks(self.card.vocabulary.max(1)).map(|row| {
            let best = largest(row, count.max(1));
            let first = best.first().map_or(0.0, |(_, logit)| *logit);
            let total = sum_of_exponentials(row, first);
            let p = |logit: f32| ((f64::from(logit) - f64::from(first)).exp() / total) as f32;
            let candidates = best.iter().take(count).map(|(id, logit)| self.candidate(*id, p(*logit)));
            (candidates.collect(), watch.and_then(|id| row.get(id as usize)).map(|logit| p(*logit)))
        });
        let of_lists = outcome.best.iter().map(|best| (self.listed(best, count), None));
        let listed = positions.iter().zip(of_rows.chain(of_lists));
        listed
            .map(|(&position, (top, watched))| Prediction { position: position as usize, top, watched })
            .collect()
    }

    /// The `count` most probable pieces of a list.
    pub(super) fn listed(&self, best: &Best, count: usize) -> Vec<Candidate> {
        let candidates = best.candidates.iter().take(count);
        candidates.map(|(id, logit)| self.candidate(*id, best.probability(*logit))).collect()
    }

    /// What is said of what was computed and is no number.
    pub(super) fn not_finite(&self) -> Problem {
        let code = if self.engine == EngineKind::WebGpu { "gpu-failed" } else { "internal" };
        Problem::new(code, "the model computed numbers that are not finite")
    }

    /// Continues tokens by some more, as [`Network::decode`] does.
    pub(super) async fn decode(
        &self,
        tokens: &[Token],
        sampling: &Sampling,
        draws: Range<usize>,
    ) -> Result<Vec<Drawn>, Problem> {
        let (ids, _) = input(tokens);
        self.network.decode(&ids, sampling, draws).await
    }

    fn candidate(&self, id: u32, p: f32) -> Candidate {
        Candidate { id, piece: self.tokenizer.piece(id).unwrap_or_default(), p }
    }

    pub(super) fn end_of_text_id(&self) -> Option<u32> {
        self.tokenizer.end_of_text_id()
    }
}

/// Whether all are finite numbers. It looks at all of them, several at a time, since nearly always they are.
fn finite(values: &[f32]) -> bool {
    values.iter().fold(0, |most: u32, value| most.max(value.abs().to_bits())) < f32::INFINITY.to_bits()
}

/// Whether an activation has numbers that a model can have computed: what a query may not see scores minus infinity.
fn is_computed(activation: &Activation) -> bool {
    match activation.hook {
        Hook::AttnScores(_) => activation.data.iter().all(|score| *score < f32::INFINITY),
        _ => finite(&activation.data),
    }
}

/// Up to so many of the largest are kept in order while the others are looked at.
const FEW: usize = 100;

/// The `count` largest of finite numbers with their places, the largest first; of equals the one that comes first.
fn largest(values: &[f32], count: usize) -> Vec<(u32, f32)> {
    let mut places = (0..).zip(values.iter().copied());
    let falling = |(_, a): &(u32, f32), (_, b): &(u32, f32)| b.total_cmp(a);
    if count > FEW {
        let mut all: Vec<(u32, f32)> = places.collect();
        all.sort_by(falling);
        all.truncate(count);
        return all;
    }
    // One pass over all but the first: nearly all of them are below those that were found before.
    let mut found: Vec<(u32, f32)> = places.by_ref().take(count).collect();
    found.sort_by(falling);
    for (place, value) in places {
        if found.last().is_some_and(|(_, least)| value > *least) {
            found.pop();
            let at = found.partition_point(|(_, other)| *other >= value);
            found.insert(at, (place, value));
        }
    }
    found
}

/// The tokenizer of a vocabulary.
///
/// # Errors
/// Whatever is wrong with its files.
pub(super) fn tokenizer(vocabulary: &Vocabulary) -> Result<Tokenizer, TokenizationError> {
    match vocabulary {
        Vocabulary::Tokenizer(bytes) => Tokenizer::parse(bytes),
        Vocabulary::Pieces { vocab, settings } => Tokenizer::from_pieces(vocab, settings.as_deref()),
        Vocabulary::Merges { vocab, merges, settings } => {
            Tokenizer::from_merges(vocab, merges, settings.as_deref())
        }
    }
}

/// What is known of a checkpoint.
pub(super) fn card(source: &str, checkpoint: &Checkpoint) -> ModelCard {
    let source = source.to_owned();
    let parameters = checkpoint.parameters();
    match &checkpoint.network {
        checkpoint::Network::Bert { config, weights } => ModelCard {
            source,
            family: Family::Bert,
            architecture: match config.kind {
                BertKind::Bert => Architecture::Bert,
                BertKind::DistilBert => Architecture::DistilBert,
                BertKind::Roberta => Architecture::Roberta,
            },
            layers: config.num_hidden_layers,
            heads: config.num_attention_heads,
            hidden: config.hidden_size,
            vocabulary: config.vocab_size,
            positions: config.positions(),
            parameters,
            segments: config.type_vocab_size,
            next_sentence: weights.nsp.is_some(),
        },
        checkpoint::Network::Gpt2 { config, .. } => ModelCard {
            source,
            family: Family::Gpt2,
            architecture: match config.kind {
                Gpt2Kind::Gpt2 => Architecture::Gpt2,
                Gpt2Kind::GptNeo => Architecture::GptNeo,
            },
            layers: config.n_layer,
            heads: config.n_head,
            hidden: config.n_embd,
            vocabulary: config.vocab_size,
            positions: config.n_positions,
            parameters,
            segments: 0,
            next_sentence: false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{finite, is_computed, largest};
    use crate::trace::{Activation, Hook};

    #[test]
    fn what_is_no_number_is_found_wherever_it_stands() {
        let mut values = vec![-1.5, 0.0, f32::MAX, f32::MIN_POSITIVE, -0.0];
        assert!(finite(&values) && finite(&[]));
        for wrong in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for place in 0..values.len() {
                let right = std::mem::replace(&mut values[place], wrong);
                let recorded =
                    |hook| is_computed(&Activation { hook, shape: vec![values.len()], data: values.clone() });
                assert!(!finite(&values) && !recorded(Hook::Z(0)), "{wrong} at {place}");
                assert_eq!(recorded(Hook::AttnScores(0)), wrong == f32::NEG_INFINITY, "{wrong} at {place}");
                values[place] = right;
            }
        }
    }

    #[test]
    fn the_largest_are_those_of_a_whole_sort() {
        let values: Vec<f32> = (0..500).map(|i| ((i * 7919 + 13) % 97) as f32 - 48.0).collect();
        let mut sorted: Vec<(u32, f32)> = (0..).zip(values.iter().copied()).collect();
        sorted.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        for count in [0, 1, 8, 97, 499, 500, usize::MAX] {
            assert_eq!(largest(&values, count), sorted[..count.min(500)], "{count}");
        }
        assert_eq!(largest(&[], 3), []);
    }
}
