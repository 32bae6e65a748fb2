//! The notes beside the figure.

use leptos::prelude::*;

use super::lesson::Lesson;
use crate::trace::Family;
use crate::ui::components::keycaps::Cap::Sign;
use crate::ui::components::keycaps::Key;
use crate::ui::components::notes::LessonNotes;
use crate::ui::components::prose::Prose;
use crate::ui::words::tr;

const KEYS: &[Key] = &[
    (&[Sign("M")], "keys-mask-mask"),
    (&[Sign("G")], "keys-mask-guess"),
    (&[Sign("←"), Sign("→")], "mask-key-move"),
    (&[Sign("?")], "notes-keys"),
];

/// The notes.
#[component]
pub(super) fn Notes() -> impl IntoView {
    view! { <LessonNotes title="mask-title" notice="mask-notice" keys=KEYS><Text/></LessonNotes> }
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
