//! The token figure: tokens, ids, embeddings as barcodes, and the streams through the layers.

use std::sync::Arc;

use leptos::{ev, html, prelude::*};

use super::flow::{Flow, LayerNames};
use super::lesson::Lesson;
use crate::trace::{Hook, Run, Token};
use crate::ui::components::barcode::Barcode;
use crate::ui::components::measure::{scroll_sideways, width_of};
use crate::ui::components::strip::{chip_class, piece};
use crate::ui::figure::{self, Bin, Word};
use crate::ui::format;
use crate::ui::state::is_mask;
use crate::ui::words::{t, tr};

/// Width of the column of row names, in px.
const NAMES: f64 = 92.0;

/// The rows of barcodes: what they show, its name in messages, the sign before it.
const ROWS: [(Hook, &str, &str, &str); 4] = [
    (Hook::Embed, "token", "", "mask-row-token"),
    (Hook::TokenTypeEmbed, "segment", "+", "mask-row-segment"),
    (Hook::PosEmbed, "position", "+", "mask-row-position"),
    (Hook::EmbedSum, "input", "=", "mask-row-input"),
];

/// One row of barcodes, a vector a token.
type Row = Arc<Vec<Vec<Bin>>>;

/// The pointer is over a bin of a barcode: row, token, bin.
type Pointed = RwSignal<Option<(usize, usize, usize)>>;

