//! What BERT puts in the blank: the candidates, one list for each blank.

use leptos::prelude::*;

use super::guess::CoveredAnswer;
use super::lesson::Lesson;
use crate::trace::Run;
use crate::ui::components::bars::{Bar, Bars, Rest};
use crate::ui::format;
use crate::ui::state::is_mask;
use crate::ui::words::{t, tr};

/// How many candidates a reader may choose to see.
const LISTED: [usize; 4] = [5, 8, 12, 20];

/// The list of the blank that has the focus.
#[component]
pub(super) fn AnswerBox() -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let covered = Memo::new(move |_| lesson.answer_covered());
    let left_out = move || {
        let cut = |run: &Run| run.truncated > 0 && !is_headless(run);
        lesson.run.with(|run| run.as_deref().is_some_and(cut)) && lesson.prediction.with(Option::is_none)
    };
    view! {
        <div class="predbox">
            <div class="head">
                <h2>{t("mask-predictions")}</h2>
                <span class="busy" hidden=move || !lesson.busy.get()>
                    <span aria-hidden="true">"…"</span>
                    <span class="vh">{t("mask-busy")}</span>
                </span>
                <span class="sp"></span>
                <HowMany/>
            </div>
            <Slots/>
            <Show when=move || left_out()>
                <p class="small muted">{t("mask-cut-blank")}</p>
            </Show>
            <Headless/>
            <Show when=move || !covered.get() fallback=|| view! { <CoveredAnswer/> }>
                <Bars
                    bars=Signal::derive(move || bars(lesson, usize::MAX))
                    rest=Signal::derive(move || rest(lesson))
                    caption=Signal::derive(|| t("mask-predictions-help"))
                    on_pick=Callback::new(move |row| lesson.put(row))
                />
            </Show>
        </div>
    }
}

/// That there are no candidates, where the checkpoint has nothing that could give them.
#[component]
pub(super) fn Headless() -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let headless = Memo::new(move |_| lesson.run.with(|run| run.as_deref().is_some_and(is_headless)));
    view! {
        <Show when=move || headless.get()>
            <p class="small muted" data-headless="">{t("mask-headless")}</p>
        </Show>
    }
}

/// Whether a mask was read, and nothing came of it.
fn is_headless(run: &Run) -> bool {
    run.predictions.is_empty() && run.tokens.iter().any(is_mask)
}

/// The first `most` candidates as bars.
pub(super) fn bars(lesson: Lesson, most: usize) -> Vec<Bar> {
    let yours = lesson.guess.id();
    lesson.prediction.with(|prediction| {
        let top = prediction.as_ref().map(|prediction| prediction.top.as_slice()).unwrap_or_default();
        let bar = top.iter().take(most).map(|candidate| Bar {
            piece: candidate.piece.clone(),
            p: candidate.p,
            yours: yours == Some(candidate.id),
        });
        bar.collect()
    })
}

/// Everything that is not listed.
fn rest(lesson: Lesson) -> Option<Rest> {
    let vocabulary = lesson.run.with(|run| run.as_ref().map(|run| run.model.vocabulary))?;
    lesson.prediction.with(|prediction| {
        let top = &prediction.as_ref()?.top;
        let count = vocabulary.checked_sub(top.len()).filter(|count| *count > 0)?;
        let listed: f32 = top.iter().map(|candidate| candidate.p).sum();
        let label = tr("mask-rest", &[("n", format::thousands(count).into())]);
        Some(Rest { label, p: (1.0 - listed).max(0.0) })
    })
}

/// How many candidates are listed.
#[component]
fn HowMany() -> impl IntoView {
    let state = expect_context::<Lesson>().app.state;
    let top_k = Memo::new(move |_| state.with(|state| state.mask.top_k));
    let choices = move || {
        let now = top_k.get();
        let mut choices = LISTED.to_vec();
        if !choices.contains(&now) {
            choices.push(now);
            choices.sort_unstable();
        }
        let choice = |count: usize| view! { <option value=count selected=count == now>{count}</option> };
        choices.into_iter().map(choice).collect_view()
    };
    let choose = move |event| {
        if let Ok(count) = event_target_value(&event).parse() {
            state.update(|state| state.mask.top_k = count);
        }
    };
    view! {
        <label class="top-k small">
            {t("mask-top")}
            <select aria-label=t("mask-top-label") on:change=choose>{move || choices()}</select>
        </label>
    }
}

/// One button a blank, where there are several.
#[component]
fn Slots() -> impl IntoView {
    let state = expect_context::<Lesson>().app.state;
    let count = Memo::new(move |_| state.with(|state| state.mask.blanks().len()));
    let slot = move |index: usize| {
        let pressed = move || state.with(|state| state.mask.focus() == index);
        let name = move || {
            let number = ("n", (index + 1).into());
            let word = state.with(|state| {
                let blank = state.mask.blanks().get(index).filter(|blank| blank.filled)?;
                state.mask.text().get(blank.span.clone()).map(str::to_owned)
            });
            match word {
                Some(word) => tr("mask-slot-filled", &[number, ("word", word.into())]),
                None => tr("mask-slot", &[number]),
            }
        };
        view! {
            <button
                type="button"
                data-slot=index
                aria-pressed=move || pressed().to_string()
                on:click=move |_| state.update(|state| state.mask.focus_on(index))
            >
                {move || name()}
            </button>
        }
    };
    view! {
        <Show when=move || { count.get() > 1 }>
            <div class="seg slots" role="group" aria-label=t("mask-slots")>
                <For each=move || 0..count.get() key=|index| *index children=slot/>
            </div>
        </Show>
    }
}
