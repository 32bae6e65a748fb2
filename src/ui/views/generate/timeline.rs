//! The timeline: the text on top, other continuations dashed below; every token is a place to go to.

use leptos::{ev, html, prelude::*};

use super::player::Player;
use crate::ui::components::measure::{scroll_sideways, width_of};
use crate::ui::timeline::{Node, Tail, Timeline};
use crate::ui::words::{t, tr};

/// How many characters of a piece fit between two tokens.
const FITS: usize = 10;

/// How far left of the place of the next token the figure scrolls, as a part of its width.
const KEPT_IN_VIEW: f64 = 0.6;

/// The figure, in a region that scrolls sideways.
#[component]
pub(super) fn TimelineFigure() -> impl IntoView {
    let player = expect_context::<Player>();
    let prompt = Memo::new(move |_| {
        player.shown.with(|step| {
            step.as_ref().map_or(0, |step| step.run.tokens.len().saturating_sub(step.path.len()))
        })
    });
    let layout = Memo::new(move |_| player.read(|state| Timeline::of(state.branches(), prompt.get())));
    let many = Memo::new(move |_| player.read(|state| state.branches().all().len() > 1));
    let letter = move |branch: usize| {
        player.read(|state| {
            state.branches().all().get(branch).map(|branch| branch.letter.to_string()).unwrap_or_default()
        })
    };
    let region = NodeRef::<html::Div>::new();
    let next = move || layout.with(|layout| layout.slot.0);
    let width = move || layout.with(|layout| layout.width);
    let seen = width_of(move || Some(region.get()?.into()));
    scroll_sideways(region, seen, width, move || Some(next() - seen.get() * KEPT_IN_VIEW));
    let size = move |of: fn(&Timeline) -> f64| layout.with(of).to_string();
    let slot = move || layout.with(|layout| layout.slot);
    let first_line = move || {
        layout.with(|layout| {
            let (x, y) = layout.slot;
            format!("M{} {y}H{x}", layout.prompt_end)
        })
    };
    let step = move || player.read(|state| state.branches().cursor()) + 1;
    let current = move || letter(player.read(|state| state.branches().current()));
    let dots = move || {
        layout.with(|layout| {
            let y = layout.slot.1;
            layout
                .dots
                .iter()
                .map(|x| view! { <circle cx=*x cy=y r="4" class="prompt"></circle> })
                .collect_view()
        })
    };
    view! {
        <div class="tlbox" node_ref=region tabindex="0" role="region" aria-label=t("generate-timeline")>
            <svg
                class="tl"
                role="group"
                aria-label=t("generate-timeline")
                width=move || size(|layout| layout.width)
                height=move || size(|layout| layout.height)
            >
                <line
                    class="prompt"
                    x1="6"
                    x2=move || size(|layout| layout.prompt_end)
                    y1=move || slot().1.to_string()
                    y2=move || slot().1.to_string()
                ></line>
                <text class="s start" x="6" y=move || (slot().1 - 14.0).to_string()>
                    {move || tr("generate-prompt-tokens", &[("n", prompt.get().into())])}
                </text>
                {dots}
                <path class="taken" d=first_line></path>
                <For
                    each=move || layout.with(|layout| layout.tails.clone())
                    key=|tail| tail.clone().line
                    children=move |tail: Tail| view! { <path class="tail" d=tail.line></path> }
                />
                <For
                    each=move || layout.with(|layout| layout.nodes.iter().map(|node| node.key.clone()).collect::<Vec<_>>())
                    key=Clone::clone
                    children=move |key| view! { <Token layout key/> }
                />
                <g class="slot" data-step=move || step().to_string()>
                    <circle cx=move || slot().0 cy=move || slot().1 r="8"></circle>
                    <circle class="core" cx=move || slot().0 cy=move || slot().1 r="3"></circle>
                    <text class="c" x=move || slot().0.to_string() y=move || (slot().1 - 14.0).to_string()>
                        {move || tr("generate-step", &[("step", step().into())])}
                    </text>
                    <text
                        class="s start here"
                        x=move || (slot().0 + 20.0).to_string()
                        y=move || (slot().1 + 4.0).to_string()
                    >
                        {move || many.get().then(|| tr("generate-branch", &[("letter", current().into())]))}
                    </text>
                </g>
                <For
                    each=move || layout.with(|layout| if many.get() { layout.tails.clone() } else { Vec::new() })
                    key=move |tail| (letter(tail.branch), tail.line.clone())
                    children=move |tail| view! { <TailName tail/> }
                />
            </svg>
        </div>
    }
}

