//! Where the last position looked: its attention to every token, in one layer, the mean over the heads.

use leptos::{html, prelude::*};

use super::player::Player;
use crate::ui::components::table_switch::TableSwitch;
use crate::ui::format::whole_percent;
use crate::ui::words::{t, tr};

/// The figure's width and where its parts stand, in px.
const WIDTH: f64 = 332.0;
const ARCS_END: f64 = 150.0;
const WORDS: f64 = 164.0;
const BARS: f64 = 246.0;

/// The length of the longest bar, in px.
const LONGEST_BAR: f64 = 46.0;

/// The widest arc, and how high rows are: few tokens get more room.
const WIDEST_ARC: f64 = 132.0;
const ROW: (f64, f64) = (27.0, 20.0);
const FEW: usize = 12;

/// How many characters of a piece fit.
const FITS: usize = 9;

/// One token as it is drawn.
#[derive(Clone, Debug, PartialEq)]
struct Looked {
    piece: String,
    weight: f32,
    y: f64,
    last: bool,
}

/// The arcs, or the same numbers as a table.
#[component]
pub(super) fn Looked(
    /// Whether the numbers are shown as a table.
    as_table: RwSignal<bool>,
) -> impl IntoView {
    let player = expect_context::<Player>();
    let layers =
        Memo::new(move |_| player.shown.with(|step| step.as_ref().map_or(0, |step| step.attention.len())));
    let layer = Memo::new(move |_| {
        let last = layers.get().saturating_sub(1);
        player.read(|state| state.layer).unwrap_or(last).min(last)
    });
    let choose = move |event| {
        if let Ok(chosen) = event_target_value(&event).parse::<usize>() {
            player.change(|state| state.layer = (chosen + 1 < layers.get_untracked()).then_some(chosen));
        }
    };
    let option = move |at: usize| {
        view! {
            <option value=at.to_string() selected=move || layer.get() == at>
                {tr("generate-layer", &[("layer", (at + 1).into())])}
            </option>
        }
    };
    view! {
        <section class="looked" aria-labelledby="generate-looked">
            <div class="head">
                <h2 class="lbl" id="generate-looked">{t("generate-looked")}</h2>
                <span class="sp"></span>
                <select class="micro" aria-label=t("generate-layer-label") on:change=choose>
                    <For each=move || 0..layers.get() key=|at| *at children=option/>
                </select>
                <TableSwitch as_table/>
            </div>
            <Show when=move || as_table.get() fallback=move || view! { <Arcs layer/> }>
                <Numbers layers/>
            </Show>
            <p class="micro muted">{t("generate-looked-note")}</p>
        </section>
    }
}

