//! What the processor computes of a transformer, on plain numbers: linear maps, activation functions, softmax.
//!
//! A crate of its own, so that it alone is compiled for speed (`Cargo.toml` at the root): the compiler then makes vectors of
//! loops that are written for it, over arrays of twelve, without branches and calls. Of models, tensors and files nothing is
//! known here.

mod panels;
mod pointwise;

pub use panels::Panels;
pub use pointwise::{gelu, gelu_tanh, relu, silu, softmax, tanh};
