//! The page's end of the JavaScript API (`www/cloze.js`).

use js_sys::{Array, Function, Object, Promise, Reflect};
use leptos::prelude::*;
use serde_json::json;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use super::app::App;
use super::link::Parcel;
use super::state::State;
use crate::engine::protocol::{Answer, Ask, Problem};
use crate::trace::Family;

/// Hands the page's verbs to `window.cloze`, where that is there.
pub(super) fn connect(app: App) {
    let Some((cloze, connect)) = entrance() else { return };
    let verbs = Object::new();
    let set = |name: &str, value: &JsValue| {
        // Setting a property of a fresh object does not fail.
        let _ = Reflect::set(&verbs, &name.into(), value);
    };
    set("request", &function(move |json: String| future_to_promise(request(app, json)).into()));
    set("status", &function(move |_| status(app).into()));
    set("state", &function(move |_| app.state.with_untracked(State::to_fragment).into()));
    set(
        "setState",
        &function(move |fragment| {
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

/// A function of one text for scripts, which lives as long as the page.
fn function(of: impl Fn(String) -> JsValue + 'static) -> JsValue {
    let of = move |argument: JsValue| of(argument.as_string().unwrap_or_default());
    Closure::<dyn Fn(JsValue) -> JsValue>::new(of).into_js_value()
}

/// Answers an [`Ask`] with `{json, floats}`, or rejects with `{code, message}`.
async fn request(app: App, json: String) -> Result<JsValue, JsValue> {
    let answered = match serde_json::from_str(&json) {
        Ok(ask) => answer(app, ask).await,
        Err(error) => Err(Problem::new("bad-request", error.to_string())),
    };
    let answered = answered.and_then(|Parcel { answer, floats }| {
        let json =
            serde_json::to_string(&answer).map_err(|error| Problem::new("internal", error.to_string()))?;
        Ok(object([("json", json.into()), ("floats", floats.into())]))
    });
    answered.map_err(|problem| object([("code", problem.code.into()), ("message", problem.detail.into())]))
}

async fn answer(app: App, ask: Ask) -> Result<Parcel, Problem> {
    match &ask {
        Ask::Load { .. } => {
            let model = app.load(ask).await?;
            Ok(Parcel { answer: Answer::Loaded { model }, floats: js_sys::Float32Array::new_with_length(0) })
        }
        Ask::Run { family, .. } | Ask::Kernels { family } => {
            app.loaded(*family).await?;
            app.link().ask_parcel(ask).await
        }
        Ask::Generate { .. } => {
            app.loaded(Family::Gpt2).await?;
            app.link().ask_parcel(ask).await
        }
    }
}

/// Where the model that was loaded last computes, as JSON.
fn status(app: App) -> String {
    let status = app
        .latest
        .get_untracked()
        .and_then(|family| app.status.with_untracked(|all| all.get(&family).cloned()));
    let status = match status {
        None => json!({
            "engine": null, "adapter": null, "reason": null, "model": null, "selfCheck": null, "settled": false,
            "weights": null,
        }),
        Some(status) => json!({
            "engine": status.engine,
            "adapter": status.adapter.filter(|adapter| !adapter.is_empty()),
            "reason": status.reason.map(|reason| json!({ "code": reason.code, "detail": reason.detail })),
            "model": status.model,
            "selfCheck": status.self_check,
            "settled": status.settled,
            "weights": status.weights,
        }),
    };
    status.to_string()
}

/// A promise that is kept when the engines of the first lesson's models are chosen for good, and broken with why they
/// could not be loaded.
fn settled(app: App) -> JsValue {
    let families = app.state.with_untracked(State::families);
    Promise::new(&mut |resolve, reject| {
        let done = StoredValue::new_local(Some((resolve, reject)));
        Effect::new(move || {
            let settled = app
                .status
                .with(|all| families.iter().all(|f| all.get(f).is_some_and(|status| status.settled)));
            let failure = app.failure.get();
            if !settled && failure.is_none() {
                return;
            }
            let Some((resolve, reject)) = done.try_update_value(Option::take).flatten() else { return };
            // A promise's own functions do not throw.
            let _ = match failure {
                Some(problem) if !settled => {
                    let problem = object([("code", problem.code.into()), ("message", problem.detail.into())]);
                    reject.call1(&JsValue::NULL, &problem)
                }
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
