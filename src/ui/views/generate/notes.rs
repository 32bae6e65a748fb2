//! The notes beside the figures.

use leptos::prelude::*;

use crate::ui::words::t;

/// Title, text, what to notice, and the most useful keys.
#[component]
pub(super) fn Notes() -> impl IntoView {
    view! {
        <aside class="notes">
            <h1 id="generate-title">{t("generate-title")}</h1>
            <Text/>
            <div class="notice">
                <h2>{t("generate-notice-title")}</h2>
                <p>{t("generate-notice")}</p>
            </div>
            <div class="keys">
                <kbd>"→"</kbd>
                <span>{t("generate-key-next")}</span>
                <kbd>"←"</kbd>
                <span>{t("generate-key-rewind")}</span>
                <kbd>{t("generate-key-space-name")}</kbd>
                <span>{t("generate-key-space")}</span>
                <span>
                    <kbd>"↑"</kbd>
                    " "
                    <kbd>"↓"</kbd>
                </span>
                <span>{t("generate-key-candidate")}</span>
                <kbd>{t("generate-key-enter-name")}</kbd>
                <span>{t("generate-key-enter")}</span>
                <kbd>"?"</kbd>
                <span>{t("generate-key-all")}</span>
            </div>
        </aside>
    }
}

/// What the lesson is about.
#[component]
pub(super) fn Text() -> impl IntoView {
    view! {
        <p>{t("generate-text-1")}</p>
        <p>{t("generate-text-2")}</p>
    }
}
