//! The engine's program: runs in a web worker, takes requests as JSON text and answers with replies and news
//! (`cloze::engine::protocol`).

#[cfg(target_arch = "wasm32")]
mod gpu;
#[cfg(target_arch = "wasm32")]
mod post;
#[cfg(target_arch = "wasm32")]
mod worker;

#[cfg(target_arch = "wasm32")]
fn main() {
    worker::start();
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    eprintln!("The engine runs in a browser's worker: `cargo xtask serve` builds it and serves the page.");
}
