//! The messages between the page and the engine's worker: plain serde types.
//!
//! A message is JSON text, an enum in serde's own form (`{"run": {…}}`: the reader then knows the type before the value,
//! which spares the page a tenth of its program); the values of activations travel beside it as one `Float32Array`, each activation's
//! values after the last one's, in the order in which the message lists them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::trace::{
    Ablation, Activation, Candidate, Dispatches, Family, Hook, ModelCard, Run, Token, WeightType,
};

/// A numbered question of the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Echoed in the [`Reply`].
    pub id: u32,
    /// What is asked.
    pub ask: Ask,
}

/// What the page may ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ask {
    /// Load a checkpoint; it then answers for its family.
    Load(Load),
    /// Measure what the weights of a family's model lose by the type that they are kept in. The model is loaded once more for
    /// that, in full.
    Measure {
        /// Which of the loaded models.
        family: Family,
    },
    /// Do something with a download that goes on; nothing happens if there is none.
    Download {
        /// What is being loaded.
        source: String,
        /// What to do with it.
        act: Act,
    },
    /// Which checkpoints the browser keeps.
    Stored,
    /// Keep a checkpoint no longer.
    Forget {
        /// Its source; all of them if none is named.
        source: Option<String>,
    },
    /// Run the loaded model of a family once.
    Run {
        /// Which of the loaded models.
        family: Family,
        /// On what, and what to record.
        run: RunRequest,
    },
    /// What the GPU did for the last run of a family's model. It is done once more for that, and timed.
    Kernels {
        /// Which of the loaded models.
        family: Family,
    },
    /// Continue a text with the loaded GPT.
    Generate {
        /// From what, how far and how.
        generate: GenerateRequest,
    },
}

impl Ask {
    /// The family whose model answers; none if it is about loading.
    pub fn family(&self) -> Option<Family> {
        match self {
            Ask::Load(_) | Ask::Download { .. } | Ask::Stored | Ask::Forget { .. } => None,
            Ask::Run { family, .. } | Ask::Kernels { family } | Ask::Measure { family } => Some(*family),
            Ask::Generate { .. } => Some(Family::Gpt2),
        }
    }
}

/// Which checkpoint to load, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Load {
    /// `bert`, `gpt`, `hf:<owner>/<name>[@<revision>]`, `url:<base>/` or `files:<name>`.
    pub source: String,
    /// Insist on an engine; otherwise WebGPU where it is there and right, else the CPU.
    pub engine: Option<EngineKind>,
    /// How to keep the weights on the GPU; otherwise in half precision, in 8 bits where the file has them so or is large.
    pub weights: Option<WeightType>,
    /// The address of the hub; otherwise Hugging Face's.
    pub hub: Option<String>,
    /// Of files of the reader's, by name: the addresses (`blob:`) under which this browser gives their bytes.
    pub files: BTreeMap<String, String>,
    /// Between the workers: why the CPU is asked.
    pub instead: Option<Instead>,
    /// Whether somebody chose the model; otherwise it is what a lesson begins with.
    pub chosen: bool,
    /// Between the workers: how many loads were asked for before. Of two models of a family the later one stays, whichever
    /// arrives first, but for one that was chosen before a lesson asked for its own.
    pub order: Option<u32>,
}

/// What can be done with a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// Let it wait.
    Pause,
    /// Let it go on.
    Resume,
    /// Give it up. What has arrived is kept, so that it goes on there when it is loaded again.
    Cancel,
}

/// A checkpoint that the browser keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredModel {
    /// What to load it by.
    pub source: String,
    /// The hub that it came from.
    pub hub: Option<String>,
    /// The commit there.
    pub commit: Option<String>,
    /// Its length, in bytes.
    pub bytes: u64,
    /// Whether all of it is there.
    pub complete: bool,
}

