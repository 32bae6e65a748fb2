//! Sessions on a GPU: the weights go there as they arrive, and are not kept here.

use std::ops::Range;
use std::rc::Rc;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::loader::Engine;
use super::network::{Network, Outcome, Pass, input};
use super::protocol::{EngineKind, Problem, Sampling};
use crate::checkpoint::{Checkpoint, Header};
use crate::gpu::{Drawn, Gpu, GpuError, GpuModel, Input, Loading, Output};
use crate::trace::{Dispatches, WeightType};

/// From so many bytes on a file is kept in eight bits, unless something else is asked for: half of it would still be much.
const LARGE_FILE: u64 = 1 << 30;

impl Engine for Rc<Gpu> {
    type Loading = Loading;

    const KIND: EngineKind = EngineKind::WebGpu;

    fn weights(&self, asked: Option<WeightType>, checkpoint: &Checkpoint, header: &Header) -> WeightType {
        let is_large = header.file_length() > LARGE_FILE;
        asked.unwrap_or(match checkpoint.stored {
            _ if is_large => WeightType::Int8,
            WeightType::F32 => WeightType::F16,
            same => same,
        })
    }

    fn make_room(&self, checkpoint: &Checkpoint, weights: WeightType) -> Result<Loading, Problem> {
        Ok(Loading::new(Rc::clone(self), checkpoint, weights)?)
    }

    fn positions(loading: &Loading) -> usize {
        loading.positions()
    }

    fn take(loading: &mut Loading, key: &str, bytes: &[u8]) -> Result<(), Problem> {
        loading.hear()?;
        Ok(loading.take(key, bytes)?)
    }

    async fn finish(loading: Loading) -> Result<Box<dyn Network>, Problem> {
        Ok(Box::new(loading.finish().await?))
    }
}

impl Network for GpuModel {
    fn run<'a>(&'a self, pass: &'a Pass<'a>) -> LocalBoxFuture<'a, Result<Outcome, Problem>> {
        async move {
            let (ids, segments) = input(pass.tokens);
            let sources: Vec<_> = pass.sources.iter().map(|tokens| input(tokens)).collect();
            let Pass { predict, want, cached, ablate, aside, .. } = *pass;
            let (ids, segments, best) = (&ids, &segments, Some(pass.best));
            let input =
                Input { ids, segments, predict, want, best, cached, ablate, sources: &sources, aside };
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
        draws: Range<usize>,
    ) -> LocalBoxFuture<'a, Result<Vec<Drawn>, Problem>> {
        async move { Ok(GpuModel::decode(self, ids, sampling, draws).await?) }.boxed_local()
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
