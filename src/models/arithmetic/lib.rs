//! What the processor computes of a transformer, on plain numbers: linear maps, attention, norms,
//! activation functions.
//!
//! A crate of its own, so that it alone is compiled for speed (`Cargo.toml` at the root): compiled for size, as what stands
//! around it, its loops over a few vectors would not be unrolled, and the vectors would lie in memory. Of models, tensors and
//! files nothing is known here.

mod attention;
pub mod fused;
mod panels;
mod pointwise;
mod rows;

pub use attention::Heads;
pub use panels::Panels;
pub use pointwise::{gelu, gelu_tanh, relu, silu, tanh};
pub use rows::{layer_norm, softmax, sum_of_exponentials};

/// Numbers from -1 to 1 that repeat themselves in every test.
#[cfg(test)]
fn noise(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919 + 13) % 1009) as f32 / 500.0 - 1.0).collect()
}
