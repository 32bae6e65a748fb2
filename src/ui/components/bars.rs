//! Candidates with their probabilities as bars, most probable first.

use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::strip::piece;
use crate::ui::format;

/// One candidate.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::ui) struct Bar {
    /// The piece.
    pub piece: String,
    /// Its probability.
    pub p: f32,
    /// Whether it is the reader's own word.
    pub yours: bool,
}

/// All candidates that are not listed, as one.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::ui) struct Rest {
    /// What stands in the place of a word: how many they are.
    pub label: String,
    /// The sum of their probabilities.
    pub p: f32,
}

/// A table of candidates. All bars share one scale: the longest fills its track.
#[component]
pub(in crate::ui) fn Bars(
    /// The candidates.
    #[prop(into)]
    bars: Signal<Vec<Bar>>,
    /// The rest, so that the bars add up to 1.
    #[prop(optional, into)]
    rest: Signal<Option<Rest>>,
    /// What the table is called.
    #[prop(into)]
    caption: Signal<String>,
    /// Takes the row that was chosen; rows are buttons only if this is there.
    #[prop(optional, into)]
    on_pick: Option<Callback<usize>>,
) -> impl IntoView {
    let table = NodeRef::<html::Table>::new();
    // The row that the tab key reaches; the arrow keys move it.
    let active = RwSignal::new(0_usize);
    let count = Memo::new(move |_| bars.with(Vec::len));
    let longest = Memo::new(move |_| {
        let listed = bars.with(|bars| bars.iter().map(|bar| bar.p).fold(0.0, f32::max));
        rest.with(|rest| rest.as_ref().map_or(0.0, |rest| rest.p)).max(listed).max(f32::MIN_POSITIVE)
    });
    let width = move |p: f32| format!("{:.2}%", p / longest.get() * 100.0);
    let go_to = move |row: usize| {
        active.set(row);
        let found = table.get_untracked().and_then(|table| {
            table
                .query_selector(&format!("[data-prediction=\"{row}\"]"))
                .ok()
                .flatten()?
                .dyn_into::<HtmlElement>()
                .ok()
        });
        if let Some(button) = found {
            // A row that cannot take the focus is still the active one.
            let _ = button.focus();
        }
    };
    let on_keydown = move |event: ev::KeyboardEvent| {
        let last = count.get_untracked().saturating_sub(1);
        let row = active.get_untracked().min(last);
        let row = match event.key().as_str() {
            "ArrowDown" => (row + 1).min(last),
            "ArrowUp" => row.saturating_sub(1),
            "Home" => 0,
            "End" => last,
            _ => return,
        };
        event.prevent_default();
        event.stop_propagation();
        go_to(row);
    };
    let row = move |index: usize| {
        let bar = Memo::new(move |_| bars.with(|bars| bars.get(index).cloned()));
        let name = move || bar.with(|bar| bar.as_ref().map(|bar| piece(&bar.piece)));
        let p = move || bar.with(|bar| bar.as_ref().map_or(0.0, |bar| bar.p));
        let yours = move || bar.with(|bar| bar.as_ref().is_some_and(|bar| bar.yours));
        let cell = match on_pick {
            None => view! { <span data-prediction=index>{move || name()}</span> }.into_any(),
            Some(_) => {
                let reached = move || active.get().min(count.get().saturating_sub(1)) == index;
                view! {
                    <button
                        type="button"
                        data-prediction=index
                        tabindex=move || if reached() { "0" } else { "-1" }
                        on:focus=move |_| active.set(index)
                    >
                        {move || name()}
                    </button>
                }
                .into_any()
            }
        };
        // A click on the button comes here too.
        let pick = move |_| {
            if let Some(on_pick) = on_pick {
                on_pick.run(index);
            }
        };
        view! {
            <tr class:you=move || yours() class:pickable=on_pick.is_some() on:click=pick>
                <th scope="row" class="w">{cell}</th>
                <td><span class="track"><i style:width=move || width(p())></i></span></td>
                <td class="p">{move || format::percent(p())}</td>
            </tr>
        }
    };
    let sum = move || {
        rest.get().map(|Rest { label, p }| {
            view! {
                <tr class="rest">
                    <th scope="row" class="w">{label}</th>
                    <td><span class="track"><i style:width=move || width(p)></i></span></td>
                    <td class="p">{format::percent(p)}</td>
                </tr>
            }
        })
    };
    view! {
        <table class="pred" node_ref=table on:keydown=on_keydown>
            <caption class="vh">{move || caption.get()}</caption>
            <tbody>
                <For each=move || 0..count.get() key=|index| *index children=row/>
                {move || sum()}
            </tbody>
        </table>
    }
}
