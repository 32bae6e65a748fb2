//! GPT continues a text: a run, a draw, and again.

use web_time::Instant;

use super::protocol::{GenerateRequest, Problem, RunRequest, Sampling, Step};
use super::session::{Session, TOP_K};
use crate::gpu::{DECODED, Drawn};
use crate::lesson::sampling::sample;
use crate::trace::{Family, Hook, Token};

/// How long the GPU may be busy before something is read, in ms: other requests wait for it, and a browser takes a GPU away that
/// is busy for seconds.
const BUSY: f64 = 100.0;

impl Session {
    /// Draws tokens one after the other; each step computes one position and takes the rest from the KV cache. Where
    /// nothing is to be recorded, an engine that can draws several before it answers.
    ///
    /// # Errors
    /// `bad-request` if the model is no GPT; otherwise as [`Session::run`].
    pub async fn generate(&self, request: &GenerateRequest) -> Result<Vec<Step>, Problem> {
        if self.card().family != Family::Gpt2 {
            return Err(Problem::new("bad-request", "only GPT continues a text; load \"gpt\" first"));
        }
        let start = RunRequest { text: request.text.clone(), ..RunRequest::default() };
        let mut text = Continued {
            session: self,
            tokens: self.tokens(&start)?.0,
            request,
            steps: Vec::new(),
            over: false,
        };
        let mut together = 1;
        while text.goes_on() {
            let started = Instant::now();
            let drawn = if request.want.is_empty() { text.decode(together).await? } else { 0 };
            if drawn == 0 {
                text.step().await?;
            }
            let ms = started.elapsed().as_secs_f64() * 1e3 / drawn.max(1) as f64;
            together = (together * 2).min((BUSY / ms) as usize).clamp(1, DECODED);
        }
        Ok(text.steps)
    }
}

/// A text that is being continued.
struct Continued<'a> {
    session: &'a Session,
    /// The text's own tokens and those that were drawn.
    tokens: Vec<Token>,
    request: &'a GenerateRequest,
    steps: Vec<Step>,
    /// Whether something was drawn that cannot be shown.
    over: bool,
}

impl Continued<'_> {
    /// Whether another token is wanted, there is room for it, and the text is not over.
    fn goes_on(&self) -> bool {
        let Continued { session, tokens, request, steps, over } = self;
        let over = *over || steps.last().is_some_and(|step| Some(step.token.id) == session.end_of_text_id());
        let full = steps.len() >= request.max_new_tokens || tokens.len() >= session.card().positions;
        !over && !full
    }

    fn sampling(&self) -> &Sampling {
        &self.request.sampling
    }

    fn push(&mut self, step: Step) -> bool {
        self.tokens.push(step.token.clone());
        self.steps.push(step);
        self.goes_on()
    }

    /// Lets the engine draw up to `count` tokens at once; how many it drew.
    async fn decode(&mut self, count: usize) -> Result<usize, Problem> {
        let before = self.steps.len();
        let count = count.min(self.request.max_new_tokens - before);
        let started = Instant::now();
        let sampling = self.sampling();
        let drawn = self.session.decode(&self.tokens, sampling, before..before + count).await?;
        let ms = started.elapsed().as_secs_f64() * 1e3 / drawn.len().max(1) as f64;
        for Drawn { id, best } in drawn {
            if !best.finite {
                return Err(self.session.not_finite());
            }
            let Some(token) = self.session.drawn_token(&self.tokens, id, self.request.text.len()) else {
                break;
            };
            let top = self.session.listed(&best, TOP_K);
            if !self.push(Step { token, top, ms, activations: Vec::new() }) {
                break;
            }
        }
        Ok(self.steps.len() - before)
    }

    /// Draws one token by all of its scores.
    async fn step(&mut self) -> Result<(), Problem> {
        let logits_wanted = self.request.want.contains(&Hook::Logits);
        let mut want = self.request.want.clone();
        if !logits_wanted {
            want.push(Hook::Logits);
        }
        let drawn = self.steps.iter().map(|step| step.token.id).collect();
        let text = self.request.text.clone();
        let run = RunRequest { text, drawn, want, cached: true, ..RunRequest::default() };
        let mut run = self.session.run(&run).await?;
        let vocabulary = run.model.vocabulary;
        let logits =
            run.activation(Hook::Logits).map(|recorded| recorded.data.as_slice()).unwrap_or_default();
        let logits = &logits[logits.len().saturating_sub(vocabulary)..];
        let drawn = sample(logits, self.sampling(), self.steps.len());
        // A vocabulary may have more rows than the tokenizer has pieces.
        let token = drawn.and_then(|id| self.session.drawn_token(&run.tokens, id, self.request.text.len()));
        let Some(token) = token else {
            self.over = true;
            return Ok(());
        };
        let top = run.predictions.pop().map(|last| last.top).unwrap_or_default();
        if !logits_wanted {
            run.activations.retain(|activation| activation.hook != Hook::Logits);
        }
        self.push(Step { token, top, ms: run.ms, activations: run.activations });
        Ok(())
    }
}