#[component]
fn Arcs(layer: Memo<usize>) -> impl IntoView {
    let player = expect_context::<Player>();
    let rows = Memo::new(move |_| {
        player.shown.with(|step| {
            let Some(step) = step else { return Vec::new() };
            let weights = step.attention.get(layer.get()).map(Vec::as_slice).unwrap_or_default();
            let height = if weights.len() <= FEW { ROW.0 } else { ROW.1 };
            let row = |(at, (token, weight)): (usize, (&crate::trace::Token, &f32))| {
                let piece = token.piece.trim();
                let cut: String = piece.chars().take(FITS).collect();
                let piece = if cut.len() < piece.len() { format!("{cut}…") } else { cut };
                let y = at as f64 * height + height / 2.0 + 2.0;
                Looked { piece, weight: *weight, y, last: at + 1 == weights.len() }
            };
            step.run.tokens.iter().zip(weights).enumerate().map(row).collect()
        })
    });
    let height = Memo::new(move |_| rows.with(|rows| rows.last().map_or(0.0, |row| row.y + 18.0)));
    let summary = move || {
        let top = rows.with(|rows| {
            let mut rows: Vec<&Looked> = rows.iter().collect();
            rows.sort_by(|a, b| b.weight.total_cmp(&a.weight));
            rows.iter()
                .take(3)
                .map(|row| format!("{} {} %", row.piece, whole_percent(row.weight)))
                .collect::<Vec<_>>()
        });
        tr("generate-looked-summary", &[("layer", (layer.get() + 1).into()), ("top", top.join(", ").into())])
    };
    let region = NodeRef::<html::Div>::new();
    Effect::new(move |_| {
        let height = height.get();
        if let Some(region) = region.get() {
            region.set_scroll_top(height as i32);
        }
    });
    let arc = move |row: &Looked, last: &Looked| {
        let (count, weight) = ((last.y - row.y) / (height.get_untracked()).max(1.0), f64::from(row.weight));
        let reach = ARCS_END - (22.0 + count * WIDEST_ARC);
        view! {
            <path
                class="arc"
                d=format!("M{ARCS_END} {}C{reach} {} {reach} {} {ARCS_END} {}", last.y, last.y, row.y, row.y)
                stroke-width=format!("{:.1}", 0.8 + weight * 24.0)
                stroke-opacity=format!("{:.2}", (0.3 + weight * 2.4).min(0.95))
            ></path>
        }
    };
    let word = |row: &Looked, largest: f32| {
        let end = BARS + f64::from(row.weight / largest) * LONGEST_BAR;
        let frame = (18.0 + 9.0 * row.piece.chars().count() as f64).min(BARS - WORDS + 4.0);
        view! {
            {row.last.then(|| view! { <rect class="frame" x=WORDS - 8.0 y=row.y - 12.0 width=frame height="24" rx="4"></rect> })}
            <text class="start" class:c=row.last x=WORDS.to_string() y=(row.y + 5.0).to_string()>{row.piece.clone()}</text>
            <rect class="bar" x=BARS y=row.y - 4.0 width=end - BARS height="8"></rect>
            <text class="s start" x=(end + 6.0).to_string() y=(row.y + 4.0).to_string()>
                {format!("{}\u{a0}%", whole_percent(row.weight))}
            </text>
        }
    };
    let drawn = move || {
        rows.with(|rows| {
            let arcs = rows
                .last()
                .map(|last| rows.iter().filter(|row| !row.last).map(|row| arc(row, last)).collect_view());
            let largest = rows.iter().map(|row| row.weight).fold(f32::MIN_POSITIVE, f32::max);
            let words = rows.iter().map(|row| word(row, largest)).collect_view();
            view! { {arcs} {words} }
        })
    };
    view! {
        <div class="looked-box" node_ref=region tabindex="0" role="region" aria-label=t("generate-looked-region")>
            <svg class="varc" role="img" aria-label=move || summary() width=WIDTH height=move || height.get().to_string()>
                {move || drawn()}
            </svg>
        </div>
    }
}

/// Every layer's weights.
#[component]
fn Numbers(layers: Memo<usize>) -> impl IntoView {
    let player = expect_context::<Player>();
    let head = move || {
        (0..layers.get()).map(|at| view! { <th scope="col">{(at + 1).to_string()}</th> }).collect_view()
    };
    let body = move || {
        player.shown.with(|step| {
            let Some(step) = step else { return Vec::new() };
            let row = |(at, token): (usize, &crate::trace::Token)| {
                let weight = |layer: &Vec<f32>| view! { <td>{layer.get(at).map(|weight| whole_percent(*weight))}</td> };
                view! {
                    <tr>
                        <th scope="row" class="q">{token.piece.trim().to_owned()}</th>
                        {step.attention.iter().map(weight).collect_view()}
                    </tr>
                }
            };
            step.run.tokens.iter().enumerate().map(row).collect_view()
        })
    };
    view! {
        <div class="looked-box" tabindex="0" role="region" aria-label=t("generate-looked-region")>
            <table class="numbers">
                <caption class="micro muted">{t("generate-numbers")}</caption>
                <thead>
                    <tr>
                        <th scope="col">{t("generate-table-token")}</th>
                        {move || head()}
                    </tr>
                </thead>
                <tbody>{move || body()}</tbody>
            </table>
        </div>
    }
}
