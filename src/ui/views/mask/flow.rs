//! One stream a token through the layers, and the lines by which the blank gathers from the others.

use std::fmt::Write as _;

use leptos::prelude::*;

use super::lesson::Lesson;
use crate::trace::Run;
use crate::ui::words::tr;
use crate::ui::{figure, format};

/// The most px for a layer.
const LAYER: f64 = 31.0;

/// The px for all of them together, on the page and in a slide; many layers take more, and the figure scrolls.
pub(super) const ON_PAGE: f64 = 240.0;
pub(super) const IN_SLIDE: f64 = 124.0;

/// Above the first layer, and under the last: there the read-out is named, in lines of this height.
const TOP: f64 = 6.0;
const UNDER: f64 = 26.0;
const LINE: f64 = 17.0;

/// Weights below this are not drawn.
const FAINT: f32 = 0.002;

/// The height of one of `layers` that have `room` together, in px.
fn layer_height(layers: usize, room: f64) -> f64 {
    LAYER.min((room / layers.max(1) as f64).max(18.0))
}

/// The names of the layers, beside their part of the figure.
#[component]
pub(super) fn LayerNames(
    /// The px for all layers together.
    room: f64,
) -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let layers = Memo::new(move |_| lesson.run.with(|run| run.as_ref().map_or(0, |run| run.model.layers)));
    let height = move || format!("{}px", layer_height(layers.get(), room));
    view! {
        <div style:padding-top=format!("{TOP}px") style:padding-bottom=format!("{UNDER}px")>
            <For each=move || 1..=layers.get() key=|layer| *layer let:layer>
                <span style:height=height style:line-height=height>{tr("mask-layer", &[("layer", layer.into())])}</span>
            </For>
        </div>
    }
}

/// The streams.
#[component]
pub(super) fn Flow(
    /// The widths of the tokens' columns, in px.
    widths: Memo<Vec<f64>>,
    /// The px of them that are seen at once: the blank's is in the middle.
    seen: Memo<f64>,
    /// The px for all layers together.
    room: f64,
) -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let blank =
        Memo::new(move |_| lesson.prediction.with(|prediction| prediction.as_ref().map(|p| p.position)));
    // A picture of plain shapes, drawn anew at each run: nothing in it takes the focus.
    move || {
        lesson.run.with(|run| {
            let run = run.as_deref()?;
            let blank = blank.get().filter(|at| *at < run.tokens.len());
            Some(widths.with(|widths| picture(run, blank, widths, seen.get(), room)))
        })
    }
}

