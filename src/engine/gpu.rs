//! Sessions on a GPU: the weights go there as they arrive, and are not kept here.

use std::rc::Rc;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::network::{Network, Outcome, Pass, input};
use super::protocol::{EngineKind, Problem, Sampling};
use super::session::{Session, card, tokenizer};
use crate::checkpoint::{Arrived, Checkpoint, CheckpointError, Config, Header, TensorStream};
use crate::gpu::{Drawn, Gpu, GpuError, GpuModel, Input, Loading, Output};
use crate::hub::Vocabulary;
use crate::tokenization::Tokenizer;
use crate::trace::{Dispatches, ModelCard, WeightType};

/// From so many bytes on a file is kept in eight bits, unless something else is asked for.
const LARGE_FILE: u64 = 100 << 20;

/// A checkpoint on its way to a GPU.
pub struct Loader {
    source: String,
    config: Vec<u8>,
    tokenizer: Tokenizer,
    gpu: Rc<Gpu>,
    weights: Option<WeightType>,
    stream: TensorStream,
    model: Option<Arriving>,
}

/// What is known once the weights' header has arrived.
struct Arriving {
    card: ModelCard,
    weights: WeightType,
    stored: WeightType,
    header: Header,
    loading: Loading,
}

impl Loader {
    /// Begins with a checkpoint's settings and vocabulary, and the announced length of its weights. These are kept as
    /// `weights` says; if it says nothing, as in the file, but large ones in eight bits.
    ///
    /// # Errors
    /// Whatever is wrong with one of the files; it is named.
    pub fn new(
        source: &str,
        config: Vec<u8>,
        vocabulary: &Vocabulary,
        announced: Option<u64>,
        gpu: Rc<Gpu>,
        weights: Option<WeightType>,
    ) -> Result<Loader, Problem> {
        Config::parse(&config)?;
        let tokenizer = tokenizer(vocabulary)?;
        let source = source.to_owned();
        let stream = TensorStream::new(announced);
        Ok(Loader { source, config, tokenizer, gpu, weights, stream, model: None })
    }

    /// Takes a piece of the weights' file. What does not fit is known when the first piece was taken.
    ///
    /// # Errors
    /// Whatever is wrong with the file; `gpu-limits` or `gpu-memory` if the model does not fit; `gpu-failed`.
    pub async fn push(&mut self, mut piece: &[u8]) -> Result<(), Problem> {
        while let Some(arrived) = self.stream.push(&mut piece)? {
            match (arrived, &mut self.model) {
                (Arrived::Header(header), _) => {
                    let checkpoint = Checkpoint::read(&self.config, &header)?;
                    let card = card(&self.source, &checkpoint);
                    self.tokenizer.check_vocabulary(card.family, card.vocabulary)?;
                    let weights = self.weights.unwrap_or(weights_of(&checkpoint, &header));
                    let loading = Loading::new(Rc::clone(&self.gpu), &checkpoint, weights).await?;
                    let stored = checkpoint.stored;
                    self.model = Some(Arriving { card, weights, stored, header, loading });
                }
                (Arrived::Tensor(name, bytes), Some(model)) => model.loading.take(name, bytes)?,
                (Arrived::Tensor(..), None) => {}
            }
        }
        Ok(())
    }

    /// The session, when the whole file was taken.
    ///
    /// # Errors
    /// As [`Loader::push`]; `truncated`.
    pub async fn finish(self) -> Result<Session, Problem> {
        let found = self.stream.taken();
        let Some(Arriving { card, weights, stored, header, loading }) = self.model else {
            return Err(CheckpointError::Truncated { expected: found + 1, found }.into());
        };
        header.check_length(found)?;
        let network = Box::new(loading.finish().await?);
        Session::new(card, self.tokenizer, EngineKind::WebGpu, [weights, stored], network)
    }
}

/// How weights are kept where nobody says so.
fn weights_of(checkpoint: &Checkpoint, header: &Header) -> WeightType {
    if header.file_length() > LARGE_FILE { WeightType::Int8 } else { checkpoint.stored }
}

impl Network for GpuModel {
    fn run<'a>(&'a self, pass: &'a Pass<'a>) -> LocalBoxFuture<'a, Result<Outcome, Problem>> {
        async move {
            let (ids, segments) = input(pass.tokens);
            let sources: Vec<_> = pass.sources.iter().map(|tokens| input(tokens)).collect();
            let Pass { predict, want, cached, ablate, .. } = *pass;
            let (ids, segments, best) = (&ids, &segments, Some(pass.best));
            let input = Input { ids, segments, predict, want, best, cached, ablate, sources: &sources };
            let Output { logits, best, next_sentence, activations, computed } =
                GpuModel::run(self, &input).await?;
            Ok(Outcome { logits, best, next_sentence, activations, computed })
        }
        .boxed_local()
    }

    fn decode<'a>(
        &'a self,
        ids: &'a [u32],
        sampling: &'a Sampling,
        uniforms: &'a [f64],
    ) -> LocalBoxFuture<'a, Result<Vec<Drawn>, Problem>> {
        async move { Ok(GpuModel::decode(self, ids, sampling, uniforms).await?) }.boxed_local()
    }

    fn kernels(&self) -> LocalBoxFuture<'_, Result<Dispatches, Problem>> {
        async {
            let detail = "nothing was computed yet; run the model first";
            self.dispatches().await?.ok_or_else(|| Problem::new("no-kernels", detail))
        }
        .boxed_local()
    }
}

impl From<GpuError> for Problem {
    fn from(error: GpuError) -> Problem {
        let detail = error.to_string();
        match error {
            GpuError::NoAdapter => Problem::no_adapter(),
            GpuError::TooLarge { needed, allowed } => {
                Problem::new("gpu-limits", detail).with("needed", needed).with("allowed", allowed)
            }
            GpuError::OutOfMemory { needed } => Problem::new("gpu-memory", detail).with("needed", needed),
            GpuError::Lost(_) => Problem::new("gpu-lost", detail),
            GpuError::NoDevice(_) | GpuError::Failed(_) => Problem::new("gpu-failed", detail),
        }
    }
}
