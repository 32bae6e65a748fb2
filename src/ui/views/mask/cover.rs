//! The right side covered: what BERT would answer without the words after the blank.

use leptos::prelude::*;

use super::lesson::Lesson;
use crate::ui::components::strip::piece;
use crate::ui::format;
use crate::ui::words::t;

/// How many candidates of the other answer are listed.
const LISTED: usize = 4;

/// How many words before the blank are shown.
const WORDS: usize = 3;

/// The other answer, and the switch that covers the words in the figure.
#[component]
pub(super) fn CoverBox() -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let before = Memo::new(move |_| {
        lesson.app.state.with(|state| {
            let blank = state.mask.focused()?;
            let before = state.mask.text().get(..blank.span.start)?;
            let words: Vec<&str> = before.split_whitespace().collect();
            let shown = words.len().saturating_sub(WORDS);
            let dots = if shown > 0 { "… " } else { "" };
            Some(format!("{dots}{} ", words[shown..].join(" ")))
        })
    });
    let title = move || if lesson.covered.get() { t("mask-cover-whole") } else { t("mask-cover") };
    let ghost = move || {
        let after = if lesson.covered.get() {
            "…".into_any()
        } else {
            view! { <span class="hat" role="img" aria-label=t("mask-covered")>"      "</span> }.into_any()
        };
        view! { <p class="ghost">{before.get()} <b>"____"</b> " " {after}</p> }
    };
    let list = move || {
        let top = lesson.compared_prediction().map(|prediction| prediction.top).unwrap_or_default();
        let row = |candidate: crate::trace::Candidate| {
            view! { <li>{piece(&candidate.piece)} <span>{format::percent(candidate.p)}</span></li> }
        };
        top.into_iter().take(LISTED).map(row).collect_view()
    };
    view! {
        <div class="cover">
            <h2>{move || title()}</h2>
            <Show
                when=move || lesson.coverable.get()
                fallback=|| view! { <p class="small muted">{t("mask-cover-none")}</p> }
            >
                {move || ghost()}
                <Show when=move || !lesson.answer_covered()>
                    <ol>{move || list()}</ol>
                </Show>
                <p>
                    <button
                        type="button"
                        class="tog"
                        data-action="cover"
                        aria-pressed=move || lesson.app.state.with(|state| state.mask.cover).to_string()
                        on:click=move |_| lesson.toggle_cover()
                    >
                        {t("mask-cover-toggle")}
                    </button>
                </p>
            </Show>
        </div>
    }
}
