//! A loaded model and its tokenizer answer requests. The page speaks to it by the messages of [`protocol`].
//!
//! [`Session`] is one loaded model on one engine: [`Session::on_cpu`] has the network in Burn, a [`Loader`] brings it to a
//! GPU. The two workers around it (`src/bin/`) do the talking: one has the GPU and nothing of Burn, the other the CPU.

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
mod network;
#[cfg(feature = "engine")]
mod session;

#[cfg(feature = "engine")]
pub use check::Reference;
#[cfg(feature = "engine")]
pub use gpu::Loader;
#[cfg(feature = "engine")]
pub use session::Session;
