//! The notes beside the figures.

use leptos::prelude::*;

use crate::ui::components::keycaps::Cap::{Named, Sign};
use crate::ui::components::keycaps::Key;
use crate::ui::components::notes::LessonNotes;
use crate::ui::components::prose::Prose;

const KEYS: &[Key] = &[
    (&[Sign("→")], "generate-key-next"),
    (&[Sign("←")], "generate-key-rewind"),
    (&[Named("keys-key-space")], "keys-generate-play"),
    (&[Sign("↑"), Sign("↓")], "generate-key-candidate"),
    (&[Named("keys-key-enter")], "generate-key-enter"),
    (&[Sign("?")], "notes-keys"),
];

/// The notes.
#[component]
pub(super) fn Notes() -> impl IntoView {
    view! { <LessonNotes title="generate-title" notice="generate-notice" keys=KEYS><Text/></LessonNotes> }
}

/// What the lesson is about.
#[component]
pub(super) fn Text() -> impl IntoView {
    view! {
        <Prose key="generate-text-1"/>
        <Prose key="generate-text-2"/>
    }
}
