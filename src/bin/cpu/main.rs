//! The program of the CPU: runs in a web worker where there is no WebGPU, or beside the engine's for models that its GPU
//! cannot take. It speaks the same messages (`cloze::engine::protocol`).

#[cfg(target_arch = "wasm32")]
mod fused;
#[cfg(target_arch = "wasm32")]
mod models;
#[cfg(target_arch = "wasm32")]
#[path = "../worker/mod.rs"]
mod worker;

#[cfg(target_arch = "wasm32")]
fn main() {
    fused::install();
    worker::start(models::Models::default());
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    eprintln!("This program runs in a browser's worker: `cargo xtask serve` builds it and serves the page.");
}
