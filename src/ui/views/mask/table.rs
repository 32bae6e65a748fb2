//! The figure as a table of data.

use leptos::prelude::*;

use super::lesson::Lesson;
use crate::trace::Run;
use crate::ui::components::strip::piece;
use crate::ui::words::{t, tr};
use crate::ui::{figure, format};

/// The tokens with what the figure shows of them.
#[component]
pub(super) fn DataTable() -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    view! {
        <div class="scroller" tabindex="0" role="region" aria-label=t("mask-figure")>
            {move || lesson.run.with(|run| run.as_deref().map(|run| table(lesson, run)))}
        </div>
    }
}

fn table(lesson: Lesson, run: &Run) -> impl IntoView + use<> {
    let blank =
        lesson.prediction.with(|prediction| prediction.as_ref().map(|prediction| prediction.position));
    let attention = blank.map(|blank| figure::attention_of(run, blank)).unwrap_or_default();
    let covered = lesson.answer_covered();
    let layers = (1..=attention.len()).map(|layer| {
        view! { <th scope="col">{tr("mask-layer", &[("layer", layer.into())])}</th> }
    });
    let words = lesson.words.get();
    let row = |(index, token): (usize, &crate::trace::Token)| {
        let span = figure::characters(run, token).map(|(first, last)| format!("{first}–{last}"));
        let word = words.iter().find(|word| word.tokens.contains(&index)).map(|word| word.text.clone());
        let weights = attention.iter().map(|weights| {
            view! { <td class="n">{weights.get(index).map(|weight| format::percent(*weight))}</td> }
        });
        let prediction = run.predictions.iter().find(|prediction| prediction.position == index);
        let first = prediction.and_then(|prediction| prediction.top.first());
        let (predicted, p) = match first {
            Some(_) if covered => (t("mask-table-hidden").into_any(), None),
            Some(candidate) => (piece(&candidate.piece).into_any(), Some(format::percent(candidate.p))),
            None => (().into_any(), None),
        };
        view! {
            <tr>
                <th scope="row" class="q">{piece(&token.piece)}</th>
                <td class="n">{token.id}</td>
                <td class="n">{span}</td>
                <td class="q">{word}</td>
                {weights.collect_view()}
                <td class="q">{predicted}</td>
                <td class="n">{p}</td>
            </tr>
        }
    };
    view! {
        <table class="data">
            <caption>{t("mask-table-caption")}</caption>
            <thead>
                <tr>
                    <th scope="col">{t("mask-table-token")}</th>
                    <th scope="col">{t("mask-table-id")}</th>
                    <th scope="col">{t("mask-table-span")}</th>
                    <th scope="col">{t("mask-table-word")}</th>
                    {layers.collect_view()}
                    <th scope="col">{t("mask-table-prediction")}</th>
                    <th scope="col">{t("mask-table-p")}</th>
                </tr>
            </thead>
            <tbody>{run.tokens.iter().enumerate().map(row).collect_view()}</tbody>
        </table>
    }
}
