//! What one run of a model produced: plain data, with no tensors, no web and no async in it.
//!
//! The same types come from every engine and from the reference values of the tests, so any two runs can be
//! compared, and any can be drawn.

mod ablation;
mod dispatch;
mod hook;
mod run;
mod weights;

pub use ablation::{Ablation, Embedding, Patch, Sight};
pub use dispatch::{Dispatch, Dispatches};
pub use hook::{Hook, UnknownHook};
pub use run::{Activation, Architecture, Candidate, Family, ModelCard, NextSentence, Prediction, Run, Token};
pub use weights::WeightType;
