//! The notes beside the figure.

use leptos::prelude::*;

use super::lesson::Lesson;
use crate::trace::{Architecture, Family};
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
    let card = Memo::new(move |_| app.status.with(|all| Some(all.get(&Family::Bert)?.model.clone())));
    let how = move || {
        let (layers, segments, architecture) = card.with(|card| {
            card.as_ref()
                .map_or((0, 2, Architecture::Bert), |card| (card.layers, card.segments, card.architecture))
        });
        let pieces = if architecture == Architecture::Roberta { "bytes" } else { "words" };
        tr(
            "mask-text-2",
            &[("layers", layers.into()), ("segments", segments.into()), ("pieces", pieces.into())],
        )
    };
    view! {
        <Prose key="mask-text-1"/>
        <p>{how}</p>
    }
}
