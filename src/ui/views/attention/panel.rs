//! One head of one model, large: the heatmap with its axes, what is read out, and the legend.

use std::sync::Arc;

use leptos::prelude::*;

use super::heads::HeadGrid;
use super::lesson::{LIMIT, Lesson, Model, head_words};
use super::off::{HeadSwitch, SwitchedOff};
use super::table::MapTable;
use crate::trace::Family;
use crate::ui::attention::spoken;
use crate::ui::components::heatmap::{Heatmap, Legend};
use crate::ui::components::problem::ProblemNote;
use crate::ui::components::prose::Prose;
use crate::ui::format::whole_percent;
use crate::ui::frame::voice::{self, Voice};
use crate::ui::words::{t, tr};

/// The panel of a model.
#[component]
pub(super) fn Panel(
    /// Which.
    family: Family,
    /// Whether the page is so narrow that the head grid opens from here.
    narrow: ReadSignal<bool>,
) -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let model = lesson.model(family);
    let id = format!("attention-{}", voice::name(family));
    let heading = id.clone();
    let title = move || head_title(model);
    let has_map = Memo::new(move |_| model.map.with(Option::is_some));
    let waiting = move || {
        let waits = model.problem.with(Option::is_none);
        waits.then(|| view! { <p class="small muted waiting">{t("attention-waiting")}</p> })
    };
    let picker = move || {
        narrow.get().then(|| {
            view! {
                <details class="picker" data-picker=voice::name(family)>
                    <summary>{move || head_name(model)}</summary>
                    <HeadGrid model/>
                </details>
            }
        })
    };
    view! {
        <section
            class="panel"
            data-voice=voice::name(family)
            data-panel=voice::name(family)
            aria-labelledby=id
            on:focusin=move |_| lesson.activate(family)
            on:pointerdown=move |_| lesson.activate(family)
        >
            <div class="panel-head">
                <h2 id=heading><Voice family/>" "{move || title()}</h2>
                <HeadSwitch model/>
            </div>
            <SwitchedOff model/>
            {move || picker()}
            <ProblemNote problem=model.problem/>
            <Show when=move || has_map.get() fallback=move || waiting>
                <Cut model/>
                <Show when=move || lesson.as_table.get() fallback=move || view! { <Figure model/> }>
                    <MapTable model/>
                </Show>
            </Show>
        </section>
    }
}

/// "BERT, layer 3, head 5".
pub(super) fn head_title(model: Model) -> String {
    head_words("attention-title-of", model.family, model.head.get())
}

/// "Layer 3, head 5".
fn head_name(model: Model) -> String {
    let head = model.head.get();
    head_words(if model.is_off(head) { "attention-head-off" } else { "attention-head" }, model.family, head)
}

/// What was left out of a sentence that is too long.
#[component]
fn Cut(model: Model) -> impl IntoView {
    let counts = Memo::new(move |_| {
        model.run.with(|run| {
            let run = run.as_ref()?;
            Some((run.tokens.len() + run.truncated, LIMIT.min(run.model.positions)))
        })
    });
    move || {
        let (count, limit) = counts.get()?;
        let args = [("n", count.into()), ("max", limit.into())];
        if count > limit {
            Some(
                view! {
                    <div class="note" role="status" data-cut="">
                        <p class="note-title">{tr("attention-long-title", &args)}</p>
                        <p class="small muted">{t("attention-long-line")}</p>
                    </div>
                }
                .into_any(),
            )
        } else if count * 5 >= limit * 4 {
            let counter = tr("attention-counter", &args);
            Some(view! { <p class="small muted" data-counter="">{counter}</p> }.into_any())
        } else {
            None
        }
    }
}

