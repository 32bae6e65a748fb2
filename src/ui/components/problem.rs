//! What went wrong, as a sentence of the reader's language.

use leptos::prelude::*;

use crate::engine::protocol::Problem;
use crate::ui::words;

/// A sentence that says what went wrong, and a line that says what to do. Nothing where there is no problem.
#[component]
pub(in crate::ui) fn ProblemNote(
    /// What went wrong, if something did.
    #[prop(into)]
    problem: Signal<Option<Problem>>,
) -> impl IntoView {
    view! {
        <div role="alert">
            {move || {
                problem
                    .get()
                    .map(|problem| {
                        let (sentence, line) = words::problem(&problem);
                        // What the reader asked for is told, but did not fail.
                        let is_failure = problem.code != "cancelled";
                        view! {
                            <div class="problem" data-problem=problem.code>
                                {is_failure.then(|| view! { <span class="problem-sign" aria-hidden="true">"!"</span> })}
                                <div>
                                    <p class="problem-sentence">{sentence}</p>
                                    {line.map(|line| view! { <p class="problem-line">{line}</p> })}
                                </div>
                            </div>
                        }
                    })
            }}
        </div>
    }
}
