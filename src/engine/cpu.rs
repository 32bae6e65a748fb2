//! Sessions on the CPU: the network in Burn, with all weights in memory.

use std::cell::RefCell;

use burn::tensor::{Device, Tensor};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::loader::{Engine, Loader};
use super::network::{Network, Outcome, Pass, input};
use super::protocol::{EngineKind, Problem};
use super::session::Session;
use crate::checkpoint::{self, Checkpoint, Header};
use crate::hub::Files;
use crate::models::{Bert, Gpt2, KvCache, Recorder, Weights};
use crate::trace::{Ablation, Activation, Dispatches, Patch, Token, WeightType};

/// The network in Burn.
struct CpuNetwork {
    forward: Forward,
    /// GPT's keys and values of the last run that asked for them.
    cache: RefCell<KvCache>,
}

enum Forward {
    Bert(Box<Bert>),
    Gpt2(Box<Gpt2>),
}

/// The processor.
pub struct Cpu;

/// A network whose weights are arriving.
pub struct Loading {
    checkpoint: Checkpoint,
    weights: Weights,
}

impl Engine for Cpu {
    type Loading = Loading;

    const KIND: EngineKind = EngineKind::Cpu;

    fn weights(&self, _: Option<WeightType>, _: &Checkpoint, _: &Header) -> WeightType {
        WeightType::F32
    }

    fn make_room(&self, checkpoint: &Checkpoint, _: WeightType) -> Result<Loading, Problem> {
        let weights = Weights::new(checkpoint, &Device::flex())?;
        Ok(Loading { checkpoint: checkpoint.clone(), weights })
    }

    fn positions(_: &Loading) -> usize {
        usize::MAX
    }

    fn take(loading: &mut Loading, key: &str, bytes: &[u8]) -> Result<(), Problem> {
        Ok(loading.weights.take(key, bytes)?)
    }

    async fn finish(loading: Loading) -> Result<Box<dyn Network>, Problem> {
        let Loading { checkpoint, weights: arrived } = loading;
        let forward = match &checkpoint.network {
            checkpoint::Network::Bert { config, weights } => {
                Forward::Bert(Box::new(Bert::new(config, weights, &arrived)?))
            }
            checkpoint::Network::Gpt2 { config, weights } => {
                Forward::Gpt2(Box::new(Gpt2::new(config, weights, &arrived)?))
            }
        };
        Ok(Box::new(CpuNetwork { forward, cache: RefCell::default() }))
    }
}

impl Session {
    /// A session on the CPU from files that are all here.
    ///
    /// # Errors
    /// Whatever is wrong with one of the files; it is named.
    pub async fn on_cpu(source: &str, files: Files) -> Result<Session, Problem> {
        let Files { config, vocabulary, weights } = files;
        let mut loader = Loader::new(source, config, vocabulary, Some(weights.len() as u64), Cpu, None)?;
        loader.push(&weights)?;
        loader.finish().await
    }
}

impl CpuNetwork {
    /// The hidden state that a patch takes from another run.
    async fn row(&self, patch: &Patch, tokens: &[Token]) -> Result<Vec<f32>, Problem> {
        let want = [patch.hook];
        let ablate = &Ablation::default();
        let pass = Pass {
            tokens,
            predict: &[0],
            best: 0,
            want: &want,
            cached: false,
            ablate,
            sources: &[],
            aside: false,
        };
        let outcome = self.pass(&pass).boxed_local().await?;
        let recorded = outcome.activations.into_iter().next();
        let row = recorded.and_then(|Activation { shape, data, .. }| {
            Some(data.chunks(*shape.last()?).nth(patch.source())?.to_vec())
        });
        row.ok_or_else(|| Problem::new("internal", "the hidden state was not recorded"))
    }

    async fn pass(&self, pass: &Pass<'_>) -> Result<Outcome, Problem> {
        let (ids, segments) = input(pass.tokens);
        let mut rec = Recorder::new(pass.want);
        for (patch, tokens) in pass.ablate.patch.iter().zip(pass.sources) {
            let row = self.row(patch, tokens).await?;
            rec.patch(patch.hook, patch.position, row);
        }
        let (logits, next_sentence, computed) = match &self.forward {
            Forward::Bert(bert) => {
                let output = bert.forward(&ids, &segments, pass.predict, pass.ablate, &mut rec);
                (output.logits, output.next_sentence, ids.len())
            }
            Forward::Gpt2(gpt) => {
                let mut cache =
                    if pass.cached { self.cache.take().rewound_to(&ids) } else { KvCache::default() };
                let computed = ids.len() - cache.len();
                let logits = gpt.forward(&ids, &mut cache, pass.cached, pass.ablate, &mut rec);
                if pass.cached {
                    self.cache.replace(cache);
                }
                (Some(logits), None, computed)
            }
        };
        let has_logits = logits.is_some();
        let flat = |logits: Tensor<2>| -> Tensor<1> {
            let [rows, columns] = logits.dims();
            logits.reshape([rows * columns])
        };
        let more = logits.map(flat).into_iter().chain(next_sentence).collect();
        let (activations, rest) = rec.read(more).await.map_err(|why| Problem::new("internal", why))?;
        let mut rest = rest.into_iter();
        let logits = if has_logits { rest.next().unwrap_or_default() } else { Vec::new() };
        Ok(Outcome { logits, best: Vec::new(), next_sentence: rest.next(), activations, computed })
    }
}

impl Network for CpuNetwork {
    fn run<'a>(&'a self, pass: &'a Pass<'a>) -> LocalBoxFuture<'a, Result<Outcome, Problem>> {
        self.pass(pass).boxed_local()
    }

    fn kernels(&self) -> LocalBoxFuture<'_, Result<Dispatches, Problem>> {
        let detail = "the processor computes this model; kernels are what a GPU runs";
        async move { Err(Problem::new("no-kernels", detail)) }.boxed_local()
    }
}