/// The heatmap between its axes.
#[component]
pub(super) fn Figure(
    /// Whose.
    model: Model,
    /// Whether arrow keys are the slide's, not the heatmap's.
    #[prop(optional)]
    still: bool,
) -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let family = model.family;
    let label = move || tr("attention-heatmap", &[("title", head_title(model).into())]);
    let region = move || tr("attention-region", &[("title", head_title(model).into())]);
    view! {
        <div class="hm-frame" role="group" aria-label=move || region() data-scroll="">
            <div class="axis k"><Prose key="attention-axis-key"/></div>
            <div class="hmwrap">
                <div class="axis q"><Prose key="attention-axis-query"/></div>
                <Heatmap
                    run=model.run
                    map=model.map
                    family
                    query=model.query
                    key=model.key
                    label=Signal::derive(label)
                    on_point=Callback::new(move |cell| lesson.point(family, cell))
                    on_move=Callback::new(move |cell| lesson.look_at(family, cell))
                    on_pin=Callback::new(move |cell| lesson.pin(family, cell))
                    still
                />
            </div>
            <p class="legend">
                "0 "<Legend family/>" 1\u{2002}"
                <span class="share">{t("attention-legend")}</span>
                <Show when=move || model.map.with(|map| map.as_ref().is_some_and(|map| map.has_invisible()))>
                    <span class="hx" aria-hidden="true"></span>
                    <span>{move || {
                        let near = model.map.with(|map| map.as_ref().is_some_and(|map| map.hides_earlier()));
                        t(if near { "attention-legend-hidden-near" } else { "attention-legend-hidden" })
                    }}</span>
                </Show>
            </p>
        </div>
        <p class="hm-readout" data-readout=voice::name(family)>{move || readout(model)}</p>
        <KeySlider model/>
        <Rescaled model/>
    }
}

/// The current cell: "“her” → “bus”: 0.24". A token may be a sign, so it stands in quotation marks.
fn readout(model: Model) -> Option<String> {
    let (query, key) = (model.query.get()?, model.key.get()?);
    let weight = model.map.with(|map| map.as_ref().map(|map| map.weight(query, key)))?;
    model.run.with(|run| {
        let tokens = &run.as_ref()?.tokens;
        let token = |at: usize| Some(spoken(tokens.get(at)?).to_owned().into());
        let (query, key) = (("query", token(query)?), ("key", token(key)?));
        Some(match weight {
            Some(weight) => {
                tr("attention-cell-weight", &[query, key, ("weight", format!("{weight:.2}").into())])
            }
            None => tr("attention-cell-hidden", &[query, key]),
        })
    })
}

/// On a touch screen cells are too small to be hit: the slider moves along the row.
#[component]
fn KeySlider(model: Model) -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let place = move || {
        let key = model.key.get()?;
        model.map.with(|map| map.as_ref()?.shown().iter().position(|shown| *shown == key))
    };
    let last =
        move || model.map.with(|map| map.as_ref().map_or(0, |map| map.shown().len().saturating_sub(1)));
    let on_input = move |event| {
        let place = event_target_value(&event).parse::<usize>().ok();
        let key = place.and_then(|place| {
            model.map.with_untracked(|map: &Option<Arc<_>>| map.as_ref()?.shown().get(place).copied())
        });
        if let Some(cell) = model.query.get_untracked().zip(key) {
            lesson.look_at(model.family, cell);
        }
    };
    view! {
        <label class="key-slider">
            <span>{t("attention-slider")}</span>
            <input
                type="range"
                min="0"
                max=last
                prop:value=move || place().unwrap_or(0).to_string()
                aria-valuetext=move || readout(model)
                on:input=on_input
            />
        </label>
    }
}

/// What the hidden special tokens held of the chosen row.
#[component]
fn Rescaled(model: Model) -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    move || {
        let query = model.query.get().filter(|_| lesson.special_hidden.get())?;
        let pieces = hidden_pieces(model)?;
        let held = model.map.with(|map| map.as_ref().map(|map| map.hidden_share(query)))?;
        let says =
            tr("attention-rescaled", &[("pieces", pieces.into()), ("percent", whole_percent(held).into())]);
        Some(view! { <p class="small muted hm-note" data-rescaled="">{says}</p> })
    }
}

/// The pieces that are left out, as "[CLS] and [SEP]"; none if there are none.
fn hidden_pieces(model: Model) -> Option<String> {
    let hidden = model.run.with(|run| {
        let tokens = run.as_ref()?.tokens.iter().enumerate();
        let mut pieces: Vec<String> = Vec::new();
        model.map.with(|map| {
            let shown = map.as_ref()?.shown();
            for (_, token) in tokens.filter(|(position, _)| !shown.contains(position)) {
                if !pieces.contains(&token.piece) {
                    pieces.push(token.piece.clone());
                }
            }
            Some(pieces)
        })
    })?;
    list(&hidden)
}

/// "a, b and c"; none of nothing.
pub(super) fn list(pieces: &[String]) -> Option<String> {
    let (last, before) = pieces.split_last()?;
    if before.is_empty() {
        return Some(last.clone());
    }
    Some(tr("attention-and", &[("list", before.join(", ").into()), ("last", last.clone().into())]))
}
