//! The sentence, and the prepared ones.

use leptos::{html, prelude::*};

use super::lesson::{EXAMPLES, Lesson};
use crate::ui::components::sentence::Sentence;
use crate::ui::words::t;

/// The editable sentence with the menu of examples.
#[component]
pub(super) fn Editor() -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let state = lesson.app.state;
    let text = Memo::new(move |_| state.with(|state| state.mask.text().to_owned()));
    let marks = Memo::new(move |_| lesson.marks());
    view! {
        <div class="head">
            <Sentence
                text
                marks
                label=Signal::derive(|| t("mask-sentence"))
                on_change=Callback::new(move |text: String| {
                    lesson.selected.set(None);
                    state.update(|state| state.mask.set_text(&text));
                })
                on_caret=Callback::new(move |place| lesson.select_at(place))
            />
            <Examples/>
        </div>
    }
}

/// The menu of prepared sentences.
#[component]
fn Examples() -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let menu = NodeRef::<html::Details>::new();
    let close = move || {
        if let Some(menu) = menu.get_untracked() {
            menu.set_open(false);
        }
    };
    let example = move |key: &'static str| {
        let choose = move |_| {
            lesson.show_text(&t(key));
            close();
        };
        view! { <li><button type="button" data-example=key on:click=choose>{t(key)}</button></li> }
    };
    view! {
        <details
            class="menu"
            node_ref=menu
            on:keydown=move |event| {
                if event.key() == "Escape" {
                    close();
                }
            }
        >
            <summary class="link small">{t("mask-examples")}</summary>
            <ul>{EXAMPLES.into_iter().map(example).collect_view()}</ul>
        </details>
    }
}
