//! The page's program.

#[cfg(target_arch = "wasm32")]
fn main() {
    cloze::ui::start();
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    eprintln!("The page runs in a browser: `cargo xtask serve` builds it and serves it.");
}
