//! One panel of the lesson for an iframe in slides: 16:9, large type, keys and clickers.

use leptos::prelude::*;

use super::answer::{Headless, bars};
use super::figure::TokenFigure;
use super::flow::IN_SLIDE;
use super::lesson::{EXAMPLES, Lesson};
use crate::ui::app::App;
use crate::ui::components::bars::Bars;
use crate::ui::components::keycaps::Cap::{Named, Sign};
use crate::ui::components::keycaps::group;
use crate::ui::components::problem::ProblemNote;
use crate::ui::components::sentence::{Sentence, SentenceText};
use crate::ui::components::strip::Chips;
use crate::ui::frame::embed::{Edge, edge};
use crate::ui::frame::keys::use_keys;
use crate::ui::state::Embed;
use crate::ui::words::{t, tr};

/// How many candidates a slide has room for.
const LISTED: usize = 5;

/// The panel that the address names.
#[component]
pub(in crate::ui) fn MaskEmbed() -> impl IntoView {
    let app = expect_context::<App>();
    let lesson = Lesson::new(app);
    provide_context(lesson);
    let part = |read: fn(&Embed) -> bool| {
        Memo::new(move |_| app.state.with(|state| state.embed.as_ref().is_some_and(read)))
    };
    let (edit, keys) = (part(|embed| embed.edit), part(|embed| embed.keys));
    let tokens = part(|embed| embed.panel == "tokens");
    let shown_at_first = move || {
        app.state.with_untracked(|state| {
            // Only the answer can be covered.
            let answer = |embed: &Embed| embed.panel != "tokens";
            let covered = |embed: &Embed| answer(embed) && (!embed.reveal || state.mask.guess);
            !state.embed.as_ref().is_some_and(covered)
        })
    };
    let revealed = RwSignal::new(shown_at_first());
    let example = Memo::new(move |_| {
        let input = app.state.with(|state| state.mask.input());
        EXAMPLES.iter().position(|key| t(key) == input)
    });
    let show_example =
        move |index: Option<usize>, beyond: Edge| match index.and_then(|index| EXAMPLES.get(index)) {
            Some(key) => {
                lesson.show_text(&t(key));
                revealed.set(shown_at_first());
            }
            None => edge(beyond),
        };
    use_keys(move |event| {
        let now = example.get_untracked();
        // The reader's own sentence stands alone: a clicker goes on to the next slide, not to the examples.
        let next = now.map(|now| now + 1);
        let last = now.and_then(|now| now.checked_sub(1));
        match event.key().as_str() {
            " " | "PageDown" if !revealed.get_untracked() => revealed.set(true),
            " " | "PageDown" => show_example(next, Edge::End),
            "PageUp" if revealed.get_untracked() && !shown_at_first() => revealed.set(false),
            "PageUp" => show_example(last, Edge::Start),
            "ArrowRight" => show_example(Some(next.unwrap_or(0)), Edge::End),
            "ArrowLeft" => show_example(last, Edge::Start),
            "c" | "C" => lesson.toggle_cover(),
            _ => return false,
        }
        true
    });

    let text = Memo::new(move |_| app.state.with(|state| state.mask.text().to_owned()));
    let marks = Memo::new(move |_| lesson.marks());
    let sentence = move || {
        if edit.get() {
            let on_change =
                Callback::new(move |text: String| app.state.update(|state| state.mask.set_text(&text)));
            view! { <Sentence text marks label=Signal::derive(|| t("mask-sentence")) on_change/> }.into_any()
        } else {
            view! { <p class="sentence"><span class="sentence-text"><SentenceText text marks/></span></p> }
                .into_any()
        }
    };
    let panel = move || {
        if tokens.get() {
            // A slide has no room for what is pointed at.
            return view! { <TokenFigure readout=RwSignal::new(None) room=IN_SLIDE/> }.into_any();
        }
        let of_run =
            move || lesson.run.with(|run| run.as_ref().map(|run| run.tokens.clone()).unwrap_or_default());
        view! {
            <Chips
                tokens=Signal::derive(of_run)
                words=Signal::derive(move || lesson.words.with(|words| words.as_ref().clone()))
                label=Signal::derive(|| t("mask-row-tokens"))
            />
            <Show
                when=move || revealed.get()
                fallback=move || {
                    view! {
                        <button type="button" class="covered-answer" on:click=move |_| revealed.set(true)>
                            <span>{t("mask-embed-covered")}</span>
                        </button>
                    }
                }
            >
                <Headless/>
                <Bars
                    bars=Signal::derive(move || bars(lesson, LISTED))
                    caption=Signal::derive(|| t("mask-predictions"))
                />
            </Show>
        }
        .into_any()
    };
    let examples = move || {
        let number = example.get().map_or(0, |at| at + 1);
        tr("mask-embed-examples", &[("n", number.into()), ("all", EXAMPLES.len().into())])
    };
    view! {
        <div class="mask-embed" data-panel=move || if tokens.get() { "tokens" } else { "predictions" }>
            {move || sentence()}
            <ProblemNote problem=lesson.problem/>
            <Show when=move || lesson.run.with(Option::is_some)>{move || panel()}</Show>
            <Show when=move || keys.get()>
                <p class="keyline">
                    {(!shown_at_first()).then(|| group(&[Named("keys-key-space")], t("mask-embed-reveal")))}
                    {group(&[Sign("←"), Sign("→")], examples)}
                    {group(&[Sign("C")], t("mask-embed-cover"))}
                </p>
            </Show>
        </div>
    }
}
