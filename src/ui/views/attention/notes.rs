//! The notes beside the figure, with the heads of the models that are shown.

use leptos::prelude::*;

use super::heads::Heads;
use super::lesson::Lesson;
use crate::ui::components::prose::Prose;
use crate::ui::words::t;

/// Title, heads, text, what to notice, and the most useful keys.
#[component]
pub(super) fn Notes(
    /// Whether the page is so narrow that the heads open from the figure instead.
    narrow: ReadSignal<bool>,
) -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let heads = move || {
        let wide = !narrow.get();
        wide.then(|| view! { <For each=move || lesson.shown() key=|model| model.family children=|model| view! { <Heads model/> }/> })
    };
    view! {
        <aside class="notes">
            <h1 id="attention-title">{t("attention-title")}</h1>
            {heads}
            <Text/>
            <div class="notice">
                <h2>{t("attention-notice-title")}</h2>
                <Prose key="attention-notice"/>
            </div>
            <div class="keys">
                <kbd>"["</kbd><span><kbd>"]"</kbd>" "{t("attention-key-head")}</span>
                <kbd>"{"</kbd><span><kbd>"}"</kbd>" "{t("attention-key-layer")}</span>
                <kbd>"S"</kbd><span>{t("attention-key-special")}</span>
                <kbd>"T"</kbd><span>{t("attention-key-table")}</span>
            </div>
        </aside>
    }
}

/// What the lesson is about.
#[component]
pub(super) fn Text() -> impl IntoView {
    view! {
        <Prose key="attention-text-1"/>
        <Prose key="attention-text-2"/>
    }
}