/// What the CPU's worker is told of the GPU that it stands in for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instead {
    /// Why the GPU does not compute.
    pub reason: Problem,
    /// Its name, where there is one.
    pub adapter: Option<String>,
    /// Whether it is software.
    pub software: bool,
}

/// One run of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RunRequest {
    /// The sentence. `[MASK]` in it is the mask token.
    pub text: String,
    /// A second sentence, for BERT.
    pub text_b: Option<String>,
    /// Token ids that follow the text, for GPT: the pieces drawn so far. They are appended, never tokenized again.
    pub drawn: Vec<u32>,
    /// Names of activations to record.
    pub want: Vec<Hook>,
    /// How many candidates to list for each prediction; 0 means 8.
    pub top_k: usize,
    /// A piece whose probability is told at each prediction, wherever it ranks there.
    pub watch: Option<u32>,
    /// Read at most this many tokens, special tokens included; the model's own limit if none.
    pub max_tokens: Option<usize>,
    /// Reuse keys and values of an earlier run that began with the same tokens (GPT). Activations then cover
    /// only the positions that were computed: their query and position axes are shorter.
    pub cached: bool,
    /// What to leave out or change. Such a run takes nothing from an earlier one.
    pub ablate: Ablation,
}

/// How a token is chosen from the probabilities (temperature, then top-k, then top-p, then rescaling).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Sampling {
    /// Divides the logits; 0 takes the most probable token.
    pub temperature: f32,
    /// Keep only this many candidates; 0 keeps all.
    pub top_k: usize,
    /// Keep the fewest candidates that reach this probability together; 1 keeps all.
    pub top_p: f32,
    /// The same seed draws the same tokens.
    pub seed: u32,
}

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, seed: 0 }
    }
}

/// A text to continue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GenerateRequest {
    /// The prompt.
    pub text: String,
    /// How many tokens to draw at most; generation ends sooner at the end-of-text token or when the model is full.
    pub max_new_tokens: usize,
    /// How to draw them.
    pub sampling: Sampling,
    /// Names of activations to record at every step.
    pub want: Vec<Hook>,
}

/// The engine's answer to the request with the same number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The request's number.
    pub id: u32,
    /// What came of it.
    pub outcome: Result<Answer, Problem>,
}

/// What the engine may answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// The model is loaded and checked.
    Loaded {
        /// Its sizes.
        model: ModelCard,
    },
    /// Nothing is to be said.
    Done,
    /// The weights' type was compared with the file's.
    Measured {
        /// What it changes; none where the weights are kept as the file has them.
        effect: Option<RoundingEffect>,
    },
    /// The checkpoints that the browser keeps.
    Stored {
        /// Those used last first.
        models: Vec<StoredModel>,
    },
    /// The run is done.
    Ran {
        /// What it produced.
        run: Box<Run>,
    },
    /// What the GPU did.
    Kernels {
        /// Its dispatches.
        kernels: Dispatches,
    },
    /// The text was continued.
    Generated {
        /// One entry a token.
        steps: Vec<Step>,
    },
}

/// One drawn token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The token that was drawn.
    pub token: Token,
    /// What the model considered, before temperature and cuts, most probable first.
    pub top: Vec<Candidate>,
    /// Wall time of this step, in ms.
    pub ms: f64,
    /// What was asked for; its position axes have length 1 after the first step.
    pub activations: Vec<Activation>,
}

/// What the worker says without being asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum News {
    /// The worker runs and takes requests.
    Ready,
    /// A download goes on.
    Progress {
        /// What is being loaded.
        source: String,
        /// The file that is arriving.
        file: String,
        /// Bytes that have arrived, of all files together.
        loaded: u64,
        /// Bytes expected in all, where the server says so.
        total: Option<u64>,
        /// Bytes that came over the network in a second, lately; none while too little is known.
        per_second: Option<f64>,
        /// Why it is not on its way to the GPU, where the GPU could not take it.
        reason: Option<Problem>,
    },
    /// The worker cannot go on; the page starts another.
    Stopped {
        /// Why.
        problem: Problem,
    },
    /// Something about a model's engine changed.
    Status {
        /// All that is known now.
        status: Box<EngineStatus>,
    },
}

