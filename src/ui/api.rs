//! The page's end of the JavaScript API (`www/cloze.js`).

use js_sys::{Array, Function, Object, Promise, Reflect};
use leptos::prelude::*;
use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use super::app::App;
use super::state::State;
use crate::engine::protocol::{EngineKind, Load, Origin, Problem, RoundingEffect, SelfCheck};
use crate::trace::{Family, ModelCard, WeightType};

/// Hands the page's verbs to `window.cloze`, where that is there.
pub(super) fn connect(app: App) {
    let Some((cloze, connect)) = entrance() else { return };
    let verbs = Object::new();
    let set = |name: &str, value: &JsValue| {
        // Setting a property of a fresh object does not fail.
        let _ = Reflect::set(&verbs, &name.into(), value);
    };
    set("load", &function(move |options, _| future_to_promise(load(app, options)).into()));
    set("request", &function(move |ask, family| future_to_promise(request(app, ask, family)).into()));
    set("status", &function(move |_, _| status(app).into()));
    set("state", &function(move |_, _| app.state.with_untracked(State::to_fragment).into()));
    set(
        "setState",
        &function(move |fragment, _| {
            app.show(&fragment).into_iter().map(JsValue::from).collect::<Array>().into()
        }),
    );
    set("settled", &settled(app));
    if let Err(error) = connect.call1(&cloze, &verbs) {
        leptos::logging::error!("window.cloze.connect: {error:?}");
    }
}

/// `window.cloze` and its `connect`.
fn entrance() -> Option<(JsValue, Function)> {
    let cloze = Reflect::get(&window(), &"cloze".into()).ok()?;
    let connect = Reflect::get(&cloze, &"connect".into()).ok()?.dyn_into().ok()?;
    Some((cloze, connect))
}

/// A function of two texts for scripts, which lives as long as the page. One that is not given is empty.
fn function(of: impl Fn(String, String) -> JsValue + 'static) -> JsValue {
    let text = |argument: JsValue| argument.as_string().unwrap_or_default();
    let of = move |first: JsValue, second: JsValue| of(text(first), text(second));
    Closure::<dyn Fn(JsValue, JsValue) -> JsValue>::new(of).into_js_value()
}

/// Loads what the JSON of a [`Load`] says; answers with the model's sizes as JSON, or rejects with `{code, message}`.
async fn load(app: App, options: String) -> Result<JsValue, JsValue> {
    let unreadable = |error: serde_json::Error| refusal(Problem::new("bad-request", error.to_string()));
    let load: Load = serde_json::from_str(&options).map_err(unreadable)?;
    let card = app.load(load).await.map_err(refusal)?;
    Ok(written(&card).into())
}

/// Hands the JSON of an [`Ask`](crate::engine::protocol::Ask) on to the engine, when the model of `family` is loaded if one
/// is named. Answers with `[answer, values]`, or rejects with `{code, message}`.
async fn request(app: App, ask: String, family: String) -> Result<JsValue, JsValue> {
    let family = match family.as_str() {
        "bert" => Some(Family::Bert),
        "gpt" => Some(Family::Gpt2),
        _ => None,
    };
    if let Some(family) = family {
        app.loaded(family).await.map_err(refusal)?;
    }
    let answer = app.link().pass_on(&ask).await.map_err(refusal)?;
    Ok(answer.into())
}

fn refusal(problem: Problem) -> JsValue {
    object([("code", problem.code.into()), ("message", problem.detail.into())])
}

/// What `status()` tells. It is empty until a model is loaded.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    engine: Option<EngineKind>,
    adapter: Option<String>,
    reason: Option<Problem>,
    model: Option<ModelCard>,
    self_check: Option<SelfCheck>,
    settled: bool,
    weights: Option<WeightType>,
    effect: Option<RoundingEffect>,
    origin: Option<Origin>,
    not_kept: Option<Problem>,
}

/// Where the model that was loaded last computes, as JSON.
fn status(app: App) -> String {
    let known = app
        .latest
        .get_untracked()
        .and_then(|family| app.status.with_untracked(|all| all.get(&family).cloned()));
    let status = known.map_or_else(Status::default, |known| Status {
        engine: Some(known.engine),
        adapter: known.adapter.filter(|adapter| !adapter.is_empty()),
        reason: known.reason,
        model: Some(known.model),
        self_check: known.self_check,
        settled: known.settled,
        weights: Some(known.weights),
        effect: known.effect,
        origin: known.origin,
        not_kept: known.not_kept,
    });
    written(&status)
}

/// A value of plain fields as JSON; writing it does not fail.
fn written(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A promise that is kept when the engines of the first lesson's models are chosen for good, and broken with why they
/// could not be loaded.
fn settled(app: App) -> JsValue {
    let families = app.state.with_untracked(State::families);
    Promise::new(&mut |resolve, reject| {
        let done = StoredValue::new_local(Some((resolve, reject)));
        Effect::new(move || {
            // Where a model computes is told before it is said that it is loaded.
            let loaded = app.latest.with(Option::is_some);
            let settled = loaded
                && app
                    .status
                    .with(|all| families.iter().all(|f| all.get(f).is_some_and(|status| status.settled)));
            let failure = app.failure.get();
            if !settled && failure.is_none() {
                return;
            }
            let Some((resolve, reject)) = done.try_update_value(Option::take).flatten() else { return };
            // A promise's own functions do not throw.
            let _ = match failure {
                Some(problem) if !settled => reject.call1(&JsValue::NULL, &refusal(problem)),
                _ => resolve.call0(&JsValue::NULL),
            };
        });
    })
    .into()
}

fn object<const N: usize>(entries: [(&str, JsValue); N]) -> JsValue {
    let object = Object::new();
    for (name, value) in entries {
        // Setting a property of a fresh object does not fail.
        let _ = Reflect::set(&object, &name.into(), &value);
    }
    object.into()
}