/// The figure, in a region that scrolls sideways.
#[component]
pub(super) fn TokenFigure(
    /// Takes what the reader points at, in words.
    readout: RwSignal<Option<String>>,
    /// The px for all layers together.
    room: f64,
) -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let run = lesson.run;
    let region = NodeRef::<html::Div>::new();
    let available = width_of(move || Some(region.get()?.into()));
    let count = Memo::new(move |_| run.with(|run| run.as_ref().map_or(0, |run| run.tokens.len())));
    let seen = Memo::new(move |_| available.get() - NAMES);
    let widths = Memo::new(move |_| {
        let lengths: Vec<usize> = run.with(|run| {
            let tokens = run.as_ref().map(|run| run.tokens.as_slice()).unwrap_or_default();
            tokens.iter().map(|token| token.piece.chars().count()).collect()
        });
        figure::column_widths(&lengths, seen.get())
    });
    let width = move || NAMES + widths.with(|widths| widths.iter().sum::<f64>());
    let rows = Memo::new(move |_| {
        let row = |run: &Run, hook| Row::new(figure::barcodes(run, hook));
        run.with(|run| run.as_deref().map(|run| ROWS.map(|(hook, ..)| row(run, hook))).unwrap_or_default())
    });
    let scale = Memo::new(move |_| rows.with(|rows| figure::scale(rows.iter().flat_map(|row| row.iter()))));

    let blank = Memo::new(move |_| lesson.prediction.with(|prediction| Some(prediction.as_ref()?.position)));
    // The figure is about the blank: where not all columns fit, its own is in the middle beside the rows' names.
    scroll_sideways(region, available, width, move || {
        let blank = blank.get()?;
        let middle = widths.with(|widths| {
            let half = widths.get(blank).map_or(0.0, |width| width / 2.0);
            widths.iter().take(blank).sum::<f64>() + half
        });
        Some(middle - seen.get() / 2.0)
    });

    let hovered = RwSignal::new(None::<usize>);
    let pointed: Pointed = RwSignal::new(None);
    Effect::new(move |_| {
        let text = run.with(|run| {
            let run = run.as_deref()?;
            let bin = pointed.get().and_then(|at| rows.with(|rows| describe_bin(run, rows, at)));
            let token = || {
                hovered
                    .get()
                    .or(lesson.selected.get())
                    .and_then(|at| lesson.words.with(|words| describe_token(run, words, at)))
            };
            let limit = || tr("mask-read-scale", &[("limit", format!("{:.2}", scale.get()).into())]);
            Some(bin.or_else(token).unwrap_or_else(limit))
        });
        readout.set(text);
    });

    let name = move |(row, (_, name, sign, label)): (
        usize,
        (Hook, &'static str, &'static str, &'static str),
    )| {
        let cell = move |index: usize| {
            let bins =
                Signal::derive(move || rows.with(|rows| rows[row].get(index).cloned()).unwrap_or_default());
            let label = Signal::derive(move || bins.with(|bins| describe_barcode(run, name, index, bins)));
            let on_point =
                Callback::new(move |bin: Option<usize>| pointed.set(bin.map(|bin| (row, index, bin))));
            view! { <td><Barcode bins scale label on_point/></td> }
        };
        view! {
            // DistilBERT tells no segments apart.
            <tr class="emb" class:sum=name == "input" hidden=move || rows.with(|rows| rows[row].is_empty())>
                <th scope="row"><i>{sign}</i>{t(label)}</th>
                <For each=move || 0..count.get() key=|index| *index children=cell/>
            </tr>
        }
    };
    view! {
        <div
            class="scroller"
            node_ref=region
            tabindex="0"
            role="region"
            aria-label=t("mask-figure")
            on:keydown=move |event: ev::KeyboardEvent| {
                let moved = match event.key().as_str() {
                    "Home" => lesson.move_selection(|_, _| 0),
                    "End" => lesson.move_selection(|_, last| last),
                    _ => false,
                };
                if moved {
                    event.prevent_default();
                }
            }
        >
            <table
                class="strip"
                style:width=move || format!("{}px", width())
            >
                <caption class="vh">{t("mask-strip-caption")}</caption>
                <colgroup>
                    <col style:width=format!("{NAMES}px")/>
                    <For each=move || 0..count.get() key=|index| *index let:index>
                        <col style:width=move || {
                            widths.with(|widths| format!("{}px", widths.get(index).copied().unwrap_or_default()))
                        }/>
                    </For>
                </colgroup>
                <thead>
                    <Ties/>
                    <tr>
                        <th scope="row">{t("mask-row-tokens")}</th>
                        <For each=move || 0..count.get() key=|index| *index let:index>
                            <th scope="col"><Chip index hovered/></th>
                        </For>
                    </tr>
                </thead>
                <tbody>
                    <tr class="idr">
                        <th scope="row">{t("mask-row-id")}</th>
                        <For each=move || 0..count.get() key=|index| *index let:index>
                            <td>{move || token(run, index).map(|token| token.id)}</td>
                        </For>
                    </tr>
                    {ROWS.into_iter().enumerate().map(name).collect_view()}
                    <tr>
                        <th scope="row" class="layers"><LayerNames room/></th>
                        <td class="flow" colspan=move || count.get().max(1)><Flow widths seen room/></td>
                    </tr>
                </tbody>
            </table>
        </div>
    }
}

/// The whole word over the pieces of a word of several, and over the blank the word that was put in.
#[component]
fn Ties() -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let put = Memo::new(move |_| {
        let word = lesson.app.state.with(|state| {
            let blank = state.mask.focused().filter(|blank| blank.filled)?;
            state.mask.text().get(blank.span.clone()).map(str::to_owned)
        })?;
        Some((lesson.prediction.with(|prediction| prediction.as_ref().map(|blank| blank.position))?, word))
    });
    let tie = move |word: &Word| {
        let put = put.get().filter(|(at, _)| word.tokens.contains(at)).map(|(_, word)| word);
        let text = put.or_else(|| (word.tokens.len() > 1).then(|| word.text.clone()));
        view! { <td class="tie" colspan=word.tokens.len()>{text.map(|text| view! { <b>{text}</b> })}</td> }
    };
    // Rebuilt at each run: nothing here takes the focus.
    view! {
        <tr aria-hidden="true">
            <td></td>
            {move || lesson.words.with(|words| words.iter().map(tie).collect_view())}
        </tr>
    }
}

