//! All heads of a model as thumbnails, layer by layer, one of them chosen.

use std::sync::Arc;

use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::lesson::{Lesson, Model, head_words};
use crate::ui::app::App;
use crate::ui::attention::AttentionMap;
use crate::ui::components::heatmap::paint;
use crate::ui::frame::voice::{self, Voice, family_name, model_name};
use crate::ui::state::HeadIndex;
use crate::ui::words::{t, tr};

/// The most cells a side of a thumbnail; of more, neighbours share one.
const SIDE: usize = 32;

/// The grid under the model's name.
#[component]
pub(super) fn Heads(
    /// Whose heads.
    model: Model,
) -> impl IntoView {
    let name = move || {
        let of_run = model.run.with(|run| run.as_ref().map(|run| model_name(&run.model)));
        of_run.unwrap_or_else(|| family_name(model.family))
    };
    view! {
        <div class="hg" data-voice=voice::name(model.family)>
            <div class="hg-head">
                <span><Voice family=model.family/>" "<b>{move || name()}</b></span>
                <span class="micro muted">{t("attention-grid-axes")}</span>
            </div>
            <HeadGrid model/>
        </div>
    }
}

/// The grid alone.
#[component]
pub(super) fn HeadGrid(
    /// Whose heads.
    model: Model,
) -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let grid = NodeRef::<html::Div>::new();
    let shape = Memo::new(move |_| {
        model.run.with(|run| run.as_ref().map_or((0, 0), |run| (run.model.layers, run.model.heads)))
    });
    let label = move || {
        let (layers, heads) = shape.get();
        let name = family_name(model.family);
        tr("attention-grid", &[("model", name.into()), ("layers", layers.into()), ("heads", heads.into())])
    };
    let choose = move |head: HeadIndex| {
        lesson.look_through(model.family, head);
        let selector = format!("[data-head=\"{},{}\"]", head.layer + 1, head.head + 1);
        let button = grid.get_untracked().and_then(|grid| grid.query_selector(&selector).ok().flatten());
        if let Some(button) = button.and_then(|button| button.dyn_into::<HtmlElement>().ok()) {
            // Where a browser cannot give the focus, the head is chosen all the same.
            let _ = button.focus();
        }
    };
    let on_keydown = move |event: ev::KeyboardEvent| {
        if event.alt_key() || event.meta_key() || event.shift_key() {
            return;
        }
        if let Some(head) =
            moved(model.head.get_untracked(), shape.get_untracked(), &event.key(), event.ctrl_key())
        {
            event.prevent_default();
            choose(head);
        }
    };
    let number = |at: usize| view! { <span class="n" role="columnheader">{at + 1}</span> };
    let row = move |layer: usize| {
        view! {
            <div class="hgrid-row" role="row">
                <span class="n" role="rowheader">{layer + 1}</span>
                <For
                    each=move || 0..shape.get().1
                    key=|head| *head
                    children=move |head| {
                        let at = HeadIndex { layer, head };
                        view! { <Thumbnail model at on_choose=Callback::new(move |()| choose(at))/> }
                    }
                />
            </div>
        }
    };
    view! {
        <div
            class="hgrid"
            role="grid"
            node_ref=grid
            aria-label=move || label()
            style=move || format!("--h:{}", shape.get().1.max(1))
            on:keydown=on_keydown
        >
            <div class="hgrid-row" role="row">
                <span class="n" role="columnheader"><span class="vh">{t("attention-grid-layer")}</span></span>
                <For each=move || 0..shape.get().1 key=|head| *head children=number/>
            </div>
            <For each=move || 0..shape.get().0 key=|layer| *layer children=row/>
        </div>
    }
}

/// One head.
#[component]
fn Thumbnail(model: Model, at: HeadIndex, on_choose: Callback<()>) -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let app = expect_context::<App>();
    let canvas = NodeRef::<html::Canvas>::new();
    let map = Memo::new(move |_| {
        model
            .run
            .with(|run| AttentionMap::new(run.as_deref()?, at, lesson.special_hidden.get()).map(Arc::new))
    });
    Effect::new(move |_| {
        let (Some(canvas), paper) = (canvas.get(), app.paper()) else { return };
        map.with(|map| {
            let Some(map) = map else { return };
            let (side, cells) = map.thumbnail(SIDE);
            // One pixel a cell; the style sheet makes them larger.
            canvas.set_width(side as u32);
            canvas.set_height(side as u32);
            paint(&canvas, side, &cells, model.family, paper, false);
        });
    });
    let chosen = Memo::new(move |_| model.head.get() == at);
    let off = Memo::new(move |_| model.is_off(at));
    let on_click = move |event: ev::MouseEvent| {
        if event.shift_key() { lesson.toggle_head(model.family, at) } else { on_choose.run(()) }
    };
    view! {
        <button
            type="button"
            role="gridcell"
            data-head=format!("{},{}", at.layer + 1, at.head + 1)
            aria-selected=move || chosen.get().to_string()
            tabindex=move || if chosen.get() { 0 } else { -1 }
            class:off=move || off.get()
            aria-label=move || {
                head_words(if off.get() { "attention-head-off" } else { "attention-head" }, model.family, at)
            }
            on:click=on_click
        >
            <canvas node_ref=canvas></canvas>
        </button>
    }
}

/// Where a key moves from a head, if it moves. The grid has edges.
fn moved(from: HeadIndex, (layers, heads): (usize, usize), pressed: &str, ctrl: bool) -> Option<HeadIndex> {
    let HeadIndex { layer, head } = from;
    let (last_layer, last_head) = (layers.checked_sub(1)?, heads.checked_sub(1)?);
    let (layer, head) = match (pressed, ctrl) {
        ("ArrowLeft", false) => (layer, head.saturating_sub(1)),
        ("ArrowRight", false) => (layer, (head + 1).min(last_head)),
        ("ArrowUp", false) => (layer.saturating_sub(1), head),
        ("ArrowDown", false) => ((layer + 1).min(last_layer), head),
        ("Home", false) => (layer, 0),
        ("End", false) => (layer, last_head),
        ("Home", true) => (0, 0),
        ("End", true) => (last_layer, last_head),
        _ => return None,
    };
    Some(HeadIndex { layer, head })
}
