//! Heads that are switched off: the switch of the chosen one, and what that did.

use leptos::prelude::*;

use super::lesson::{LIMIT, Lesson, Model};
use crate::ui::attention::{Change, Unwatched, Watch};
use crate::ui::components::prose::{marked, plain};
use crate::ui::format::{percent, points};
use crate::ui::words::{t, tr};

/// "Head on", for the head that is looked at.
#[component]
pub(super) fn HeadSwitch(
    /// Whose.
    model: Model,
) -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let on = move || !model.is_off(model.head.get());
    view! {
        <button
            type="button"
            class="tog"
            data-action="head"
            aria-pressed=move || on().to_string()
            on:click=move |_| lesson.toggle_this_head(model.family)
        >
            {t("attention-head-on")}
        </button>
    }
}

/// What the heads that are off did to the probability that the row stands for, and the way back. Nothing while all
/// heads are on.
#[component]
pub(super) fn SwitchedOff(
    /// Whose.
    model: Model,
) -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let any = Memo::new(move |_| model.off.with(|off| !off.is_empty()));
    let says = Memo::new(move |_| any.get().then(|| says(model)).flatten());
    view! {
        <p class="off-line small" data-off="">
            <Show when=move || any.get()>
                <span>{move || says.get().map(|says| marked(&says))}</span>
                <button type="button" class="act" data-action="all-on" on:click=move |_| lesson.all_on(model.family)>
                    {t("attention-all-on")}
                </button>
            </Show>
        </p>
    }
}

fn says(model: Model) -> Option<String> {
    let (run, query) = (model.run.get()?, model.query.get());
    let unwatched = match query {
        Some(query) => Watch::new(&run, query, Vec::new(), LIMIT).err(),
        // A special token that the other model does not have.
        None => Some(Unwatched::OtherRow),
    };
    Some(match (unwatched, model.change.get()) {
        (Some(Unwatched::NoMask), _) => t("attention-off-no-mask"),
        (Some(Unwatched::OtherRow), _) => t("attention-off-other-row"),
        (Some(Unwatched::Last), _) => t("attention-off-last"),
        (None, None) => t("attention-off-waiting"),
        (None, Some(Change { piece, before, after })) => {
            let token = plain(piece.trim()).into();
            let change = points(before, after).into();
            let (before, after) = (percent(before).into(), percent(after).into());
            tr("attention-off", &[("token", token), ("before", before), ("after", after), ("points", change)])
        }
    })
}
