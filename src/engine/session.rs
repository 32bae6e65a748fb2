//! One loaded model: its tokenizer, its network, and the runs it answers.

use std::cell::RefCell;
use std::rc::Rc;

use web_time::Instant;

use super::check::{Expected, Reference};
use super::network::{Network, Pass};
use super::protocol::{EngineKind, Problem, RunRequest, SelfCheck};
use crate::checkpoint::{self, Checkpoint};
use crate::gpu::Gpu;
use crate::hub::Files;
use crate::lesson::sampling::softmax;
use crate::tokenization::Tokenizer;
use crate::trace::{
    Ablation, Candidate, Dispatches, Embedding, Family, Hook, ModelCard, NextSentence, Prediction, Run, Token,
};

/// Candidates listed for a prediction when the request names no number.
pub(super) const TOP_K: usize = 8;

/// What a model without stored reference values is checked on.
const CHECK_TEXT: &str = "The cat sat on the mat.";

/// A loaded model. It computes on the CPU, and on a GPU after [`Session::move_to_gpu`].
pub struct Session {
    card: ModelCard,
    tokenizer: Tokenizer,
    cpu: Rc<Network>,
    gpu: RefCell<Option<Rc<Network>>>,
    /// Why the GPU was left, if it was.
    fault: RefCell<Option<Problem>>,
}

impl Session {
    /// Reads a checkpoint's files and puts the network on the CPU.
    ///
    /// # Errors
    /// Whatever is wrong with one of the files; it is named.
    pub fn new(source: &str, files: &Files) -> Result<Session, Problem> {
        let checkpoint = checkpoint::load(&files.config, files.weights.clone())?;
        let tokenizer = Tokenizer::parse(&files.tokenizer)?;
        let card = card(source, &checkpoint);
        tokenizer.check_vocabulary(card.family, card.vocabulary)?;
        Ok(Session {
            card,
            tokenizer,
            cpu: Rc::new(Network::on_cpu(checkpoint)),
            gpu: RefCell::default(),
            fault: RefCell::default(),
        })
    }

    /// The model's sizes.
    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// Where it computes now.
    pub fn engine(&self) -> EngineKind {
        if self.gpu.borrow().is_some() { EngineKind::WebGpu } else { EngineKind::Cpu }
    }

    /// Why the GPU was left during a run, if it was.
    pub fn fault(&self) -> Option<Problem> {
        self.fault.borrow().clone()
    }

    /// Puts the network on a GPU and compares its values with the reference; on success it computes there from now
    /// on, else it stays on the CPU.
    ///
    /// # Errors
    /// `gpu-limits` if the model does not fit, `gpu-failed` if it cannot compute there at all, `self-check-failed` if it
    /// computes wrong numbers.
    pub async fn move_to_gpu(
        &self,
        files: &Files,
        gpu: Rc<Gpu>,
        reference: &Reference,
    ) -> Result<SelfCheck, Problem> {
        let checkpoint = checkpoint::load(&files.config, files.weights.clone())?;
        let network = Rc::new(Network::on_gpu(&checkpoint, gpu).await?);
        let check = self.check_on(&network, reference).await?;
        if !check.ok {
            let detail = format!("the GPU's numbers differ from the reference by {}", check.max_abs_diff);
            return Err(Problem::new("self-check-failed", detail).with("diff", check.max_abs_diff));
        }
        *self.gpu.borrow_mut() = Some(network);
        Ok(check)
    }

    /// Computes on the CPU from now on, unless another GPU has taken over from `gpu` already.
    fn leave_gpu(&self, gpu: &Rc<Network>, why: Problem) {
        let mut current = self.gpu.borrow_mut();
        if current.as_ref().is_some_and(|current| Rc::ptr_eq(current, gpu)) {
            *current = None;
            *self.fault.borrow_mut() = Some(why);
        }
    }