/// A token that can be selected.
#[component]
fn Chip(
    /// Its position.
    index: usize,
    /// The token that the pointer is over.
    hovered: RwSignal<Option<usize>>,
) -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let run = lesson.run;
    let selected = move || lesson.selected.get() == Some(index);
    let class = move || {
        lesson.words.with(|words| {
            let word = words.iter().find(|word| word.tokens.contains(&index));
            token(run, index).map_or("chip", |token| chip_class(&token, index, word))
        })
    };
    view! {
        <button
            type="button"
            class=move || class()
            data-token=index
            aria-pressed=move || selected().to_string()
            aria-label=move || run.with(|run| lesson.words.with(|words| describe_token(run.as_deref()?, words, index)))
            tabindex=move || if lesson.current_token() == index { "0" } else { "-1" }
            on:click=move |_| lesson.select(index)
            on:focus=move |_| {
                hovered.set(None);
                if lesson.selected.get_untracked() != Some(index) {
                    lesson.select(index);
                }
            }
            on:pointerenter=move |_| hovered.set(Some(index))
            on:pointerleave=move |_| hovered.set(None)
        >
            {move || token(run, index).map(|token| piece(&token.piece))}
        </button>
    }
}

/// The token at a position.
fn token(run: Signal<Option<Arc<Run>>>, index: usize) -> Option<Token> {
    run.with(|run| run.as_ref()?.tokens.get(index).cloned())
}

/// A token in words: its piece, its id, and what it stands for in the text.
fn describe_token(run: &Run, words: &[Word], index: usize) -> Option<String> {
    let token = run.tokens.get(index)?;
    let piece = ("piece", token.piece.as_str().into());
    let id = ("id", token.id.to_string().into());
    let Some((first, last)) = figure::characters(run, token) else {
        return Some(tr("mask-token-added", &[piece, id]));
    };
    if is_mask(token) {
        return Some(tr("mask-token-mask", &[piece, id]));
    }
    let (first, last) = (("first", first.into()), ("last", last.into()));
    let word = words.iter().find(|word| word.tokens.contains(&index)).filter(|word| word.tokens.len() > 1);
    Some(match word {
        Some(word) => {
            tr("mask-token-of-word", &[piece, id, ("word", word.text.as_str().into()), first, last])
        }
        None => tr("mask-token", &[piece, id, first, last]),
    })
}

/// A barcode in one sentence.
fn describe_barcode(run: Signal<Option<Arc<Run>>>, row: &'static str, index: usize, bins: &[Bin]) -> String {
    let piece = token(run, index).map(|token| token.piece).unwrap_or_default();
    let least = bins.iter().map(|bin| bin.mean).fold(f32::INFINITY, f32::min);
    let most = bins.iter().map(|bin| bin.mean).fold(f32::NEG_INFINITY, f32::max);
    tr(
        "mask-barcode",
        &[
            ("row", row.into()),
            ("piece", piece.into()),
            ("n", bins.last().map_or(0, |bin| bin.dimensions.end).into()),
            ("least", format::signed(least, 2).into()),
            ("most", format::signed(most, 2).into()),
        ],
    )
}

/// A bin of a barcode in words.
fn describe_bin(run: &Run, rows: &[Row], (row, index, bin): (usize, usize, usize)) -> Option<String> {
    let bins = rows.get(row)?.get(index)?;
    let (.., name, _, _) = ROWS.get(row)?;
    let Bin { dimensions, mean } = bins.get(bin)?;
    Some(tr(
        "mask-read-bin",
        &[
            ("row", (*name).into()),
            ("piece", run.tokens.get(index)?.piece.as_str().into()),
            ("from", (dimensions.start + 1).into()),
            ("to", dimensions.end.into()),
            ("n", bins.last()?.dimensions.end.into()),
            ("mean", format::signed(*mean, 3).into()),
        ],
    ))
}
