//! BERT and GPT-2 in Burn, as the papers write them, recording any activation that is asked for.
//!
//! The reference for every other engine, and the CPU path. No I/O here, no tokenizer, and nothing is read back:
//! a forward pass returns tensors; [`Recorder`] holds what was asked for until the engine reads it.

pub mod bert;
mod dense;
pub mod gpt2;
mod parts;
mod recorder;
mod weights;

pub use bert::Bert;
pub use gpt2::{Gpt2, KvCache};
pub use recorder::Recorder;
pub use weights::Weights;
