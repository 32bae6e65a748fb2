//! The lesson "Attention": who looks at whom, in BERT beside GPT on one sentence.

mod drill;
mod embed;
mod heads;
mod keys;
mod lesson;
mod looks;
mod notes;
mod off;
mod panel;
mod shader;
mod table;
mod top;
mod watch;

use leptos::prelude::*;

pub(super) use self::embed::AttentionEmbed;

use self::lesson::{EXAMPLES, Lesson};
use crate::trace::Family;
use crate::ui::app::App;
use crate::ui::components::examples::Empty;
use crate::ui::components::measure::holds;
use crate::ui::components::notes::FoldedNotes;
use crate::ui::components::table_switch::TableSwitch;

/// Where the page is narrow (design: section 2).
const NARROW: &str = "(max-width: 760px)";

/// The lesson.
#[component]
pub(super) fn AttentionView() -> impl IntoView {
    let app = expect_context::<App>();
    let lesson = Lesson::new(app);
    provide_context(lesson);
    keys::listen(lesson);
    let narrow = holds(NARROW);
    let has_text = Memo::new(move |_| lesson.text.with(|text| !text.trim().is_empty()));
    let alone = Memo::new(move |_| lesson.shown().count() == 1);
    let has_row = Memo::new(move |_| lesson.computed().is_some());
    view! {
        <section
            class="view attention"
            data-view="attention"
            aria-labelledby="attention-title"
            aria-busy=move || lesson.shown().any(|model| model.busy.get() || model.measuring.get()).to_string()
        >
            <div class="wrap cols">
                <notes::Notes narrow/>
                <div class="fig">
                    <top::Top/>
                    <Show when=move || has_text.get() fallback=move || view! { <Empty examples=&EXAMPLES on_choose=Callback::new(move |text| lesson.show_example(text))/> }>
                        <div class="duo" class:alone=alone>
                            <TableSwitch as_table=lesson.as_table/>
                            <For
                                each=move || lesson.shown()
                                key=|model| model.family
                                children=move |model: lesson::Model| {
                                    let family: Family = model.family;
                                    view! { <panel::Panel family narrow/> }
                                }
                            />
                        </div>
                        <Show when=move || has_row.get()>
                            <div class="under" class:alone=alone>
                                <looks::WhereItLooks/>
                                <drill::HowItIsComputed/>
                            </div>
                        </Show>
                        <shader::Shader/>
                    </Show>
                </div>
                <FoldedNotes><notes::Text/></FoldedNotes>
            </div>
        </section>
    }
}
