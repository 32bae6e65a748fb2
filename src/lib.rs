//! Cloze: small BERT and GPT models in a web page, with everything that happened inside on view.
//!
//! The code map, one line a module; arrows point down only (`ui -> engine -> gpu | models -> checkpoint -> trace`):
//!
//! - [`ui`]: the page: leptos views that draw [`trace`] values and send requests to the engine
//! - [`engine`]: a loaded model and its tokenizer answer requests; runs in web workers, speaks plain serde messages
//! - [`hub`]: where a checkpoint's bytes come from: the page's own models, a hub, a URL, the reader's files; and what is kept
//! - [`gpu`]: the same networks as hand-written WebGPU kernels, planned once a checkpoint: the fast path
//! - [`models`]: BERT and GPT-2 in Burn, as the papers write them, recording any activation that is asked for
//! - [`checkpoint`]: config.json and a safetensors header to typed weights that may still be on their way
//! - [`tokenization`]: text to pieces with ids, spans, words, special tokens and segments
//! - [`lesson`]: pure functions a lesson needs: sampling, and what it cuts away
//! - [`trace`]: plain data: what one run of a model produced
//!
//! Invariants, each kept by `tests/architecture.rs`:
//! 1. Only [`ui`] names leptos. Only `ui`, [`hub`] and the programs name web-sys, js-sys or gloo.
//! 2. [`ui`] names neither burn nor tokenizers: it draws [`trace`] values and sends requests.
//! 3. Everything but the programs and what touches the browser compiles and is tested natively.
//! 4. [`models`] and [`gpu`] do no I/O; [`hub`] knows bytes, not tensors.
//! 5. Nothing is read back from the GPU that no view asked for.
//! 6. No panic reaches a person: every failure is a typed error with a sentence that says what to do.

#[cfg(feature = "engine")]
pub mod checkpoint;
pub mod engine;
#[cfg(feature = "engine")]
pub mod gpu;
#[cfg(feature = "engine")]
pub mod hub;
pub mod lesson;
#[cfg(feature = "engine")]
pub mod models;
#[cfg(feature = "engine")]
pub mod tokenization;
pub mod trace;
pub mod ui;
