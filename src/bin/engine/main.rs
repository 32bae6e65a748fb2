//! The engine's program: runs in a web worker, takes requests as JSON text and answers with replies and news
//! (`cloze::engine::protocol`). It computes on the GPU; what the GPU cannot take goes to the CPU's program, in a worker of
//! its own that is started when it is first needed.

#[cfg(target_arch = "wasm32")]
mod cpu;
#[cfg(target_arch = "wasm32")]
mod gpu;
#[cfg(target_arch = "wasm32")]
mod models;
#[cfg(target_arch = "wasm32")]
mod quiet;
#[cfg(target_arch = "wasm32")]
#[path = "../worker/mod.rs"]
mod worker;

#[cfg(target_arch = "wasm32")]
fn main() {
    let models = models::Models::default();
    // The page names its worker after the weights that it is going to ask for (`www/worker.js`).
    let name = worker::get(&js_sys::global(), "name").as_string().unwrap_or_default();
    models.find_gpu(cloze::trace::WeightType::named(&name));
    worker::start(models);
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    eprintln!("The engine runs in a browser's worker: `cargo xtask serve` builds it and serves the page.");
}
