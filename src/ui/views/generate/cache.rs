//! The KV cache: keys and values of every position in every layer, and which of them this step computed.

use std::fmt::Write;

use leptos::{html, prelude::*};

use super::player::Player;
use crate::ui::components::measure::{scroll_sideways, width_of};
use crate::ui::format::thousands;
use crate::ui::words::{t, tr};

/// Room for the names of the layers, in px.
const NAMES: f64 = 56.0;

/// The width of a column, in px: more where there are few.
const COLUMN: (f64, f64) = (58.5, 46.0);

/// How many columns fit without scrolling, and how many free ones are shown at least.
const FIT: usize = 16;
const FREE: usize = 3;

/// The height of a layer's row, in px.
const ROW: f64 = 11.0;

/// How many characters of a piece fit under a column.
const FITS: usize = 6;

/// What is drawn.
#[derive(Clone, Debug, Default, PartialEq)]
struct Columns {
    pieces: Vec<String>,
    /// Positions that came from the cache; the others of `pieces` were computed.
    reused: usize,
    shown: usize,
    layers: usize,
    positions: usize,
}

impl Columns {
    fn stride(&self) -> f64 {
        if self.shown <= FIT { COLUMN.0 } else { COLUMN.1 }
    }

    fn x(&self, column: usize) -> f64 {
        NAMES + self.stride() * column as f64
    }

    fn height(&self) -> f64 {
        self.layers as f64 * ROW
    }

    /// The cells of some columns as one path: the left (keys) or the right (values) of each pair.
    fn cells(&self, columns: std::ops::Range<usize>, values: bool) -> String {
        let width = (self.stride() - 6.0) / 2.0;
        let mut path = String::new();
        for column in columns {
            let x = self.x(column) + 3.0 + if values { width } else { 0.0 };
            for layer in 0..self.layers {
                // Writing to a string cannot fail.
                let _ = write!(
                    path,
                    "M{x:.1} {:.1}h{:.1}v{}h-{:.1}z",
                    layer as f64 * ROW,
                    width - 1.0,
                    ROW - 2.0,
                    width - 1.0
                );
            }
        }
        path
    }
}

/// The figure with its sentence.
#[component]
pub(super) fn Cache() -> impl IntoView {
    let player = expect_context::<Player>();
    let columns = Memo::new(move |_| {
        player.shown.with(|step| {
            let Some(step) = step else { return Columns::default() };
            let run = &step.run;
            let short = |piece: &str| {
                let piece = piece.trim();
                let cut: String = piece.chars().take(FITS).collect();
                if cut.len() < piece.len() { format!("{cut}…") } else { cut }
            };
            Columns {
                pieces: run.tokens.iter().map(|token| short(&token.piece)).collect(),
                reused: run.tokens.len().saturating_sub(run.computed),
                shown: FIT.max(run.tokens.len() + FREE).min(run.model.positions),
                layers: run.model.layers,
                positions: run.model.positions,
            }
        })
    });
    let sentence = move || {
        player.shown.with(|step| {
            let step = step.as_ref()?;
            let (run, reused) = (&step.run, columns.with(|columns| columns.reused));
            Some(tr(
                "generate-cache-sentence",
                &[
                    ("computed", run.computed.into()),
                    ("reused", reused.into()),
                    ("positions", run.tokens.len().into()),
                    ("layers", run.model.layers.into()),
                    ("hidden", run.model.hidden.into()),
                    ("size", size(step.cache_bytes()).into()),
                ],
            ))
        })
    };
    let label = move || {
        columns.with(|columns| {
            let words = [
                ("positions", columns.pieces.len().into()),
                ("layers", columns.layers.into()),
                ("computed", (columns.pieces.len() - columns.reused).into()),
            ];
            tr("generate-cache-label", &words)
        })
    };
    let region = NodeRef::<html::Div>::new();
    let end = move || columns.with(|columns| columns.x(columns.pieces.len() + FREE));
    let width = move || columns.with(|columns| columns.x(columns.shown));
    let seen = width_of(move || Some(region.get()?.into()));
    scroll_sideways(region, seen, width, move || Some(end() - seen.get()));
    let of = move |read: fn(&Columns) -> String| columns.with(read);
    let names = move || {
        columns.with(|columns| {
            let y = columns.height() + 17.0;
            let name = |(at, piece): (usize, &String)| {
                let (new, x) = (at >= columns.reused, columns.x(at) + columns.stride() / 2.0);
                view! { <text class:c=new x=x.to_string() y=y.to_string()>{piece.clone()}</text> }
            };
            columns.pieces.iter().enumerate().map(name).collect_view()
        })
    };
    view! {
        <section class="kv" aria-labelledby="generate-cache">
            <div class="head">
                <h2 class="lbl" id="generate-cache">{t("generate-cache")}</h2>
                <span class="small muted" data-cache="">{move || sentence()}</span>
            </div>
            <div class="kvbox" node_ref=region tabindex="0" role="region" aria-label=t("generate-cache-region")>
                <svg
                    role="img"
                    aria-label=move || label()
                    width=move || of(|columns| columns.x(columns.shown).to_string())
                    height=move || of(|columns| (columns.height() + 26.0).to_string())
                    viewBox=move || of(|c| format!("0 -2 {} {}", c.x(c.shown), c.height() + 26.0))
                >
                    <path class="k" d=move || of(|c| c.cells(0..c.reused, false))></path>
                    <path class="v" d=move || of(|c| c.cells(0..c.reused, true))></path>
                    <path class="new" d=move || of(|c| c.cells(c.reused..c.pieces.len(), false))></path>
                    <path class="new" d=move || of(|c| c.cells(c.reused..c.pieces.len(), true))></path>
                    <path class="free" d=move || of(|c| c.cells(c.pieces.len()..c.shown, false))></path>
                    <path class="free" d=move || of(|c| c.cells(c.pieces.len()..c.shown, true))></path>
                    <rect
                        class="frame"
                        x=move || of(|c| (c.x(c.reused) + 0.5).to_string())
                        y="-1"
                        width=move || of(|c| (c.x(c.pieces.len()) - c.x(c.reused) - 1.0).max(0.0).to_string())
                        height=move || of(|c| (c.height() + 1.0).to_string())
                    ></rect>
                    {move || names()}
                    <text class="s start" x="0" y=ROW.to_string()>{tr("generate-layer", &[("layer", 1.into())])}</text>
                    <text class="s start" x="0" y=move || of(|c| (c.height() - 1.0).to_string())>
                        {move || {
                            let layers = columns.with(|columns| columns.layers);
                            (layers > 1).then(|| tr("generate-layer", &[("layer", layers.into())]))
                        }}
                    </text>
                </svg>
            </div>
            <p class="micro muted">
                {move || {
                    let positions = columns.with(|columns| columns.positions);
                    tr("generate-cache-note", &[("max", thousands(positions).into())])
                }}
            </p>
        </section>
    }
}

/// Bytes in the unit that a person reads: KiB below one MiB.
fn size(bytes: usize) -> String {
    let kibibytes = bytes as f64 / 1024.0;
    if kibibytes < 1024.0 {
        tr("generate-kib", &[("n", format!("{kibibytes:.0}").into())])
    } else {
        tr("generate-mib", &[("n", format!("{:.1}", kibibytes / 1024.0).into())])
    }
}
