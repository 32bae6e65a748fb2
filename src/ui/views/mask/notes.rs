//! The notes beside the figure.

use leptos::prelude::*;

use super::lesson::Lesson;
use crate::trace::Family;
use crate::ui::components::prose::Prose;
use crate::ui::words::{t, tr};

/// Title, text, what to notice, and the most useful keys.
#[component]
pub(super) fn Notes() -> impl IntoView {
    view! {
        <aside class="notes">
            <h1 id="mask-title">{t("mask-title")}</h1>
            <Text/>
            <div class="notice">
                <h2>{t("mask-notice-title")}</h2>
                <p>{t("mask-notice")}</p>
            </div>
            <div class="keys">
                <kbd>"M"</kbd><span>{t("mask-key-mask")}</span>
                <kbd>"G"</kbd><span>{t("mask-key-guess")}</span>
                <kbd>"←"</kbd><span>{t("mask-key-and")}" "<kbd>"→"</kbd>" "{t("mask-key-move")}</span>
                <kbd>"?"</kbd><span>{t("mask-key-all")}</span>
            </div>
        </aside>
    }
}

/// What the lesson is about.
#[component]
pub(super) fn Text() -> impl IntoView {
    let app = expect_context::<Lesson>().app;
    let layers =
        move || app.status.with(|all| all.get(&Family::Bert).map_or(0, |status| status.model.layers));
    view! {
        <Prose key="mask-text-1"/>
        <p>{move || tr("mask-text-2", &[("layers", layers().into())])}</p>
    }
}
