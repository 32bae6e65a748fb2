//! The sentence, and the prepared ones.

use leptos::prelude::*;

use super::lesson::{EXAMPLES, Lesson};
use crate::ui::components::examples::Examples;
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
            <Examples examples=&EXAMPLES on_choose=Callback::new(move |text: String| lesson.show_text(&text))/>
        </div>
    }
}
