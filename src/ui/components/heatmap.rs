//! One head's attention as a heatmap: rows are queries, columns are keys. One canvas holds the colours; the words, the
//! chosen row's numbers and the marks lie over it, so that 64 tokens are as fast as 10.
//!
//! For assistive technology it is a grid with one tab stop. The focus stays on the grid, which names its current cell:
//! nothing that has the focus ever goes away. Only the chosen row has cells.

use std::sync::Arc;

use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

use super::measure::width_of;
use super::strip::piece;
use crate::trace::{Family, Run};
use crate::ui::app::App;
use crate::ui::attention::{AttentionMap, spoken};
use crate::ui::format::whole_percent;
use crate::ui::frame::voice;
use crate::ui::ramp::{self, Paper};
use crate::ui::words::tr;

/// Shades that are told apart when cells are drawn.
const SHADES: usize = 128;

/// The most tokens whose numbers fit into the chosen row.
const NUMBERED: usize = 20;

/// Cells printed on darker ground than this are white (design: section 3).
const DARK: f32 = 0.58;

/// A cell: query, then key, as token positions.
pub(in crate::ui) type Cell = (usize, usize);

/// What the heatmap shows and what it tells.
#[component]
pub(in crate::ui) fn Heatmap(
    /// The run, for its tokens.
    #[prop(into)]
    run: Signal<Option<Arc<Run>>>,
    /// The head's map.
    #[prop(into)]
    map: Signal<Option<Arc<AttentionMap>>>,
    /// Whose colours.
    family: Family,
    /// The chosen row.
    #[prop(into)]
    query: Signal<Option<usize>>,
    /// The chosen column.
    #[prop(into)]
    key: Signal<Option<usize>>,
    /// What the grid is called.
    #[prop(into)]
    label: Signal<String>,
    /// Takes the cell under the pointer, and none when it leaves.
    on_point: Callback<Option<Cell>>,
    /// Takes the cell that arrow keys move to.
    on_move: Callback<Cell>,
    /// Takes the cell that is clicked, or current when Enter is pressed.
    on_pin: Callback<Cell>,
    /// Whether the arrow keys move the cell; on a slide they change the head.
    #[prop(optional, into)]
    still: Signal<bool>,
) -> impl IntoView {
    let paper = {
        let app = expect_context::<App>();
        Memo::new(move |_| app.paper())
    };
    let canvas = NodeRef::<html::Canvas>::new();
    draw(canvas, map, family, paper);

    let shown = Memo::new(move |_| {
        let positions = map.with(|map| map.as_ref().map(|map| map.shown().to_vec())).unwrap_or_default();
        run.with(|run| {
            let Some(run) = run else { return Vec::new() };
            let label = |(place, position): (usize, usize)| {
                let token = run.tokens.get(position)?;
                Some(Label { place, position, piece: token.piece.clone(), special: token.special })
            };
            positions.into_iter().enumerate().filter_map(label).collect()
        })
    });
    let count = Memo::new(move |_| shown.with(Vec::len));
    let cell_at = move |event: &ev::MouseEvent| {
        let bounds = canvas.get_untracked()?.get_bounding_client_rect();
        let place = |at: f64, from: f64, length: f64| {
            let count = count.get_untracked();
            let place = (at - from) / length * count as f64;
            (0.0..count as f64).contains(&place).then_some(place as usize)
        };
        let column = place(f64::from(event.client_x()), bounds.left(), bounds.width())?;
        let row = place(f64::from(event.client_y()), bounds.top(), bounds.height())?;
        shown.with_untracked(|shown| Some((shown.get(row)?.position, shown.get(column)?.position)))
    };
    let on_pointer_move = move |event: ev::PointerEvent| {
        if event.pointer_type() != "touch" {
            on_point.run(cell_at(&event));
        }
    };
    let on_click = move |event: ev::MouseEvent| {
        if let Some(cell) = cell_at(&event) {
            on_pin.run(cell);
        }
    };
    let on_keydown = move |event: ev::KeyboardEvent| {
        let modified = event.alt_key() || event.meta_key() || event.shift_key();
        let current = query.get_untracked().zip(key.get_untracked());
        let Some(current) = current.filter(|_| !modified && !still.get_untracked()) else { return };
        if matches!(event.key().as_str(), "Enter" | " ") {
            event.prevent_default();
            on_pin.run(current);
            return;
        }
        let next = map.with_untracked(|map| moved(map.as_ref()?, current, &event.key(), event.ctrl_key()));
        if let Some(next) = next {
            event.prevent_default();
            on_point.run(None);
            on_move.run(next);
            let column =
                shown.with_untracked(|shown| shown.iter().position(|label| label.position == next.1));
            if let (Some(canvas), Some(column)) = (canvas.get_untracked(), column) {
                keep_in_view(&canvas, column, count.get_untracked());
            }
        }
    };
    let prefix = voice::name(family);
    let current = move || Some(format!("cell-{prefix}-{}-{}", query.get()?, key.get()?));
    let row = move |label: Label| {
        let position = label.position;
        let chosen = Memo::new(move |_| query.get() == Some(position));
        let wrong = Memo::new(move |_| map.with(|map| map.as_ref()?.wrong_sum(position)));
        let choose = move |_| on_move.run((position, key.get_untracked().unwrap_or(position)));
        let cells = move || {
            chosen.get().then(|| row_cells(&shown.get(), map, run, position, family, paper.get(), key))
        };
        view! {
            <div class="hm-row" role="row" aria-rowindex=label.place + 2 class:sel=chosen>
                <span class="hm-query" role="rowheader" aria-colindex="1" on:click=choose>
                    {move || wrong.get().map(wrong_sum)}
                    {move || chosen.get().then(|| view! { <span aria-hidden="true">"▸ "</span> })}
                    {name(&label)}
                </span>
                {move || cells()}
            </div>
        }
    };
    let column = move |label: Label| {
        let position = label.position;
        view! {
            <span
                class="hm-key"
                role="columnheader"
                aria-colindex=label.place + 2
                class:sel=move || key.get() == Some(position)
                style=format!("--at:{}", label.place)
            >
                <span>{name(&label)}</span>
            </span>
        }
    };
    view! {
        <div
            class="hm"
            class:dense=move || { count.get() > NUMBERED }
            style=move || format!("--n:{}", count.get().max(1))
            on:pointermove=on_pointer_move
            on:pointerleave=move |_| on_point.run(None)
            on:click=on_click
        >
            <canvas class="hm-cells" node_ref=canvas aria-hidden="true"></canvas>
            <div
                class="hm-grid"
                role="grid"
                tabindex="0"
                data-heatmap=prefix
                aria-label=move || label.get()
                aria-rowcount=move || count.get() + 1
                aria-colcount=move || count.get() + 1
                aria-activedescendant=move || current()
                on:keydown=on_keydown
            >
                <div class="hm-keys" role="row" aria-rowindex="1">
                    <For each=move || shown.get() key=Label::clone children=column/>
                </div>
                <For each=move || shown.get() key=Label::clone children=row/>
            </div>
        </div>
    }
}

