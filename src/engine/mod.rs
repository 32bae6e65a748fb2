//! A loaded model and its tokenizer answer requests. The page speaks to it by the messages of [`protocol`].
//!
//! [`Session`] is one loaded model; it computes on the CPU from the start, and on a GPU once one was prepared and its
//! self-check passed. The worker around it (`src/bin/engine.rs`) does the talking.

pub mod protocol;

#[cfg(feature = "engine")]
mod check;
#[cfg(feature = "engine")]
mod generate;
#[cfg(feature = "engine")]
mod network;
#[cfg(feature = "engine")]
mod session;

#[cfg(feature = "engine")]
pub use check::Reference;
#[cfg(feature = "engine")]
pub use session::Session;
