//! GPT continues a text: a run, a draw, and again.

use super::protocol::{GenerateRequest, Problem, RunRequest, Step};
use super::session::{Session, TOP_K};
use crate::lesson::sampling::{distribution, draw, softmax};
use crate::trace::{Family, Hook};

impl Session {
    /// Draws tokens one after the other; each step computes one position and takes the rest from the KV cache.
    ///
    /// # Errors
    /// `bad-request` if the model is no GPT; otherwise as [`Session::run`].
    pub async fn generate(&self, request: &GenerateRequest) -> Result<Vec<Step>, Problem> {
        if self.card().family != Family::Gpt2 {
            return Err(Problem::new("bad-request", "only GPT continues a text; load \"gpt\" first"));
        }
        let logits_wanted = request.want.contains(&Hook::Logits);
        let mut want = request.want.clone();
        if !logits_wanted {
            want.push(Hook::Logits);
        }
        let mut run_request =
            RunRequest { text: request.text.clone(), want, cached: true, ..RunRequest::default() };
        let mut steps = Vec::new();
        let mut over = false;
        while steps.len() < request.max_new_tokens && !over {
            let mut run = self.run(&run_request).await?;
            let vocabulary = run.model.vocabulary;
            let logits =
                run.activation(Hook::Logits).map(|recorded| recorded.data.as_slice()).unwrap_or_default();
            let logits = &logits[logits.len().saturating_sub(vocabulary)..];
            let considered = distribution(logits, &request.sampling);
            let Some(id) = draw(&considered, &request.sampling, steps.len()) else { break };
            let Some(token) = self.drawn_token(&run.tokens, id, request.text.len()) else { break };
            let top = self.top(&softmax(logits), TOP_K);
            if !logits_wanted {
                run.activations.retain(|activation| activation.hook != Hook::Logits);
            }
            run_request.drawn.push(id);
            steps.push(Step { token, top, ms: run.ms, activations: run.activations });
            over = Some(id) == self.end_of_text_id() || run.tokens.len() + 1 >= run.model.positions;
        }
        Ok(steps)
    }
}
