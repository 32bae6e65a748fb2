//! The notes beside the figure, with the heads of the models that are shown.

use leptos::prelude::*;

use super::heads::Heads;
use super::lesson::Lesson;
use crate::ui::components::keycaps::Cap::Sign;
use crate::ui::components::keycaps::Key;
use crate::ui::components::notes::LessonNotes;
use crate::ui::components::prose::Prose;

const KEYS: &[Key] = &[
    (&[Sign("["), Sign("]")], "attention-key-head"),
    (&[Sign("O")], "attention-key-off"),
    (&[Sign("{"), Sign("}")], "attention-key-layer"),
    (&[Sign("S")], "attention-key-special"),
];

/// The notes, with the heads under the title.
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
        <LessonNotes title="attention-title" notice="attention-notice" keys=KEYS>
            {move || heads()}
            <Text/>
        </LessonNotes>
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