    /// Compares the values of the engine that computes now with the reference.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn check(&self, reference: &Reference) -> Result<SelfCheck, Problem> {
        self.check_on(&self.network(), reference).await
    }

    /// Reference values for a model that brings none: those of the CPU path.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn own_reference(&self) -> Result<Reference, Problem> {
        let position = 1;
        let values = self.row(&self.cpu, CHECK_TEXT, position).await?;
        let ids = (0..values.len()).collect();
        Ok(Reference { text: CHECK_TEXT.to_owned(), logits: Expected { position, ids, values } })
    }

    async fn check_on(&self, network: &Rc<Network>, reference: &Reference) -> Result<SelfCheck, Problem> {
        let row = self.row(network, &reference.text, reference.logits.position).await?;
        Ok(reference.compare(&row))
    }

    /// The logits at a position of `text`, or the final hidden state there if the model has no head.
    async fn row(&self, network: &Rc<Network>, text: &str, position: usize) -> Result<Vec<f32>, Problem> {
        let want = vec![Hook::Logits, Hook::FinalHidden];
        let request = RunRequest { text: text.to_owned(), want, ..RunRequest::default() };
        let run = self.run_on(network, &request).await?;
        let row =
            run.activation(Hook::Logits).or_else(|| run.activation(Hook::FinalHidden)).and_then(|recorded| {
                let width = *recorded.shape.last()?;
                recorded.data.chunks(width).nth(position)
            });
        Ok(row.unwrap_or_default().to_vec())
    }

    /// Runs the model once. If the GPU fails it is left, and the run is done on the CPU.
    ///
    /// # Errors
    /// `empty-text`, `too-long`, `unknown-activation`, `bad-request`: the request must be changed.
    pub async fn run(&self, request: &RunRequest) -> Result<Run, Problem> {
        let network = self.network();
        match self.run_on(&network, request).await {
            // Several runs may wait on a GPU when it fails; each is done again.
            Err(problem) if problem.code.starts_with("gpu-") && !Rc::ptr_eq(&network, &self.cpu) => {
                self.leave_gpu(&network, problem);
                self.run_on(&self.cpu, request).await
            }
            outcome => outcome,
        }
    }

    /// What the GPU did for the last run: its dispatches, timed where it can be asked for the time.
    ///
    /// # Errors
    /// `no-kernels` if the model computes on the CPU or has not run yet; `gpu-failed`, `gpu-lost`.
    pub async fn kernels(&self) -> Result<Dispatches, Problem> {
        self.network().kernels().await
    }

    fn network(&self) -> Rc<Network> {
        self.gpu.borrow().clone().unwrap_or_else(|| Rc::clone(&self.cpu))
    }

    async fn run_on(&self, network: &Rc<Network>, request: &RunRequest) -> Result<Run, Problem> {
        let started = Instant::now();
        self.check_hooks(&request.want)?;
        let (tokens, truncated) = self.tokens(request)?;
        self.check_ablation(&request.ablate, tokens.len())?;
        let predict = self.predicted(&tokens);

        let ablate = &request.ablate;
        let cached = request.cached && self.card.family == Family::Gpt2 && ablate.is_empty();
        let pass = Pass { tokens: &tokens, predict: &predict, want: &request.want, cached, ablate };
        let outcome = network.run(&pass).await?;
        let scores = outcome.logits.iter().chain(outcome.next_sentence.iter().flatten());
        if scores.into_iter().any(|score| !score.is_finite()) {
            return Err(Problem::new("gpu-failed", "the model's scores are not finite numbers"));
        }
        let nsp = outcome.next_sentence.filter(|_| self.card.next_sentence);

        Ok(Run {
            model: self.card.clone(),
            text: request.text.clone(),
            text_b: request.text_b.clone(),
            predictions: self.predictions(&predict, &outcome.logits, request),
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
        let ModelCard { layers, heads, family, .. } = self.card;
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
        if family == Family::Gpt2 && ablate.leaves_out(Embedding::Segment) {
            return refuse("GPT has no segment embedding to leave out".to_owned());
        }
        Ok(())
    }

    /// The tokens the model reads, and how many of the text's were left out.
    fn tokens(&self, request: &RunRequest) -> Result<(Vec<Token>, usize), Problem> {
        let most = self.card.positions.min(request.max_tokens.unwrap_or(usize::MAX));
        if request.text.trim().is_empty() {
            return Err(Problem::new("empty-text", "there is no text to run on"));
        }
        if self.card.family == Family::Gpt2 && request.text_b.is_some() {
            return Err(Problem::new("bad-request", "GPT reads one text, not a pair: leave textB out"));
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

    fn predictions(&self, positions: &[u32], logits: &[f32], request: &RunRequest) -> Vec<Prediction> {
        let rows = logits.chunks(self.card.vocabulary.max(1));
        let count = if request.top_k == 0 { TOP_K } else { request.top_k };
        let listed = positions.iter().zip(rows).map(|(&position, row)| {
            let probabilities = softmax(row);
            let watched = request.watch.and_then(|id| probabilities.get(id as usize).copied());
            Prediction { position: position as usize, top: self.top(&probabilities, count), watched }
        });
        listed.collect()
    }

    /// The `count` most probable pieces; of equals the one with the lower id comes first.
    pub(super) fn top(&self, probabilities: &[f32], count: usize) -> Vec<Candidate> {
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        let falling = |a: &usize, b: &usize| probabilities[*b].total_cmp(&probabilities[*a]).then(a.cmp(b));
        if count < order.len() {
            order.select_nth_unstable_by(count, falling);
            order.truncate(count);
        }
        order.sort_unstable_by(falling);
        order.into_iter().map(|id| self.candidate(id as u32, probabilities[id])).collect()
    }

    fn candidate(&self, id: u32, p: f32) -> Candidate {
        Candidate { id, piece: self.tokenizer.piece(id).unwrap_or_default(), p }
    }

    pub(super) fn end_of_text_id(&self) -> Option<u32> {
        self.tokenizer.end_of_text_id()
    }
}

fn card(source: &str, checkpoint: &Checkpoint) -> ModelCard {
    let source = source.to_owned();
    let parameters = checkpoint.parameters;
    match &checkpoint.network {
        checkpoint::Network::Bert { config, weights } => ModelCard {
            source,
            family: Family::Bert,
            layers: config.num_hidden_layers,
            heads: config.num_attention_heads,
            hidden: config.hidden_size,
            vocabulary: config.vocab_size,
            positions: config.max_position_embeddings,
            parameters,
            next_sentence: weights.nsp.is_some(),
        },
        checkpoint::Network::Gpt2 { config, .. } => ModelCard {
            source,
            family: Family::Gpt2,
            layers: config.n_layer,
            heads: config.n_head,
            hidden: config.n_embd,
            vocabulary: config.vocab_size,
            positions: config.n_positions,
            parameters,
            next_sentence: false,
        },
    }
}
