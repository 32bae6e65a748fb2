//! The text: the prompt, the tokens that follow it, and the slot of the next one; and what is to be said about it.

use leptos::prelude::*;

use super::player::{EXAMPLES, Player, Stop};
use crate::ui::components::examples::Empty;
use crate::ui::components::sentence::Sentence;
use crate::ui::figure;
use crate::ui::words::{t, tr};

/// The prompt, which can be edited, with its continuation.
#[component]
pub(super) fn Continued(
    /// Whether the prompt is a field.
    editable: bool,
) -> impl IntoView {
    let player = expect_context::<Player>();
    let prompt = Memo::new(move |_| player.read(|state| state.text().to_owned()));
    if !editable {
        return view! {
            <p class="sentence"><span class="sentence-text">{move || prompt.get()}<Continuation/></span></p>
        }
        .into_any();
    }
    let change = Callback::new(move |text: String| player.set_text(&text));
    view! {
        <Sentence text=prompt on_change=change label=Signal::derive(|| t("generate-prompt"))>
            <Continuation/>
        </Sentence>
        // The sentence draws its letters for the eye alone; this is the part that is in no field.
        <p class="vh">{move || tr("generate-continuation", &[("text", continuation(player).into())])}</p>
    }
    .into_any()
}

/// What follows the prompt, as one text.
fn continuation(player: Player) -> String {
    let ids = player.read(|state| state.branches().ids());
    ids.into_iter().map(|id| player.piece(id)).collect()
}

/// The drawn tokens, underlined, and the slot of the next.
#[component]
fn Continuation() -> impl IntoView {
    let player = expect_context::<Player>();
    let tokens = Memo::new(move |_| {
        player.read(|state| state.branches().ids().into_iter().enumerate().collect::<Vec<_>>())
    });
    let token = move |(at, id): (usize, u32)| {
        let piece = Memo::new(move |_| player.piece(id));
        // The space before a word belongs to the token, but is not underlined.
        let space = move || piece.with(|piece| if piece.starts_with(' ') { " " } else { "" });
        let word = move || piece.with(|piece| piece.strip_prefix(' ').unwrap_or(piece).to_owned());
        view! {
            {move || space()}
            <span class="gt" data-token=at>{move || word()}</span>
        }
    };
    view! {
        <For each=move || tokens.get() key=|token| *token children=token/>
        <span class="caret" class:ended=move || player.stop.get().is_some() aria-hidden="true"></span>
    }
}

/// What is to be said about the text: there is none, it is too long, it has come to an end, or no branch is free.
#[component]
pub(super) fn Remarks() -> impl IntoView {
    let player = expect_context::<Player>();
    let unread = Memo::new(move |_| {
        let here = player.shown.get()?;
        let (run, text) = (&here.run, player.read(|state| state.text().to_owned()));
        (run.truncated > 0 && run.text == text)
            .then(|| (run.tokens.len() + run.truncated, run.model.positions, figure::unread(run).to_owned()))
    });
    let stop = move || match player.stop.get()? {
        Stop::Ended => Some(t("generate-ended")),
        Stop::Full(_) if unread.with(Option::is_some) => None,
        Stop::Full(positions) => Some(tr("generate-full", &[("max", positions.into())])),
    };
    view! {
        <Show when=move || player.blank.get()>
            <Empty examples=&EXAMPLES on_choose=Callback::new(move |text: String| player.set_text(&text))/>
        </Show>
        <div role="status">
            {move || unread.get().map(|(tokens, positions, rest)| view! {
                <div class="note">
                    <p class="note-title">
                        {tr("generate-long-title", &[("n", tokens.into()), ("max", positions.into())])}
                    </p>
                    <p class="small muted">{t("generate-long-line")}</p>
                    <p class="cut" tabindex="0">{rest}</p>
                </div>
            })}
            {move || stop().map(|words| view! { <p class="small remark" data-remark="stop">{words}</p> })}
            {move || player.crowded.get().then(|| view! {
                <p class="small remark" data-remark="crowded">{t("generate-crowded")}</p>
            })}
        </div>
    }
}
