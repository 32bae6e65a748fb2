//! How the chosen row is computed: q·k, scaled, masked, softmax.

use leptos::prelude::*;

use super::lesson::Lesson;
use crate::trace::Run;
use crate::ui::attention::{Factor, RowSteps, spoken, stretches};
use crate::ui::components::prose::{marked, plain};
use crate::ui::format::{decimals, signed};
use crate::ui::frame::voice::{self, family_name};
use crate::ui::words::{t, tr};

/// The height of the row's longest bar, in px.
const LONGEST: f32 = 34.0;

/// The fewest columns into which the words for "not visible" fit.
const LABELLED: usize = 3;

/// The table of steps.
#[component]
pub(super) fn HowItIsComputed() -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let model = Memo::new(move |_| lesson.computed().map(|model| model.family));
    let title = move || {
        let model = lesson.model(model.get()?);
        let query = model.query.get()?;
        let word = model.run.with(|run| Some(spoken(run.as_ref()?.tokens.get(query)?).to_owned()))?;
        Some(tr(
            "attention-computed",
            &[("model", family_name(model.family).into()), ("word", plain(&word).into())],
        ))
    };
    let table = move || {
        let model = lesson.model(model.get()?);
        let (run, query) = (model.run.get()?, model.query.get()?);
        let steps = RowSteps::new(&run, model.head.get(), query)?;
        let key = model.key;
        Some(table(&run, &steps, move |position| key.get() == Some(position)))
    };
    view! {
        <section
            data-panel="drill"
            data-voice=move || model.get().map(voice::name)
            aria-labelledby="attention-computed"
        >
            <h2 class="lbl" id="attention-computed">{move || title().map(|title| marked(&title))}</h2>
            <div class="drill-frame" tabindex="0" role="region" aria-label=t("attention-computed-region")>{move || table()}</div>
        </section>
    }
}

fn table<C>(run: &Run, steps: &RowSteps, chosen: C) -> impl IntoView + use<C>
where
    C: Fn(usize) -> bool + Copy + Send + Sync + 'static,
{
    let factor = match steps.factor {
        Factor::RootOf(size) => tr("attention-step-root", &[("size", size.into())]),
        Factor::Times(factor) => tr("attention-step-times", &[("factor", format!("{factor:.3}").into())]),
    };
    let head = |(position, token): (usize, &crate::trace::Token)| {
        view! { <th scope="col" class:c=move || chosen(position)>{spoken(token).to_owned()}</th> }
    };
    let heads = run.tokens.iter().enumerate().map(head).collect_view();
    let numbers = |values: &[f32]| {
        let decimals = decimals(values);
        let cell = |(position, value): (usize, &f32)| {
            let dim = !steps.visible.get(position).copied().unwrap_or(true);
            view! { <td class:dim=dim class:c=move || chosen(position)>{signed(*value, decimals)}</td> }
        };
        values.iter().enumerate().map(cell).collect_view()
    };
    let of_scores = decimals(&steps.scores);
    let seen = stretches(steps.visible.iter().copied());
    let masked = seen.iter().map(|(visible, keys)| {
        if *visible {
            let cell = |position: usize| {
                let score = steps.scores.get(position).map(|score| signed(*score, of_scores));
                view! { <td class:c=move || chosen(position)>{score}</td> }
            };
            keys.clone().map(cell).collect_view().into_any()
        } else {
            let words = if keys.len() >= LABELLED { t("attention-step-hidden") } else { "−∞".to_owned() };
            view! { <td class="hid" colspan=keys.len()><span>{words}</span></td> }.into_any()
        }
    });
    let most = steps.weights.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let weights = seen.iter().map(|(visible, keys)| {
        if *visible {
            let cell = |position: usize| {
                let weight = steps.weights.get(position).copied().unwrap_or_default();
                let number = format!("{weight:.2}").trim_start_matches('0').to_owned();
                view! {
                    <td class:c=move || chosen(position)>
                        {number}
                        <i style=format!("height:{:.1}px", (weight / most * LONGEST).clamp(1.0, LONGEST))></i>
                    </td>
                }
            };
            keys.clone().map(cell).collect_view().into_any()
        } else {
            let words = if keys.len() >= LABELLED { t("attention-step-zero") } else { "0".to_owned() };
            view! { <td class="dim" colspan=keys.len()>{words}</td> }.into_any()
        }
    });
    view! {
        <table class="drill">
            <thead><tr><td></td>{heads}</tr></thead>
            <tbody>
                <tr data-step="dot"><th scope="row"><b>"1"</b>{t("attention-step-dot")}</th>{numbers(&steps.dots)}</tr>
                <tr data-step="scale"><th scope="row"><b>"2"</b>{factor}</th>{numbers(&steps.scores)}</tr>
                <tr data-step="mask"><th scope="row"><b>"3"</b>{t("attention-step-mask")}</th>{masked.collect_view()}</tr>
                <tr data-step="softmax" class="sm">
                    <th scope="row"><b>"4"</b>{t("attention-step-softmax")}</th>
                    {weights.collect_view()}
                </tr>
            </tbody>
        </table>
    }
}
