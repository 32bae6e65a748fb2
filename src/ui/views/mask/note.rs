//! What stands where a figure would be when there is nothing to draw: one sentence, one line, what to do.

use leptos::prelude::*;

use super::lesson::Lesson;
use crate::ui::words::{t, tr};

/// A sentence with a line under it.
#[component]
fn Note(
    /// The sentence.
    #[prop(into)]
    title: Signal<String>,
    /// The line.
    #[prop(into)]
    line: Signal<String>,
    /// What can be done.
    children: Children,
) -> impl IntoView {
    view! {
        <div class="note" role="status">
            <p class="note-title">{move || title.get()}</p>
            <p class="small muted">{move || line.get()}</p>
            {children()}
        </div>
    }
}

/// The text has no blank.
#[component]
pub(super) fn NothingHidden() -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    view! {
        <Note title=Signal::derive(|| t("mask-none-title")) line=Signal::derive(|| t("mask-none-line"))>
            <button type="button" class="act" data-action="hide-a-word" on:click=move |_| lesson.hide_a_word()>
                {t("mask-none-action")}
            </button>
        </Note>
    }
}

/// The text has more tokens than the model reads, or nearly: the end that was left out.
#[component]
pub(super) fn TooLong() -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let unread =
        move || lesson.run.with(|run| run.as_deref().map(|run| crate::ui::figure::unread(run).to_owned()));
    let counts = Memo::new(move |_| lesson.token_count());
    let long = move || counts.get().is_some_and(|(count, limit)| count > limit);
    let title = Signal::derive(move || {
        let (count, limit) = counts.get().unwrap_or_default();
        tr("mask-long-title", &[("n", count.into()), ("max", limit.into())])
    });
    view! {
        <Show when=move || long()>
            <Note title line=Signal::derive(|| t("mask-long-line"))>
                <p class="cut" tabindex="0">{unread}</p>
            </Note>
        </Show>
    }
}