/// One token. It keeps its element, and so the focus, wherever it moves to.
#[component]
fn Token(layout: Memo<Timeline>, key: Vec<u32>) -> impl IntoView {
    let player = expect_context::<Player>();
    let id = key.last().copied().unwrap_or_default();
    let node =
        Memo::new(move |_| layout.with(|layout| layout.nodes.iter().find(|node| node.key == key).cloned()));
    let of = move |read: fn(&Node) -> f64| node.with(|node| node.as_ref().map_or(0.0, read));
    let taken = Memo::new(move |_| node.with(|node| node.as_ref().is_some_and(|node| node.taken)));
    let depth = Memo::new(move |_| node.with(|node| node.as_ref().map_or(0, |node| node.depth)));
    let go = move || {
        if let Some(node) = node.get_untracked() {
            player.focus(node.branch, node.depth);
        }
    };
    let on_keydown = move |event: ev::KeyboardEvent| {
        if matches!(event.key().as_str(), "Enter" | " ") {
            event.prevent_default();
            go();
        }
    };
    let x = move || of(|node| node.at.0);
    let y = move || of(|node| node.at.1);
    let word = move || {
        let piece = player.piece(id);
        let piece = piece.trim();
        let cut: String = piece.chars().take(FITS).collect();
        if cut.len() < piece.len() { format!("{cut}…") } else { cut }
    };
    // The text's words stand above its line, those of the others below theirs.
    let word_y = move || if taken.get() { y() - 14.0 } else { y() + 20.0 };
    let label = move || {
        let words = [("step", depth.get().into()), ("piece", player.piece(id).trim().to_owned().into())];
        tr(if taken.get() { "generate-node-taken" } else { "generate-node-other" }, &words)
    };
    view! {
        <g
            class="node"
            class:taken=move || taken.get()
            role="button"
            tabindex="0"
            data-step=move || depth.get().to_string()
            aria-label=label
            on:click=move |_| go()
            on:keydown=on_keydown
        >
            <rect class="hit" x=move || x() - 24.0 y=move || word_y().min(y()) - 16.0 width="48" height="46"></rect>
            <circle cx=x cy=y r="5"></circle>
            <text x=move || x().to_string() y=move || word_y().to_string() aria-hidden="true">{word}</text>
        </g>
    }
}

/// The name of another continuation, with the button that deletes it.
#[component]
fn TailName(tail: Tail) -> impl IntoView {
    let player = expect_context::<Player>();
    let (x, y) = tail.end;
    let branch = tail.branch;
    let letter = move || {
        player.read(|state| {
            state.branches().all().get(branch).map(|branch| branch.letter.to_string()).unwrap_or_default()
        })
    };
    let on_keydown = move |event: ev::KeyboardEvent| {
        if matches!(event.key().as_str(), "Enter" | " ") {
            event.prevent_default();
            player.delete(branch);
        }
    };
    view! {
        <text class="s start" x=(x + 18.0).to_string() y=(y + 4.0).to_string()>
            {move || tr("generate-branch", &[("letter", letter().into())])}
        </text>
        <g
            class="delete"
            role="button"
            tabindex="0"
            data-action="delete-branch"
            aria-label=move || tr("generate-delete", &[("letter", letter().into())])
            on:click=move |_| player.delete(branch)
            on:keydown=on_keydown
        >
            <rect x=x + 76.0 y=y - 12.0 width="24" height="24" rx="4"></rect>
            <path d=format!("M{} {}l8 8m0 -8l-8 8", x + 84.0, y - 4.0)></path>
        </g>
    }
}