/// What the worker sends: an answer, or news.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FromEngine {
    /// To a request.
    Reply(Reply),
    /// Unasked.
    News(News),
}

/// Where a model computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// The reader's GPU, through WebGPU.
    WebGpu,
    /// The processor.
    Cpu,
}

/// Where a loaded model computes, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineStatus {
    /// The model.
    pub model: ModelCard,
    /// Where it computes now.
    pub engine: EngineKind,
    /// How it keeps the weights.
    pub weights: WeightType,
    /// Whether the choice is final; before that the self-check runs, and may yet say no.
    pub settled: bool,
    /// The adapter as the browser names it; empty if it names nothing.
    pub adapter: Option<String>,
    /// Whether that adapter is software.
    pub software: bool,
    /// Why WebGPU does not compute, where it does not.
    pub reason: Option<Problem>,
    /// The comparison with stored reference values.
    pub self_check: Option<SelfCheck>,
    /// What its weights lose by the type that they are kept in, once that is measured.
    pub effect: Option<RoundingEffect>,
    /// Where people read about the model, where there is such a place.
    pub origin: Option<Origin>,
    /// Why the browser does not keep the model for the next time, where it does not.
    pub not_kept: Option<Problem>,
}

/// What keeping weights in fewer bits changes, on a fixed text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoundingEffect {
    /// How many positions were compared.
    pub positions: usize,
    /// At how many the most probable piece is the same.
    pub same_best: usize,
    /// The largest absolute difference between two scores.
    pub max_abs_diff: f32,
}

/// Where a model is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The address of its card.
    pub page: String,
    /// Its licence, as the card names it.
    pub licence: Option<String>,
}

/// A fixed input was run and compared with stored reference values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SelfCheck {
    /// The largest absolute difference over all compared logits.
    pub max_abs_diff: f32,
    /// Whether it is small enough to trust the numbers.
    pub ok: bool,
}

/// A failure as data: the page turns it into a sentence of the reader's language (`assets/i18n`, key
/// `problem-{code}`), the API into a rejection with the same code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Problem {
    /// Which failure: lower-case words with hyphens.
    pub code: String,
    /// The same in English, for the API and the console.
    pub detail: String,
    /// What the sentence fills in: file names, keys, numbers.
    #[serde(default)]
    pub args: BTreeMap<String, String>,
}

impl Problem {
    /// Nothing was loaded that could answer.
    pub fn no_model() -> Problem {
        Problem::new("no-model", "no model of this kind is loaded; call load first")
    }

    /// The browser has WebGPU, but no GPU for it.
    pub fn no_adapter() -> Problem {
        Problem::new("no-adapter", "WebGPU found no usable GPU")
    }

    /// Whether it is the GPU that is of no use, whatever the model.
    pub fn is_of_the_gpu(&self) -> bool {
        let no_gpu = ["insecure-context", "no-webgpu", "no-adapter", "self-check-failed"];
        self.code.starts_with("gpu-") || no_gpu.contains(&self.code.as_str())
    }

    /// Whether it is what a file of the checkpoint holds. Then the file is not used again.
    pub fn is_of_a_file(&self) -> bool {
        self.args.contains_key("file") && !self.args.contains_key("url") && self.code != "no-memory"
    }

    /// A problem without anything to fill in.
    pub fn new(code: &str, detail: impl Into<String>) -> Problem {
        Problem { code: code.to_owned(), detail: detail.into(), args: BTreeMap::new() }
    }

    /// The same with `name` filled in as `value`.
    pub fn with(mut self, name: &str, value: impl ToString) -> Problem {
        self.args.insert(name.to_owned(), value.to_string());
        self
    }
}
