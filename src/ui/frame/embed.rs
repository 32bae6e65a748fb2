//! One panel in an iframe of somebody's slides: the stage, its two lines, and the word with the slide deck.

use js_sys::{Array, Object, Reflect};
use leptos::{html, prelude::*};
use wasm_bindgen::prelude::*;
use web_sys::{IntersectionObserver, IntersectionObserverEntry};

use super::address;
use super::keys::use_keys;
use super::notices::Failure;
use super::voice::{self, Voice};
use crate::engine::protocol::EngineKind;
use crate::trace::Family;
use crate::ui::app::App;
use crate::ui::state::share::link;
use crate::ui::state::{Show as Shown, State, View};
use crate::ui::views::CurrentEmbed;
use crate::ui::words::{t, tr};

/// Size of the stage, in CSS pixels before it is scaled to the frame.
const STAGE: (f64, f64) = (800.0, 450.0);

/// Where the reader tries to go beyond an embed's stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ui) enum Edge {
    /// Before the first.
    Start,
    /// After the last.
    End,
}

/// Tells the page around the frame that there is no further stage in that direction, so that its slides can move on.
pub(in crate::ui) fn edge(edge: Edge) {
    let name = match edge {
        Edge::Start => "start",
        Edge::End => "end",
    };
    let message = Object::new();
    // Setting a property of a fresh object does not fail; a parent that cannot be reached needs no word.
    let _ = Reflect::set(&message, &"cloze".into(), &name.into());
    if let Ok(Some(parent)) = window().parent() {
        let _ = parent.post_message(&message, "*");
    }
}

/// The panel's stage. Nothing computes before it can be seen: of the frames of a slide deck most never are.
#[component]
pub(super) fn EmbedFrame() -> impl IntoView {
    let app = expect_context::<App>();
    let frame = NodeRef::<html::Div>::new();
    let seen = when_seen(frame);
    let fit = fit_to_frame();
    let blank = RwSignal::new(false);
    use_keys(move |event| {
        let toggles = matches!(event.key().as_str(), "." | "b" | "B");
        if toggles {
            blank.update(|blank| *blank = !*blank);
        }
        toggles
    });
    let scale =
        Memo::new(move |_| app.state.with(|state| state.embed.as_ref().map_or(1.0, |embed| embed.scale)));
    let style = move || {
        let (width, height) = STAGE;
        format!("width:{width}px;height:{height}px;transform:scale({:.4});--scale:{}", fit.get(), scale.get())
    };
    let title = Memo::new(move |_| app.state.with(title));
    view! {
        <div class="embed-frame" node_ref=frame>
            <main class="stage" id="main" style=move || style() data-voice=move || voice::name(speaker(&app.state.read()))>
                <div class="stage-top">
                    <h1>{title}</h1>
                    <Standing/>
                </div>
                <div class="stage-problem"><Failure/></div>
                <Show when=move || seen.get()>
                    <CurrentEmbed/>
                </Show>
                <OpenInCloze/>
            </main>
            <Show when=move || blank.get()>
                <div class="blanked" role="status"><span class="vh">{t("embed-blanked")}</span></div>
            </Show>
        </div>
    }
}

/// Which models compute, and where.
#[component]
fn Standing() -> impl IntoView {
    let app = expect_context::<App>();
    let families = Memo::new(move |_| app.state.with(speakers));
    let standing = move |family: Family| {
        let status = app.status.with(|status| status.get(&family).cloned())?;
        let key = match status.engine {
            EngineKind::WebGpu if status.software => "embed-on-software",
            EngineKind::WebGpu => "embed-on-gpu",
            EngineKind::Cpu => "embed-on-cpu",
        };
        let model = voice::model_name(&status.model);
        let checked = status.self_check.is_some_and(|check| check.ok);
        Some(view! {
            <span data-voice=voice::name(family)>
                <Voice family/>
                " "
                {tr(key, &[("model", model.into())])}
                {checked.then(|| view! { "\u{2002}"<span role="img" aria-label=t("embed-checked")>"✓"</span> })}
            </span>
        })
    };
    view! { <p class="standing">{move || families.get().into_iter().map(standing).collect_view()}</p> }
}

/// The way to the full page, in the state of this frame.
#[component]
fn OpenInCloze() -> impl IntoView {
    let app = expect_context::<App>();
    let href = move || {
        let state = app.state.with(|state| State { embed: None, ..state.clone() });
        link(&address::base(), &state).unwrap_or_else(address::base)
    };
    view! {
        <p class="stage-bottom">
            <a href=move || href() target="_blank" rel="noopener" aria-label=t("embed-open-label")>{t("embed-open")}</a>
        </p>
    }
}

/// What an embed is called.
pub(super) fn title(state: &State) -> String {
    match state.view {
        View::Mask => t("embed-title-mask"),
        View::Generate => t("embed-title-generate"),
        View::Attention if shows_heads(state) => t("embed-title-attention-heads"),
        View::Attention => {
            let head = match speaker(state) {
                Family::Bert => state.attention.bert,
                Family::Gpt2 => state.attention.gpt,
            };
            tr(
                "embed-title-attention",
                &[("layer", (head.layer + 1).into()), ("head", (head.head + 1).into())],
            )
        }
    }
}

/// Whether an embed shows all heads, of every model that is shown.
fn shows_heads(state: &State) -> bool {
    state.view == View::Attention && state.embed.as_ref().is_some_and(|embed| embed.panel == "heads")
}

/// The models that an embed shows.
fn speakers(state: &State) -> Vec<Family> {
    if shows_heads(state) { state.families().to_vec() } else { vec![speaker(state)] }
}

/// The model that an embed is about.
fn speaker(state: &State) -> Family {
    match (state.view, state.attention.show) {
        (View::Mask, _) | (View::Attention, Shown::Bert) => Family::Bert,
        (View::Generate, _) | (View::Attention, Shown::Gpt | Shown::Both) => Family::Gpt2,
    }
}

/// How much the stage grows or shrinks to fit the frame, now and whenever that changes.
fn fit_to_frame() -> ReadSignal<f64> {
    let fit = || {
        let length =
            |value: Result<JsValue, JsValue>| value.ok().and_then(|value| value.as_f64()).unwrap_or_default();
        let (width, height) = (length(window().inner_width()), length(window().inner_height()));
        (width / STAGE.0).min(height / STAGE.1).max(0.1)
    };
    let (now, set_now) = signal(fit());
    let listener = window_event_listener(leptos::ev::resize, move |_| set_now.set(fit()));
    on_cleanup(move || listener.remove());
    now
}

/// Whether an element has been on the screen.
fn when_seen(element: NodeRef<html::Div>) -> ReadSignal<bool> {
    let (seen, set_seen) = signal(false);
    Effect::new(move || {
        let Some(element) = element.get() else { return };
        let on_change = Closure::<dyn Fn(Array, IntersectionObserver)>::new(
            move |entries: Array, observer: IntersectionObserver| {
                let entries =
                    entries.iter().filter_map(|entry| entry.dyn_into::<IntersectionObserverEntry>().ok());
                if entries.into_iter().any(|entry| entry.is_intersecting()) {
                    observer.disconnect();
                    set_seen.set(true);
                }
            },
        );
        match IntersectionObserver::new(on_change.as_ref().unchecked_ref()) {
            Ok(observer) => observer.observe(&element),
            // Without an observer everything counts as seen.
            Err(_) => set_seen.set(true),
        }
        on_change.forget();
    });
    seen
}
