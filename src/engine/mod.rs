//! A loaded model and its tokenizer answer requests. The page speaks to it by the messages of [`protocol`].
//!
//! [`Session`] is one loaded model on one engine, to which a [`Loader`] brought it: a GPU, or the [`Cpu`] with the network in
//! Burn. The two workers around it (`src/bin/`) do the talking: one has the GPU and nothing of Burn, the other the CPU.

pub mod protocol;

#[cfg(feature = "engine")]
mod check;
#[cfg(feature = "engine")]
mod cpu;
#[cfg(feature = "engine")]
mod effect;
#[cfg(feature = "engine")]
mod generate;
#[cfg(feature = "engine")]
mod gpu;
#[cfg(feature = "engine")]
mod loader;
#[cfg(feature = "engine")]
mod network;
#[cfg(feature = "engine")]
mod session;

#[cfg(feature = "engine")]
pub use check::Reference;
#[cfg(feature = "engine")]
pub use cpu::Cpu;
#[cfg(feature = "engine")]
pub use loader::{Engine, Loader};
#[cfg(feature = "engine")]
pub use session::Session;
