//! The candidates for the next token, before and after temperature, top-k and top-p.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::player::{LISTED, Player};
use crate::lesson::sampling::{Considered, Cut};
use crate::ui::components::bars::{Bar, Bars};
use crate::ui::components::strip::piece;
use crate::ui::format::{percent, thousands};
use crate::ui::steps::Candidates;
use crate::ui::words::{t, tr};

/// How many bars an embedded panel has room for.
const BARS: usize = 5;

/// Moves the focus to the button of another row: `to` says which, from the one that has it now.
pub(super) fn focus(to: impl FnOnce(Option<usize>) -> usize) {
    let focused = document().active_element().and_then(|element| element.get_attribute("data-candidate"));
    let row = to(focused.and_then(|row| row.parse().ok()));
    let button = document().query_selector(&format!("button[data-candidate=\"{row}\"]"));
    if let Some(button) = button.ok().flatten().and_then(|button| button.dyn_into::<HtmlElement>().ok()) {
        // A row that cannot take the focus leaves it where it is.
        let _ = button.focus();
    }
}

/// The table: hollow bars before, solid bars after, what was cut and why, and the rest as a sum.
#[component]
pub(super) fn CandidateTable() -> impl IntoView {
    let player = expect_context::<Player>();
    let count = Memo::new(move |_| player.candidates.with(|table| table.rows.len()));
    let longest = Memo::new(move |_| player.candidates.with(Candidates::longest));
    let width = move |p: f32| format!("{:.2}%", p / longest.get() * 100.0);
    view! {
        <table class="dist">
            <caption class="vh">{t("generate-table")}</caption>
            <colgroup>
                <col class="c-word"/>
                <col/>
                <col class="c-p"/>
                <col/>
                <col class="c-p"/>
                <col class="c-pick"/>
            </colgroup>
            <thead>
                <tr>
                    <th scope="col"><span class="vh">{t("generate-table-token")}</span></th>
                    <th scope="colgroup" colspan="2">{t("generate-table-before")}</th>
                    <th scope="colgroup" colspan="2">{t("generate-table-after")}</th>
                    <th scope="col"><span class="vh">{t("generate-table-pick")}</span></th>
                </tr>
            </thead>
            <tbody>
                <For each=move || 0..count.get() key=|row| *row children=move |row| view! { <Row row width/> }/>
                <Others width/>
            </tbody>
        </table>
    }
}

/// A candidate. Rows are kept by rank, so that the focus stays when other candidates take the ranks.
#[component]
fn Row(row: usize, width: impl Fn(f32) -> String + Copy + Send + Sync + 'static) -> impl IntoView {
    let player = expect_context::<Player>();
    let candidate = Memo::new(move |_| player.candidates.with(|table| table.rows.get(row).copied()));
    let of = move |read: fn(&Considered) -> f32| candidate.get().map_or(0.0, |candidate| read(&candidate));
    let cut = Memo::new(move |_| candidate.get().and_then(|candidate| candidate.cut));
    let name =
        Memo::new(move |_| candidate.get().map(|candidate| player.piece(candidate.id)).unwrap_or_default());
    let beyond = row >= LISTED;
    // Whether it comes next, and then whether it was drawn; else the reader picked it.
    let next = Memo::new(move |_| {
        let next = player.next.get()?;
        (Some(next.id) == candidate.get().map(|candidate| candidate.id)).then_some(next.by.is_some())
    });
    let before = move || of(|candidate| candidate.before);
    let after = move || of(|candidate| candidate.after);
    let act = move || match next.get() {
        Some(true) => t("generate-drawn"),
        Some(false) => t("generate-picked"),
        None => t("generate-pick"),
    };
    let label = move || {
        let key = if next.get().is_some() { "generate-take-label" } else { "generate-pick-label" };
        tr(key, &[("piece", name.get().trim().to_owned().into()), ("act", act().into())])
    };
    let pick = move |_| {
        if let Some(candidate) = candidate.get_untracked() {
            player.pick(candidate.id);
        }
    };
    view! {
        <tr class:cut=move || cut.get().is_some() class:chosen=move || next.get().is_some() class:beyond=beyond>
            <th scope="row" class="w">
                <span>{move || piece(&name.get())}</span>
            </th>
            <td class="raw">
                <span class="track">
                    <i style:width=move || width(before())></i>
                </span>
            </td>
            <td class="p">{move || percent(before())}</td>
            {move || match cut.get() {
                None => {
                    view! {
                        <td>
                            <span class="track">
                                <i style:width=move || width(after())></i>
                            </span>
                        </td>
                        <td class="p">{move || percent(after())}</td>
                    }
                        .into_any()
                }
                Some(cut) => view! { <td class="why" colspan="2">{reason(cut)}</td> }.into_any(),
            }}
            <td class="pk2">
                <button type="button" data-candidate=row aria-label=move || label() on:click=pick>
                    {move || act()}
                </button>
            </td>
        </tr>
    }
}

fn reason(cut: Cut) -> String {
    match cut {
        Cut::TopK => t("generate-cut-top-k"),
        Cut::TopP => t("generate-cut-top-p"),
    }
}

/// All that are not listed, as a sum: so the bars add up to 100 %.
#[component]
fn Others(width: impl Fn(f32) -> String + Copy + Send + Sync + 'static) -> impl IntoView {
    let player = expect_context::<Player>();
    let table = player.candidates;
    let before = move || table.with(|table| table.others_sum.0);
    let after = move || table.with(|table| table.others_sum.1);
    let cuts = move || {
        let (by_top_k, by_top_p) = table.with(|table| table.others_cut);
        let parts = [(by_top_p, "generate-others-top-p"), (by_top_k, "generate-others-top-k")];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0);
        let parts: Vec<_> = parts.map(|(count, key)| tr(key, &[("n", thousands(count).into())])).collect();
        (!parts.is_empty()).then(|| tr("generate-others-cut", &[("cuts", parts.join(", ").into())]))
    };
    let left =
        move || (after() > 0.0).then(|| tr("generate-others-after", &[("p", percent(after()).into())]));
    view! {
        <tr class="rest" hidden=move || table.with(|table| table.others == 0)>
            <th scope="row" class="w">
                <span>
                    {move || table.with(|table| tr("generate-others", &[("n", thousands(table.others).into())]))}
                </span>
            </th>
            <td class="raw">
                <span class="track">
                    <i style:width=move || width(before())></i>
                </span>
            </td>
            <td class="p">{move || percent(before())}</td>
            <td class="why" colspan="3">
                {move || left().into_iter().chain(cuts()).collect::<Vec<_>>().join("; ")}
            </td>
        </tr>
    }
}

/// The most probable tokens after the filters, for slides.
#[component]
pub(super) fn TopBars() -> impl IntoView {
    let player = expect_context::<Player>();
    let bars = Signal::derive(move || {
        let rows = player.candidates.with(|table| table.rows.clone());
        let mut rows: Vec<_> = rows.into_iter().filter(|row| row.after > 0.0).collect();
        rows.truncate(BARS);
        rows.iter()
            .map(|row| Bar { piece: player.piece(row.id), p: row.after, yours: false })
            .collect::<Vec<_>>()
    });
    let pick = Callback::new(move |row: usize| {
        let id = player.candidates.with_untracked(|table| {
            table.rows.iter().filter(|candidate| candidate.after > 0.0).nth(row).map(|candidate| candidate.id)
        });
        if let Some(id) = id {
            player.pick(id);
        }
    });
    view! { <Bars bars caption=Signal::derive(|| t("generate-bars")) on_pick=pick/> }
}
