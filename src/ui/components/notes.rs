//! What the notes of all lessons have in common.

use leptos::prelude::*;

/// A lesson's text, folded, at the end of a narrow page.
#[component]
pub(in crate::ui) fn FoldedNotes(
    /// What opens it.
    summary: String,
    /// The text.
    children: Children,
) -> impl IntoView {
    view! {
        <details class="folded">
            <summary>{summary}</summary>
            {children()}
        </details>
    }
}