/// A token that heads a row and a column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Label {
    /// Which of the shown tokens it is.
    place: usize,
    /// Its position in the run.
    position: usize,
    piece: String,
    special: bool,
}

fn name(label: &Label) -> impl IntoView + use<> {
    let class = if label.special { "spt" } else { "" };
    view! { <span class=class>{piece(&label.piece)}</span> }
}

/// The sign beside a row that does not add up to 1.
fn wrong_sum(sum: f32) -> impl IntoView {
    let says = tr("attention-wrong-sum", &[("sum", format!("{sum:.3}").into())]);
    view! { <span class="wrong" role="img" aria-label=says.clone() title=says>"!"</span> }
}

/// The cells of the chosen row, over its place on the canvas.
fn row_cells(
    shown: &[Label],
    map: Signal<Option<Arc<AttentionMap>>>,
    run: Signal<Option<Arc<Run>>>,
    query: usize,
    family: Family,
    paper: Paper,
    key: Signal<Option<usize>>,
) -> impl IntoView + use<> {
    let cell = |label: &Label| {
        let position = label.position;
        let weight = map.with(|map| map.as_ref()?.weight(query, position));
        let inverse = weight.is_some_and(|weight| ramp::lightness(weight, paper) < DARK);
        let says = run.with(|run| cell_name(run.as_deref()?, query, position, weight));
        view! {
            <span
                class="hm-cell"
                role="gridcell"
                id=format!("cell-{}-{query}-{position}", voice::name(family))
                aria-colindex=label.place + 2
                aria-label=says
                aria-selected=move || (key.get() == Some(position)).to_string()
                data-cell=format!("{query},{position}")
                // The style sheet prints it: the cell's name says the weight itself.
                data-percent=weight.map(whole_percent)
                class:inverse=inverse
                class:cur=move || key.get() == Some(position)
            ></span>
        }
    };
    shown.iter().map(cell).collect_view()
}

/// A cell as it is read out: "her looks at bus: 0.24", or that the key is not visible.
pub(in crate::ui) fn cell_name(run: &Run, query: usize, key: usize, weight: Option<f32>) -> Option<String> {
    let piece = |position: usize| Some(spoken(run.tokens.get(position)?).to_owned());
    let (query, key) = (piece(query)?.into(), piece(key)?.into());
    Some(match weight {
        Some(weight) => {
            tr("attention-cell", &[("query", query), ("key", key), ("weight", format!("{weight:.2}").into())])
        }
        None => tr("attention-cell-hidden", &[("query", query), ("key", key)]),
    })
}