fn picture(run: &Run, blank: Option<usize>, widths: &[f64], seen: f64, room: f64) -> impl IntoView + use<> {
    let layers = run.model.layers;
    let step = layer_height(layers, room);
    let bottom = TOP + layers as f64 * step;
    let mut edge = 0.0;
    let centres: Vec<f64> = widths
        .iter()
        .map(|width| {
            edge += width;
            edge - width / 2.0
        })
        .collect();
    // Many faint lines would add up to a dark band.
    let faintest = (2.0 / run.tokens.len().max(1) as f32).min(0.14);
    let attention = blank.map(|blank| figure::attention_of(run, blank)).unwrap_or_default();

    let mut streams = String::new();
    let mut nodes = String::new();
    for (_, x) in centres.iter().enumerate().filter(|(index, _)| Some(*index) != blank) {
        // Writing to a String does not fail.
        let _ = write!(streams, "M{x:.1} 0V{bottom:.1}");
        for layer in 0..=layers {
            let y = TOP + layer as f64 * step;
            let _ = write!(nodes, "M{:.1} {y:.1}a2 2 0 1 0 4 0a2 2 0 1 0 -4 0", x - 2.0);
        }
    }
    let lines = blank.and_then(|blank| Some((blank, *centres.get(blank)?))).map(|(blank, to)| {
        let layer_lines =
            |(layer, weights): (usize, &Vec<f32>)| {
                let (from_y, to_y) = (TOP + layer as f64 * step, TOP + (layer + 1) as f64 * step);
                let drawn =
                    weights.iter().enumerate().filter(|(key, weight)| *key != blank && **weight >= FAINT);
                drawn
                .filter_map(|(key, weight)| {
                    let from = *centres.get(key)?;
                    let bend = step * 0.75;
                    let path = format!(
                        "M{from:.1} {from_y:.1}C{from:.1} {:.1} {to:.1} {:.1} {to:.1} {to_y:.1}",
                        from_y + bend,
                        to_y - bend,
                    );
                    let said = tr("mask-flow-line", &[
                        ("layer", (layer + 1).into()),
                        ("piece", run.tokens.get(key)?.piece.as_str().into()),
                        ("share", format::percent(*weight).into()),
                    ]);
                    let (thick, opaque) = (0.4 + weight * 15.0, (faintest + weight * 1.5).min(1.0));
                    Some(view! {
                        <path d=path stroke-width=format!("{thick:.2}") stroke-opacity=format!("{opaque:.2}")>
                            <title>{said}</title>
                        </path>
                    })
                })
                .collect_view()
            };
        attention.iter().enumerate().map(layer_lines).collect_view()
    });
    let mut height = bottom + UNDER;
    let read_out = blank.and_then(|blank| centres.get(blank).copied()).map(|x| {
        let nodes = (0..=layers).map(|layer| {
            view! { <circle class="node" cx=x cy=TOP + layer as f64 * step r="4"></circle> }
        });
        let vocabulary = format::thousands(run.model.vocabulary);
        let said = tr("mask-read-out", &[("vocabulary", vocabulary.into())]);
        let from = (x - seen / 2.0).min(edge - seen).max(0.0);
        let foot = figure::foot(&said, x, &(from..from + seen));
        let (first, end) = match foot.lines.len() {
            1 => (height - 7.0, height),
            _ => (height, height - LINE + 3.0),
        };
        let lines = foot.lines.iter().enumerate().map(|(index, line)| {
            let y = first + index as f64 * LINE;
            view! { <text x=foot.at y=y text-anchor=foot.anchor>{(*line).to_owned()}</text> }
        });
        let lines = lines.collect_view();
        height = first + (foot.lines.len() - 1) as f64 * LINE + 7.0;
        view! {
            <line class="read" x1=x x2=x y1="0" y2=end></line>
            {nodes.collect_view()}
            {lines}
        }
    });
    let summary = summary(run, blank, &attention);
    view! {
        <svg
            role="img"
            aria-label=summary
            width=edge
            height=height
            viewBox=format!("0 0 {edge} {height}")
        >
            <g class="lines">{lines}</g>
            <path class="streams" d=streams></path>
            <path class="nodes" d=nodes></path>
            {read_out}
        </svg>
    }
}

/// The picture in one sentence: where the blank gathers most, over all layers.
fn summary(run: &Run, blank: Option<usize>, attention: &[Vec<f32>]) -> String {
    let counts = [("tokens", run.tokens.len().into()), ("layers", run.model.layers.into())];
    let Some(blank) = blank else { return tr("mask-flow-no-blank", &counts) };
    let share = |key: usize| {
        attention.iter().filter_map(|row| row.get(key)).sum::<f32>() / attention.len().max(1) as f32
    };
    let mut others: Vec<(usize, f32)> =
        (0..run.tokens.len()).filter(|key| *key != blank).map(|key| (key, share(key))).collect();
    others.sort_by(|a, b| b.1.total_cmp(&a.1));
    let most = others.iter().take(3).filter_map(|(key, share)| {
        let piece = run.tokens.get(*key)?.piece.as_str();
        Some(tr("mask-flow-item", &[("piece", piece.into()), ("share", format::percent(*share).into())]))
    });
    let most = most.collect::<Vec<_>>().join(", ");
    let [tokens, layers] = counts;
    tr("mask-flow", &[tokens, layers, ("position", (blank + 1).into()), ("most", most.into())])
}
