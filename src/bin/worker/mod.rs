//! What both workers do alike: they take requests as JSON text, one answer for each, and tell of downloads.

pub(crate) mod downloads;
pub(crate) mod post;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use cloze::engine::protocol::{Answer, Ask, FromEngine, Load, News, Problem, Reply, Request};
use cloze::hub::{Source, Standing};
use js_sys::Reflect;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};
use web_time::Instant;

/// Time between two tellings of how a download stands.
const PROGRESS_REST: Duration = Duration::from_millis(50);

/// A worker's side of the conversation.
pub(crate) trait Answers: 'static {
    /// Answers the request numbered `id`; none if somebody else does.
    async fn answer(self: Rc<Self>, id: u32, ask: Ask) -> Option<Result<Answer, Problem>>;
}

#[allow(unsafe_code, reason = "the linker's own function has no safe declaration")]
mod constructors {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }

    /// Runs the module's constructors. Crates that register themselves at start-up give the module constructors, and
    /// the linker then calls all of them at every exported call, unless the program calls them once itself.
    pub(super) fn run_once() {
        // SAFETY: the linker defines it, it takes nothing, and nothing else calls it before.
        unsafe { __wasm_call_ctors() }
    }
}

/// Takes messages from now on.
pub(crate) fn start(worker: impl Answers) {
    constructors::run_once();
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        post::news(News::Stopped { problem: Problem::new("engine-stopped", info.to_string()) });
    }));
    let worker = Rc::new(worker);
    let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
        let Some(text) = event.data().as_string() else { return };
        match serde_json::from_str::<Request>(&text) {
            Ok(Request { id, ask }) => {
                let worker = Rc::clone(&worker);
                spawn_local(async move {
                    if let Some(outcome) = worker.answer(id, ask).await {
                        post::message(&FromEngine::Reply(Reply { id, outcome }));
                    }
                });
            }
            Err(error) => post::unreadable(&text, &error),
        }
    });
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    post::news(News::Ready);
}

/// Tells the page how a download stands, but not at every packet: now and then, and when a file begins, since nothing more of
/// it may come. The page's own models are mostly there before anybody could read of it.
pub(crate) fn progress(load: &Load) -> impl Fn(&Standing<'_>) {
    let told = Cell::new(Instant::now());
    let begun = RefCell::new(BTreeSet::new());
    let is_own = matches!(Source::parse(&load.source), Ok(Source::Embedded(_)));
    move |&Standing { file, loaded, total, per_second }| {
        let begins = !is_own && begun.borrow_mut().insert(file.to_owned());
        if begins || total == Some(loaded) || told.get().elapsed() > PROGRESS_REST {
            told.set(Instant::now());
            let (source, file) = (load.source.clone(), file.to_owned());
            let reason = load.instead.as_ref().map(|instead| instead.reason.clone());
            post::news(News::Progress { source, file, loaded, total, per_second, reason });
        }
    }
}

/// The browser's `navigator.gpu`.
///
/// # Errors
/// The true reason why there is none: `insecure-context` or `no-webgpu`.
pub(crate) fn webgpu() -> Result<JsValue, Problem> {
    let scope = js_sys::global();
    let gpu = get(&get(&scope, "navigator"), "gpu");
    if !gpu.is_undefined() && !gpu.is_null() {
        return Ok(gpu);
    }
    Err(if get(&scope, "isSecureContext").is_falsy() {
        Problem::new("insecure-context", "the page was opened over http://, so the browser hides the GPU")
    } else {
        Problem::new("no-webgpu", "this browser has no WebGPU")
    })
}

/// A property, or nothing.
pub(crate) fn get(of: &JsValue, name: &str) -> JsValue {
    Reflect::get(of, &name.into()).unwrap_or(JsValue::UNDEFINED)
}
