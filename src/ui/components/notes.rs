//! What the notes of all lessons have in common.

use leptos::prelude::*;

use super::keycaps::{Key, Keys};
use super::prose::Prose;
use crate::ui::words::t;

/// The notes beside a lesson's figure: title, text, what to notice, and the most useful keys.
#[component]
pub(in crate::ui) fn LessonNotes(
    /// The title's message, whose name is the heading's id, too.
    title: &'static str,
    /// The message that says what to notice.
    notice: &'static str,
    /// The keys.
    keys: &'static [Key],
    /// What stands between title and notice.
    children: Children,
) -> impl IntoView {
    view! {
        <aside class="notes">
            <h1 id=title>{t(title)}</h1>
            {children()}
            <div class="notice">
                <h2>{t("notes-notice")}</h2>
                <Prose key=notice/>
            </div>
            <Keys keys/>
        </aside>
    }
}

/// A lesson's text, folded, at the end of a narrow page.
#[component]
pub(in crate::ui) fn FoldedNotes(
    /// The text.
    children: Children,
) -> impl IntoView {
    view! {
        <details class="folded">
            <summary>{t("notes-more")}</summary>
            {children()}
        </details>
    }
}
