//! What the worker sends: JSON text, and beside it the values of activations as one `Float32Array`.

use cloze::engine::protocol::{Answer, FromEngine, News, Problem, Reply};
use cloze::trace::Activation;
use js_sys::{Array, Float32Array};
use serde::Deserialize;
use wasm_bindgen::prelude::*;
use web_sys::DedicatedWorkerGlobalScope;

/// Sends news.
pub(crate) fn news(news: News) {
    message(&FromEngine::News(news));
}

/// Sends a message; the buffer of values is handed over, not copied.
pub(crate) fn message(message: &FromEngine) {
    let Ok(text) = serde_json::to_string(message) else { return };
    let floats = values(message);
    let parts = Array::of2(&text.into(), &floats);
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    // It can only fail for want of memory, and then nothing else could be said either.
    let _ = scope.post_message_with_transfer(&parts, &Array::of1(&floats.buffer()));
}

/// Answers a request that could not be read, if at least its number can.
pub(crate) fn unreadable(text: &str, error: &serde_json::Error) {
    #[derive(Deserialize)]
    struct Numbered {
        id: u32,
    }
    if let Ok(Numbered { id }) = serde_json::from_str(text) {
        // Serde's words name the field and what was expected; the place in our own JSON helps nobody.
        let detail = error.to_string();
        let detail = detail.split(" at line ").next().unwrap_or_default().to_owned();
        message(&FromEngine::Reply(Reply { id, outcome: Err(Problem::new("bad-request", detail)) }));
    }
}

/// The values of all activations of a message, in the order in which it lists them.
fn values(message: &FromEngine) -> Float32Array {
    let activations: Vec<&Activation> = match message {
        FromEngine::Reply(Reply { outcome: Ok(Answer::Ran { run }), .. }) => run.activations.iter().collect(),
        FromEngine::Reply(Reply { outcome: Ok(Answer::Generated { steps }), .. }) => {
            steps.iter().flat_map(|step| &step.activations).collect()
        }
        _ => Vec::new(),
    };
    let length = activations.iter().map(|activation| activation.data.len() as u32).sum();
    let floats = Float32Array::new_with_length(length);
    let mut from = 0;
    for activation in activations {
        let to = from + activation.data.len() as u32;
        floats.subarray(from, to).copy_from(&activation.data);
        from = to;
    }
    floats
}
