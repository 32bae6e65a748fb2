//! The sentence, and which models and tokens are shown.

use leptos::prelude::*;

use super::lesson::{EXAMPLES, Lesson};
use crate::ui::components::sentence::Sentence;
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
    view! {
        <div class="head top">
            <Sentence
                text=lesson.text
                label=Signal::derive(|| t("attention-sentence"))
                on_change=Callback::new(move |text| lesson.set_text(text))
            />
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
            <button
                type="button"
                class="act"
                data-action="table"
                on:click=move |_| lesson.as_table.update(|table| *table = !*table)
            >
                {move || if lesson.as_table.get() { t("attention-as-figure") } else { t("attention-as-table") }}
            </button>
        </div>
    }
}

/// What stands in the place of the figure while there is no text.
#[component]
pub(super) fn Empty() -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let example = move |key: &'static str| {
        view! {
            <li>
                <button type="button" class="link q" data-example=key on:click=move |_| lesson.show_example(key)>{t(key)}</button>
            </li>
        }
    };
    view! {
        <div class="note" role="status">
            <p class="note-title">{t("attention-empty-title")}</p>
            <p class="small muted">{t("attention-empty-line")}</p>
            <ul>{EXAMPLES.into_iter().take(3).map(example).collect_view()}</ul>
        </div>
    }
}