/// Where a key moves from a cell, if it moves.
fn moved(map: &AttentionMap, (query, key): Cell, pressed: &str, ctrl: bool) -> Option<Cell> {
    let end = map.shown().len().cast_signed();
    let to = |position: usize, by: isize| map.neighbour(position, by).unwrap_or(position);
    Some(match (pressed, ctrl) {
        ("ArrowLeft", false) => (query, to(key, -1)),
        ("ArrowRight", false) => (query, to(key, 1)),
        ("ArrowUp", false) => (to(query, -1), key),
        ("ArrowDown", false) => (to(query, 1), key),
        ("Home", false) => (query, to(key, -end)),
        ("End", false) => (query, to(key, end)),
        ("Home", true) => (to(query, -end), to(key, -end)),
        ("End", true) => (to(query, end), to(key, end)),
        _ => return None,
    })
}

/// Scrolls the frame of a wide heatmap as little as it takes to see a column.
fn keep_in_view(canvas: &HtmlCanvasElement, column: usize, columns: usize) {
    let Some(frame) = canvas.closest("[data-scroll]").ok().flatten() else { return };
    let (cells, seen) = (canvas.get_bounding_client_rect(), frame.get_bounding_client_rect());
    let cell = cells.width() / columns.max(1) as f64;
    let left = cells.left() + cell * column as f64;
    let beyond = (left + cell - seen.right()).max(0.0);
    let before = (left - seen.left()).min(0.0);
    frame.set_scroll_left(frame.scroll_left() + (beyond + before).round() as i32);
}

/// Draws the map whenever it, the paper or the room for it changes.
fn draw(
    canvas: NodeRef<html::Canvas>,
    map: Signal<Option<Arc<AttentionMap>>>,
    family: Family,
    paper: Memo<Paper>,
) {
    let width = width_of(move || canvas.get().map(|canvas| canvas.into()));
    Effect::new(move |_| {
        let Some(canvas) = canvas.get() else { return };
        let (width, paper) = (width.get(), paper.get());
        map.with(|map| {
            let Some(map) = map else { return };
            let pixels = (width * window().device_pixel_ratio()).round().max(1.0) as u32;
            canvas.set_width(pixels);
            canvas.set_height(pixels);
            paint(&canvas, map.shown().len(), &map.drawn(), family, paper, true);
        });
    });
}

/// Draws `side` by `side` cells over the whole canvas. Cells that are not visible stay clear: the style sheet hatches
/// what is behind them.
pub(in crate::ui) fn paint(
    canvas: &HtmlCanvasElement,
    side: usize,
    cells: &[Option<f32>],
    family: Family,
    paper: Paper,
    lines: bool,
) {
    let Some(context) = canvas.get_context("2d").ok().flatten() else { return };
    let Ok(context) = context.dyn_into::<CanvasRenderingContext2d>() else { return };
    let pixels = f64::from(canvas.width());
    context.clear_rect(0.0, 0.0, pixels, pixels);
    // Whole pixels, so that edges are sharp at any size.
    let edge = |place: usize| (pixels * place as f64 / side.max(1) as f64).round();
    let shade = |weight: f32| (weight.clamp(0.0, 1.0).sqrt() * (SHADES - 1) as f32).round() as usize;
    let fill = |shade: usize, places: &mut dyn Iterator<Item = usize>, gap: f64| {
        context.begin_path();
        for place in places {
            let (x, y) = (edge(place % side), edge(place / side));
            context.rect(x, y, edge(place % side + 1) - x - gap, edge(place / side + 1) - y - gap);
        }
        let weight = (shade as f32 / (SHADES - 1) as f32).powi(2);
        context.set_fill_style_str(&ramp::sequential(weight, family, paper));
        context.fill();
    };
    let mut of_shade = vec![Vec::new(); SHADES];
    for (place, weight) in cells.iter().enumerate() {
        if let Some(weight) = weight.filter(|weight| weight.is_finite()) {
            of_shade[shade(weight)].push(place);
        }
    }
    if lines {
        // The lines between cells are what a weight of 0 looks like.
        fill(0, &mut of_shade.iter().flatten().copied(), 0.0);
    }
    let gap = if lines { window().device_pixel_ratio().round().max(1.0) } else { 0.0 };
    for (shade, places) in of_shade.iter().enumerate().filter(|(_, places)| !places.is_empty()) {
        fill(shade, &mut places.iter().copied(), gap);
    }
}

/// The scale of the colours, 0 to 1.
#[component]
pub(in crate::ui) fn Legend(
    /// Whose colours.
    family: Family,
) -> impl IntoView {
    let app = expect_context::<App>();
    let stops = move || {
        let stop = |at: u8| ramp::sequential((f32::from(at) / 10.0).powi(2), family, app.paper());
        let stops: Vec<String> = (0..=10).map(stop).collect();
        format!("background:linear-gradient(90deg,{})", stops.join(","))
    };
    view! { <span class="ramp" aria-hidden="true" style=move || stops()></span> }
}
