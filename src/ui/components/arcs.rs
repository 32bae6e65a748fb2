//! Where one word looks, as arcs over and under a strip of words: one model above, the other below.

use std::ops::Range;

use leptos::{html, prelude::*};

use super::measure::width_of;
use crate::ui::attention::{Arc, Strip, WORD_HEIGHT, stretches};
use crate::ui::format::whole_percent;

/// The height of one side's arcs and numbers.
const SIDE: f64 = 74.0;

/// Room for the hatched part, beside the numbers.
const HATCH: (f64, f64) = (15.0, 40.0);

/// The narrowest hatched part that is labelled.
const LABELLED: f64 = 150.0;

/// Shares above this are printed in bold.
const HEAVY: f32 = 0.1;

/// What one side shows.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::ui) struct Side {
    /// `bert` or `gpt`: whose colours.
    pub voice: &'static str,
    /// The share of each word, 0 to 1; none where it is not visible.
    pub shares: Vec<Option<f32>>,
    /// What stands in the part that is not visible.
    pub hidden: String,
}

/// A strip of words with the arcs from one of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::ui) struct Looks {
    /// The words.
    pub words: Vec<String>,
    /// The one that looks.
    pub from: usize,
    /// The arcs above.
    pub above: Option<Side>,
    /// The arcs below.
    pub below: Option<Side>,
}

/// The figure.
#[component]
pub(in crate::ui) fn Arcs(
    /// What it shows.
    #[prop(into)]
    looks: Signal<Looks>,
    /// The same in one sentence.
    #[prop(into)]
    label: Signal<String>,
    /// What the region is called that scrolls sideways where the figure does not fit.
    #[prop(into)]
    region: Signal<String>,
) -> impl IntoView {
    let frame = NodeRef::<html::Div>::new();
    let room = width_of(move || frame.get().map(|frame| frame.into()));
    let figure = move || {
        let room = room.get();
        (room > 0.0).then(|| looks.with(|looks| figure(looks, room, label)))
    };
    view! {
        <div class="arcs-frame" node_ref=frame tabindex="0" role="region" aria-label=move || region.get()>
            {move || figure()}
        </div>
    }
}

fn figure(looks: &Looks, room: f64, label: Signal<String>) -> impl IntoView + use<> {
    let strip = Strip::new(&looks.words, room);
    let top = if looks.above.is_some() { SIDE } else { 4.0 };
    let height = top + WORD_HEIGHT + if looks.below.is_some() { SIDE } else { 4.0 };
    let middle = top + WORD_HEIGHT / 2.0;
    let above = looks.above.as_ref().map(|side| side_view(&strip, looks.from, side, middle, true));
    let below = looks.below.as_ref().map(|side| side_view(&strip, looks.from, side, middle, false));
    let word = |(at, word): (usize, &String)| {
        let from = at == looks.from;
        let (x, width) = (strip.middles[at], strip.widths[at] + 10.0);
        let frame = from.then(|| {
            view! { <rect class="arcs-from" x=x - width / 2.0 y=top width=width height=WORD_HEIGHT rx="4"/> }
        });
        view! {
            {frame}
            <text class="arcs-word" class:sel=from x=x y=middle + 5.0>{word.clone()}</text>
        }
    };
    let words = looks.words.iter().enumerate().map(word).collect_view();
    view! {
        <svg
            class="arcs"
            role="img"
            aria-label=move || label.get()
            width=strip.width
            height=height
            viewBox=format!("0 0 {} {height}", strip.width)
        >
            <defs>
                <pattern id="arcs-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
                    <rect class="hatch-ground" width="6" height="6"/>
                    <line class="hatch-line" x1="0" x2="0" y1="0" y2="6"/>
                </pattern>
            </defs>
            {above}
            {below}
            {words}
        </svg>
    }
}

fn side_view(strip: &Strip, from: usize, side: &Side, middle: f64, up: bool) -> impl IntoView + use<> {
    let away = |distance: f64| if up { middle - distance } else { middle + distance };
    let arc = |(to, share): (usize, &Option<f32>)| {
        let share = (*share)?;
        let arc = (to != from).then(|| Arc::new(strip, from, to, share)).flatten().map(|arc| {
            view! {
                <path d=arc.path(away(32.0), up) stroke-width=format!("{:.1}", arc.width) stroke-opacity=format!("{:.2}", arc.opacity)/>
            }
        });
        let y = away(22.5) + 4.5;
        Some(view! {
            {arc}
            <text class="arcs-share" class:sel={share > HEAVY} x=strip.middles.get(to).copied()? y=y>{whole_percent(share)}</text>
        })
    };
    let hidden = |words: Range<usize>| {
        let (left, right) = strip.extent(words)?;
        let (near, far) = (away(HATCH.0), away(HATCH.0 + HATCH.1));
        let label = (right - left >= LABELLED && !side.hidden.is_empty()).then(|| {
            let (x, y) = ((left + right) / 2.0, (near + far) / 2.0);
            // About as wide as the words in their type, and never wider than the hatched part.
            let width = (side.hidden.chars().count() as f64 * 6.6 + 12.0).min(right - left);
            view! {
                <rect class="arcs-plate" x=x - width / 2.0 y=y - 9.5 width=width height="19"/>
                <text class="arcs-note" x=x y=y + 4.5>{side.hidden.clone()}</text>
            }
        });
        Some(view! {
            <rect fill="url(#arcs-hatch)" x=left y=near.min(far) width=right - left height=HATCH.1/>
            {label}
        })
    };
    let arcs = side.shares.iter().enumerate().map(arc).collect_view();
    let gaps = stretches(side.shares.iter().map(Option::is_some)).into_iter();
    let gaps = gaps.filter(|(visible, _)| !visible).map(|(_, words)| hidden(words)).collect_view();
    view! { <g class="arcs-side" data-voice=side.voice>{gaps}{arcs}</g> }
}
