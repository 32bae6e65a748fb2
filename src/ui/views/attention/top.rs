//! The sentence, and which models and tokens are shown.

use std::ops::Range;

use leptos::prelude::*;

use super::lesson::{EXAMPLES, Lesson};
use crate::ui::components::examples::Examples;
use crate::ui::components::sentence::{Mark, Sentence};
use crate::ui::state::Show as Shown;
use crate::ui::words::t;

/// The editable sentence with the choices beside it.
#[component]
pub(super) fn Top() -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let choice = move |show: Shown| {
        let key = match show {
            Shown::Bert => "model-name-bert",
            Shown::Gpt => "model-name-gpt",
            Shown::Both => "attention-both",
        };
        view! {
            <button
                type="button"
                data-show=show.name()
                aria-pressed=move || (lesson.show.get() == show).to_string()
                on:click=move |_| lesson.show_models(show)
            >
                {t(key)}
            </button>
        }
    };
    let marks =
        Memo::new(move |_| unread(lesson).map(|span| Mark { span, class: "unread", label: String::new() }));
    view! {
        <div class="head top">
            <Sentence
                text=lesson.text
                marks=Signal::derive(move || marks.get().into_iter().collect())
                label=Signal::derive(|| t("attention-sentence"))
                on_change=Callback::new(move |text| lesson.set_text(text))
            />
            <Examples examples=&EXAMPLES on_choose=Callback::new(move |text| lesson.show_example(text))/>
            <span class="seg" role="group" aria-label=t("attention-show")>
                {Shown::ALL.map(choice).collect_view()}
            </span>
            <button
                type="button"
                class="tog"
                data-action="special"
                aria-pressed=move || lesson.special_hidden.get().to_string()
                on:click=move |_| lesson.toggle_special()
            >
                {t("attention-special")}
            </button>
        </div>
    }
}

/// The end of the sentence that a shown model did not read.
fn unread(lesson: Lesson) -> Option<Range<usize>> {
    let read = lesson.shown().filter_map(|model| {
        model.run.with(|run| {
            let run = run.as_ref().filter(|run| run.truncated > 0)?;
            // Tokens that were added stand nowhere in the text.
            run.tokens.iter().filter(|token| token.start < token.end).map(|token| token.end).max()
        })
    });
    let from = read.min()?;
    Some(from..lesson.text.with(String::len)).filter(|span| span.start < span.end)
}
