//! The lesson "Fill the mask": from a sentence with a blank to the words that BERT would put there.

mod actions;
mod answer;
mod cover;
mod editor;
mod embed;
mod figure;
mod flow;
mod guess;
mod keys;
mod lesson;
mod note;
mod notes;
mod table;

use leptos::prelude::*;

pub(super) use self::embed::MaskEmbed;

use self::actions::MaskAction;
use self::lesson::{EXAMPLES, Lesson};
use crate::ui::app::App;
use crate::ui::components::examples::Empty;
use crate::ui::components::notes::FoldedNotes;
use crate::ui::components::problem::ProblemNote;
use crate::ui::components::table_switch::TableSwitch;
use crate::ui::words::{t, tr};

/// The lesson.
#[component]
pub(super) fn MaskView() -> impl IntoView {
    let app = expect_context::<App>();
    let lesson = Lesson::new(app);
    provide_context(lesson);
    keys::listen(lesson);
    view! {
        <section
            class="view mask"
            data-view="mask"
            data-voice="bert"
            aria-labelledby="mask-title"
            aria-busy=move || lesson.busy.get().to_string()
        >
            <div class="wrap cols">
                <notes::Notes/>
                <div class="fig">
                    <editor::Editor/>
                    <ProblemNote problem=lesson.problem/>
                    <Content/>
                </div>
                <FoldedNotes><notes::Text/></FoldedNotes>
            </div>
        </section>
    }
}

/// The figure with the answer under it, or what stands in their place.
#[component]
fn Content() -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let state = lesson.app.state;
    let has_text = Memo::new(move |_| state.with(|state| !state.mask.text().trim().is_empty()));
    let has_blank = Memo::new(move |_| state.with(|state| !state.mask.blanks().is_empty()));
    let has_run = Memo::new(move |_| lesson.run.with(Option::is_some));
    let waiting = move || {
        let waits = lesson.problem.with(Option::is_none);
        waits.then(|| view! { <p class="small muted waiting">{t("mask-waiting")}</p> })
    };
    view! {
        <Show when=move || has_text.get() fallback=move || view! { <Empty examples=&EXAMPLES on_choose=Callback::new(move |text: String| lesson.show_text(&text))/> }>
            <Show when=move || has_run.get() fallback=move || waiting>
                <div class="tokens" data-panel="tokens">
                    <Tokens/>
                    <note::TooLong/>
                </div>
                <Show when=move || has_blank.get() fallback=|| view! { <note::NothingHidden/> }>
                    <div class="below" data-panel="predictions">
                        <guess::GuessBox/>
                        <answer::AnswerBox/>
                        <cover::CoverBox/>
                    </div>
                </Show>
            </Show>
        </Show>
    }
}

/// The token figure, or the same as a table, under a line that says what is pointed at and what can be done.
#[component]
fn Tokens() -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let readout = RwSignal::new(None::<String>);
    let said = move || lesson.remark.get().or_else(|| readout.get());
    let action = Memo::new(move |_| lesson.mask_action());
    let mask = move || {
        let label = match action.get()? {
            MaskAction::Hide { text, .. } => tr("mask-hide", &[("word", text.into())]),
            MaskAction::Restore { original, .. } => tr("mask-unhide", &[("word", original?.into())]),
        };
        Some(view! {
            <button type="button" class="act" data-action="mask" on:click=move |_| lesson.toggle_mask()>
                {label}<kbd aria-hidden="true">"M"</kbd>
            </button>
        })
    };
    let put = Memo::new(move |_| {
        lesson.app.state.with(|state| {
            let blank = state.mask.focused().filter(|blank| blank.filled)?;
            state.mask.text().get(blank.span.clone()).map(str::to_owned)
        })
    });
    let take_out = move || {
        put.get().map(|word| {
            view! {
                <button
                    type="button"
                    class="act"
                    data-action="take-out"
                    on:click=move |_| {
                        lesson.take_out();
                    }
                >
                    {tr("mask-take-out", &[("word", word.into())])}<kbd aria-hidden="true">"⌫"</kbd>
                </button>
            }
        })
    };
    let counter = move || {
        let (count, limit) = lesson.token_count().filter(|(count, limit)| count * 5 >= limit * 4)?;
        Some(view! {
            <span class="counter" class:over={count > limit} data-counter="">
                {tr("mask-counter", &[("n", count.into()), ("max", limit.into())])}
            </span>
        })
    };
    view! {
        <div class="figbar">
            <p class="readout" data-readout="">{move || said()}</p>
            {move || counter()}
            {move || take_out()}
            {move || mask()}
            <TableSwitch as_table=lesson.as_table/>
        </div>
        <Show
            when=move || lesson.as_table.get()
            fallback=move || view! { <figure::TokenFigure readout room=flow::ON_PAGE/> }
        >
            <table::DataTable/>
        </Show>
    }
}
