//! A model of either family on one engine: in Burn on the CPU, or as a plan of kernels on the GPU.

use std::cell::RefCell;
use std::rc::Rc;

use burn::tensor::{Device, Tensor};

use super::protocol::Problem;
use crate::checkpoint::{self, Checkpoint};
use crate::gpu::{self, Gpu, GpuError, GpuModel, WeightType};
use crate::models::{Bert, Gpt2, KvCache, Recorder};
use crate::trace::{Ablation, Activation, Dispatches, Hook, Token};

/// The network of a checkpoint.
pub(super) enum Network {
    Cpu(CpuNetwork),
    Gpu(Box<GpuModel>),
}

/// The network in Burn, on the CPU.
pub(super) struct CpuNetwork {
    forward: Forward,
    /// GPT's keys and values of the last run that asked for them.
    cache: RefCell<KvCache>,
}

enum Forward {
    Bert(Box<Bert>),
    Gpt2(Box<Gpt2>),
}

/// What is to be computed.
pub(super) struct Pass<'a> {
    /// The input.
    pub tokens: &'a [Token],
    /// The positions whose logits are wanted.
    pub predict: &'a [u32],
    /// What to record.
    pub want: &'a [Hook],
    /// Reuse what an earlier pass over the same beginning computed (GPT); only the last position's logits are recorded.
    pub cached: bool,
    /// What to leave out or change; with anything in it, `cached` must be false.
    pub ablate: &'a Ablation,
}

/// What came of it.
pub(super) struct Outcome {
    /// `[predicted positions, vocabulary]`; empty without a head.
    pub logits: Vec<f32>,
    /// Is next, is not next; none without the head.
    pub next_sentence: Option<Vec<f32>>,
    /// What was asked for.
    pub activations: Vec<Activation>,
    /// How many positions were computed.
    pub computed: usize,
}

impl Network {
    /// Puts a checkpoint on the CPU.
    pub(super) fn on_cpu(checkpoint: Checkpoint) -> Network {
        let device = Device::flex();
        let forward = match checkpoint.network {
            checkpoint::Network::Bert { config, weights } => {
                Forward::Bert(Box::new(Bert::new(&config, weights, &device)))
            }
            checkpoint::Network::Gpt2 { config, weights } => {
                Forward::Gpt2(Box::new(Gpt2::new(&config, weights, &device)))
            }
        };
        Network::Cpu(CpuNetwork { forward, cache: RefCell::default() })
    }

    /// Puts a checkpoint on a GPU, its weights in half precision if its file keeps them so.
    ///
    /// # Errors
    /// `gpu-limits`, `gpu-memory`, `gpu-failed`.
    pub(super) async fn on_gpu(checkpoint: &Checkpoint, gpu: Rc<Gpu>) -> Result<Network, Problem> {
        let weights = if checkpoint.half_precision { WeightType::F16 } else { WeightType::F32 };
        Ok(Network::Gpu(Box::new(GpuModel::new(gpu, checkpoint, weights).await?)))
    }

    /// Computes one pass.
    ///
    /// # Errors
    /// `gpu-failed` or `gpu-lost` if the GPU fails; `gpu-limits` if more is wanted than it can hold.
    pub(super) async fn run(&self, pass: &Pass<'_>) -> Result<Outcome, Problem> {
        let ids: Vec<u32> = pass.tokens.iter().map(|token| token.id).collect();
        let segments: Vec<u32> = pass.tokens.iter().map(|token| u32::from(token.segment)).collect();
        match self {
            Network::Cpu(network) => network.run(&ids, &segments, pass).await,
            Network::Gpu(model) => {
                let Pass { predict, want, cached, ablate, .. } = *pass;
                let input = gpu::Input { ids: &ids, segments: &segments, predict, want, cached, ablate };
                let gpu::Output { logits, next_sentence, activations, computed } = model.run(&input).await?;
                Ok(Outcome { logits, next_sentence, activations, computed })
            }
        }
    }
}

impl Network {
    /// The dispatches of the last pass.
    ///
    /// # Errors
    /// `no-kernels` on the CPU and before the first pass; `gpu-failed`, `gpu-lost`.
    pub(super) async fn kernels(&self) -> Result<Dispatches, Problem> {
        let none = |detail: &str| Problem::new("no-kernels", detail);
        match self {
            Network::Cpu(_) => Err(none("the processor computes this model; kernels are what a GPU runs")),
            Network::Gpu(model) => {
                model.dispatches().await?.ok_or_else(|| none("nothing was computed yet; run the model first"))
            }
        }
    }
}

impl CpuNetwork {
    async fn run(&self, ids: &[u32], segments: &[u32], pass: &Pass<'_>) -> Result<Outcome, Problem> {
        let mut rec = Recorder::new(pass.want);
        let (logits, next_sentence, computed) = match &self.forward {
            Forward::Bert(bert) => {
                let output = bert.forward(ids, segments, pass.predict, pass.ablate, &mut rec);
                (output.logits, output.next_sentence, ids.len())
            }
            Forward::Gpt2(gpt) => {
                let mut cache =
                    if pass.cached { self.cache.take().rewound_to(ids) } else { KvCache::default() };
                let computed = ids.len() - cache.len();
                let logits = gpt.forward(ids, &mut cache, pass.cached, pass.ablate, &mut rec);
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
        Ok(Outcome { logits, next_sentence: rest.next(), activations, computed })
    }
}

impl From<GpuError> for Problem {
    fn from(error: GpuError) -> Problem {
        let detail = error.to_string();
        match error {
            GpuError::NoAdapter => Problem::new("no-adapter", detail),
            GpuError::TooLarge { needed, allowed } => {
                Problem::new("gpu-limits", detail).with("needed", needed).with("allowed", allowed)
            }
            GpuError::OutOfMemory { needed } => Problem::new("gpu-memory", detail).with("needed", needed),
            GpuError::Lost(_) => Problem::new("gpu-lost", detail),
            GpuError::NoDevice(_) | GpuError::Failed(_) => Problem::new("gpu-failed", detail),
        }
    }
}
