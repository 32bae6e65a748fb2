//! One panel of the lesson for an iframe in slides: one head large, or all heads.

use leptos::prelude::*;

use super::heads::Heads;
use super::lesson::Lesson;
use super::off::SwitchedOff;
use super::panel::Figure;
use crate::trace::Family;
use crate::ui::app::App;
use crate::ui::attention::spoken;
use crate::ui::components::keycaps::Cap::{Named, Sign};
use crate::ui::components::keycaps::group;
use crate::ui::components::problem::ProblemNote;
use crate::ui::components::prose::{marked, plain};
use crate::ui::components::sentence::Sentence;
use crate::ui::figure::words;
use crate::ui::format::whole_percent;
use crate::ui::frame::keys::use_keys;
use crate::ui::state::{Embed, Show as Shown};
use crate::ui::words::{t, tr};

/// The panel that the address names.
#[component]
pub(in crate::ui) fn AttentionEmbed() -> impl IntoView {
    let app = expect_context::<App>();
    let lesson = Lesson::new(app);
    provide_context(lesson);
    let part = move |read: fn(&Embed) -> bool| {
        Memo::new(move |_| app.state.with(|state| state.embed.as_ref().is_some_and(read)))
    };
    let (edit, keys) = (part(|embed| embed.edit), part(|embed| embed.keys));
    let heads = part(|embed| embed.panel == "heads");
    use_keys(move |event| act(lesson, &event.key()));
    let panel = move || {
        if heads.get() {
            view! { <SlideSentence edit/><HeadsPanel/> }.into_any()
        } else {
            view! { <HeatmapPanel edit/> }.into_any()
        }
    };
    view! {
        <div class="attention-embed" data-panel=move || if heads.get() { "heads" } else { "heatmap" }>
            {move || panel()}
            <Show when=move || keys.get()>
                <p class="keyline">
                    {group(&[Sign("←"), Sign("→")], t("attention-key-head"))}
                    {group(&[Sign("↑"), Sign("↓")], t("attention-key-layer"))}
                    {group(&[Sign("O")], t("attention-key-off"))}
                    {group(&[Named("keys-key-space")], t("attention-embed-model"))}
                </p>
            </Show>
        </div>
    }
}

/// The model that a slide is about; of both, GPT.
fn speaker(show: Shown) -> Family {
    if show == Shown::Bert { Family::Bert } else { Family::Gpt2 }
}

/// Does what a key or a clicker says. Whether it says anything.
fn act(lesson: Lesson, key: &str) -> bool {
    let show = lesson.show.get_untracked();
    let model = speaker(show);
    match key {
        "ArrowRight" | "PageDown" => lesson.move_head(model, 0, 1),
        "ArrowLeft" | "PageUp" => lesson.move_head(model, 0, -1),
        "ArrowDown" => lesson.move_head(model, 1, 0),
        "ArrowUp" => lesson.move_head(model, -1, 0),
        "o" | "O" => lesson.toggle_this_head(model),
        " " => lesson.show_models(if show == Shown::Bert { Shown::Gpt } else { Shown::Bert }),
        _ => return false,
    }
    true
}

/// The sentence, editable where the address allows it.
#[component]
fn SlideSentence(edit: Memo<bool>) -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    move || {
        if edit.get() {
            view! {
                <Sentence
                    text=lesson.text
                    label=Signal::derive(|| t("attention-sentence"))
                    on_change=Callback::new(move |text| lesson.set_text(text))
                />
            }
            .into_any()
        } else {
            view! { <p class="sentence"><span class="sentence-text">{lesson.text}</span></p> }.into_any()
        }
    }
}

/// All heads of the models that are shown.
#[component]
fn HeadsPanel() -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    view! {
        <div class="eheads">
            <For
                each=move || lesson.shown()
                key=|model| model.family
                children=|model| {
                    view! {
                        <div>
                            <ProblemNote problem=model.problem/>
                            <Heads model/>
                            <SwitchedOff model/>
                        </div>
                    }
                }
            />
        </div>
    }
}

/// One head, with what its row says beside it.
#[component]
fn HeatmapPanel(edit: Memo<bool>) -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let family = Memo::new(move |_| speaker(lesson.show.get()));
    move || {
        let model = lesson.model(family.get());
        view! {
            <ProblemNote problem=model.problem/>
            <div class="esplit">
                <div><Figure model still=true/></div>
                <div class="esay">
                    <SlideSentence edit/>
                    <p>{move || said(lesson, family.get()).map(|said| marked(&said))}</p>
                    <SwitchedOff model/>
                    <p class="esay-note">
                        {move || {
                            let hidden = model.map.with(|map| map.as_ref().is_some_and(|map| map.has_invisible()));
                            t(if hidden { "attention-embed-hidden" } else { "attention-embed-sum" })
                        }}
                    </p>
                </div>
            </div>
        }
    }
}

/// The current cell as a sentence: "**her** gives 47 % of its attention to **ker**, a piece of “busker”."
fn said(lesson: Lesson, family: Family) -> Option<String> {
    let model = lesson.model(family);
    let (run, map) = (model.run.get()?, model.map.get()?);
    let (query, key) = (model.query.get()?, model.key.get()?);
    let piece = |position: usize| Some(plain(spoken(run.tokens.get(position)?)));
    let (from, to) = (piece(query)?.into(), piece(key)?.into());
    let Some(weight) = map.weight(query, key) else {
        return Some(tr("attention-say-hidden", &[("query", from), ("key", to)]));
    };
    let percent = whole_percent(weight).into();
    if query == key {
        return Some(tr("attention-say-itself", &[("query", from), ("percent", percent)]));
    }
    let word = words(&run).into_iter().find(|word| word.tokens.contains(&key) && word.tokens.len() > 1);
    Some(match word {
        Some(word) => {
            let word = plain(&word.text).into();
            tr("attention-say-piece", &[("query", from), ("key", to), ("percent", percent), ("word", word)])
        }
        None => tr("attention-say", &[("query", from), ("key", to), ("percent", percent)]),
    })
}
