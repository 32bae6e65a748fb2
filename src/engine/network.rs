//! What a session needs of a network, whichever engine computes it.

use std::ops::Range;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::protocol::{Problem, Sampling};
use crate::gpu::{Best, Drawn};
use crate::trace::{Ablation, Activation, Dispatches, Hook, Token};

/// A network of either family on one engine.
pub trait Network {
    /// Computes one pass.
    ///
    /// # Errors
    /// `gpu-failed` or `gpu-lost` if the GPU fails; `gpu-limits` if more is wanted than it can hold.
    fn run<'a>(&'a self, pass: &'a Pass<'a>) -> LocalBoxFuture<'a, Result<Outcome, Problem>>;

    /// Continues `ids` (GPT) by a token for each of `draws`, their numbers, counted from 0. Fewer come if the model is full, and none
    /// where the engine does not draw.
    ///
    /// # Errors
    /// As [`Network::run`].
    fn decode<'a>(
        &'a self,
        _ids: &'a [u32],
        _sampling: &'a Sampling,
        _draws: Range<usize>,
    ) -> LocalBoxFuture<'a, Result<Vec<Drawn>, Problem>> {
        async { Ok(Vec::new()) }.boxed_local()
    }

    /// The dispatches of the last pass.
    ///
    /// # Errors
    /// `no-kernels` on the CPU and before the first pass; `gpu-failed`, `gpu-lost`.
    fn kernels(&self) -> LocalBoxFuture<'_, Result<Dispatches, Problem>>;
}

/// What is to be computed.
pub struct Pass<'a> {
    /// The input.
    pub tokens: &'a [Token],
    /// The positions whose logits are wanted.
    pub predict: &'a [u32],
    /// How many of the best scores of each predicted position are enough.
    pub best: usize,
    /// What to record.
    pub want: &'a [Hook],
    /// Reuse what an earlier pass over the same beginning computed (GPT); only the last position's logits are recorded.
    pub cached: bool,
    /// What to leave out or change; with anything in it, `cached` must be false.
    pub ablate: &'a Ablation,
    /// The inputs of the runs that `ablate` takes hidden states from, one for each.
    pub sources: &'a [Vec<Token>],
    /// Nobody asked for it: [`Network::kernels`] goes on to tell of the pass before.
    pub aside: bool,
}

/// The ids and segments of an input.
pub(super) fn input(tokens: &[Token]) -> (Vec<u32>, Vec<u32>) {
    tokens.iter().map(|token| (token.id, u32::from(token.segment))).unzip()
}

/// What came of it.
pub struct Outcome {
    /// `[predicted positions, vocabulary]`; empty without a head, and where the best are given.
    pub logits: Vec<f32>,
    /// The best for each predicted position, where these are enough and their engine finds them.
    pub best: Vec<Best>,
    /// Is next, is not next; none without the head.
    pub next_sentence: Option<Vec<f32>>,
    /// What was asked for.
    pub activations: Vec<Activation>,
    /// How many positions were computed.
    pub computed: usize,
}
