//! Guess first: the answer stays covered until the reader has named a word.

use leptos::{ev, prelude::*};

use super::lesson::{LIMIT, Lesson};
use crate::engine::protocol::{Problem, RunRequest};
use crate::trace::Family;
use crate::ui::app::App;
use crate::ui::components::problem::ProblemNote;
use crate::ui::components::prose::{marked, plain};
use crate::ui::format;
use crate::ui::words::{t, tr};

/// What became of a guess.
#[derive(Clone, Debug, PartialEq)]
enum Verdict {
    /// It is one piece, and has a place among all pieces.
    Ranked { rank: usize, p: f32, first: String },
    /// It is several pieces: a blank holds one.
    Pieces { word: String, count: usize },
    /// No piece of the vocabulary fits.
    Unknown { word: String },
    /// The reader gave up.
    Shown,
    /// The engine could not tell.
    Failed(Problem),
}

/// The reader's guess at the blank that has the focus. It is forgotten when the sentence changes.
#[derive(Clone, Copy)]
pub(super) struct Guess {
    app: App,
    /// What the model reads.
    input: Memo<String>,
    word: RwSignal<String>,
    /// The vocabulary's row of the guess, if it is one piece.
    id: RwSignal<Option<u32>>,
    verdict: RwSignal<Option<Verdict>>,
}

impl Guess {
    /// No guess yet.
    pub(super) fn new(app: App, input: Memo<String>, covered: Memo<bool>) -> Guess {
        let guess = Guess {
            app,
            input,
            word: RwSignal::new(String::new()),
            id: RwSignal::new(None),
            verdict: RwSignal::new(None),
        };
        let asked = Memo::new(move |_| app.state.with(|state| (state.mask.guess, state.mask.focus())));
        Effect::new(move |before: Option<()>| {
            input.with(|_| ());
            covered.with(|_| ());
            asked.with(|_| ());
            if before.is_some() {
                guess.id.set(None);
                guess.verdict.set(None);
                guess.word.set(String::new());
            }
        });
        guess
    }

    /// Whether the answer may be shown.
    pub(super) fn made(&self) -> bool {
        self.verdict.with(|verdict| matches!(verdict, Some(Verdict::Ranked { .. } | Verdict::Shown)))
    }

    /// The piece that was guessed.
    pub(super) fn id(&self) -> Option<u32> {
        self.id.get()
    }

    /// Asks the engine how the guess does in `run`, at mask number `mask`.
    fn submit(self, text: String, mask: usize) {
        let word = self.word.get_untracked().trim().to_owned();
        if word.is_empty() {
            return;
        }
        let asked_of = self.input.get_untracked();
        leptos::task::spawn_local(async move {
            let outcome = self.judge(&word, text, mask).await;
            // The sentence may have changed meanwhile, or the lesson be gone.
            if self.input.try_get_untracked().as_ref() == Some(&asked_of) {
                let (id, verdict) = match outcome {
                    Ok((id, verdict)) => (id, verdict),
                    Err(problem) => (None, Verdict::Failed(problem)),
                };
                self.id.try_set(id);
                self.verdict.try_set(Some(verdict));
            }
        });
    }

    async fn judge(self, word: &str, text: String, mask: usize) -> Result<(Option<u32>, Verdict), Problem> {
        let alone = self
            .app
            .run(Family::Bert, RunRequest { text: word.to_owned(), top_k: 1, ..RunRequest::default() })
            .await?;
        let pieces: Vec<_> = alone.tokens.iter().filter(|token| token.start < token.end).collect();
        let [piece] = pieces[..] else {
            return Ok((None, Verdict::Pieces { word: word.to_owned(), count: pieces.len() }));
        };
        let unknown = Verdict::Unknown { word: word.to_owned() };
        if piece.special || piece.piece.starts_with('[') && piece.piece != word {
            return Ok((None, unknown));
        }
        // Every candidate is asked for, so that the place of any word is known.
        let top_k = alone.model.vocabulary;
        let all = self
            .app
            .run(Family::Bert, RunRequest { text, top_k, max_tokens: Some(LIMIT), ..RunRequest::default() })
            .await?;
        let Some(prediction) = all.predictions.get(mask) else { return Ok((None, unknown)) };
        let found = prediction.top.iter().enumerate().find(|(_, candidate)| candidate.id == piece.id);
        let first = prediction.top.first().map(|candidate| candidate.piece.clone()).unwrap_or_default();
        Ok(match found {
            Some((at, candidate)) => {
                (Some(piece.id), Verdict::Ranked { rank: at + 1, p: candidate.p, first })
            }
            None => (None, unknown),
        })
    }
}

/// The toggle, the field and what came of the guess.
#[component]
pub(super) fn GuessBox() -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let guess = lesson.guess;
    let on = Memo::new(move |_| lesson.app.state.with(|state| state.mask.guess));
    let can_guess = move || lesson.prediction.with(Option::is_some);
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let state = lesson.app.state;
        let text = if lesson.covered.get_untracked() {
            state.with_untracked(|state| state.mask.covered_input())
        } else {
            Some(guess.input.get_untracked())
        };
        let mask = state.with_untracked(|state| state.mask.mask_of(state.mask.focus()));
        if let (Some(text), Some(mask)) = (text, mask) {
            guess.submit(text, mask);
        }
    };
    let failed = Signal::derive(move || match guess.verdict.get() {
        Some(Verdict::Failed(problem)) => Some(problem),
        _ => None,
    });
    let verdict = move || {
        guess.verdict.get().map(|verdict| {
            let said = match verdict {
                Verdict::Ranked { rank, p, first } => {
                    let p = format::percent(p);
                    let place = format::thousands(rank);
                    let yours = tr(
                        "mask-guess-rank",
                        &[("rank", rank.into()), ("place", place.into()), ("p", p.into())],
                    );
                    let first = (rank > 1).then(|| tr("mask-guess-first", &[("word", plain(&first).into())]));
                    [Some(yours), first].into_iter().flatten().collect::<Vec<_>>().join(" ")
                }
                Verdict::Pieces { word, count } => {
                    tr("mask-guess-pieces", &[("word", plain(&word).into()), ("n", count.into())])
                }
                Verdict::Unknown { word } => tr("mask-guess-unknown", &[("word", plain(&word).into())]),
                Verdict::Shown | Verdict::Failed(_) => String::new(),
            };
            view! { <p class="small muted">{marked(&said)}</p> }
        })
    };
    view! {
        <div class="guess">
            <h2>{t("mask-guess")}</h2>
            <form on:submit=submit>
                <label class="vh" for="mask-guess">{t("mask-guess-label")}</label>
                <input
                    id="mask-guess"
                    autocomplete="off"
                    autocapitalize="off"
                    spellcheck="false"
                    maxlength="60"
                    prop:value=move || guess.word.get()
                    on:input=move |event| guess.word.set(event_target_value(&event))
                    disabled=move || !can_guess()
                />
                <div role="status">{move || verdict()}</div>
                <ProblemNote problem=failed/>
            </form>
            <p>
                <button
                    type="button"
                    class="tog"
                    aria-pressed=move || on.get().to_string()
                    on:click=move |_| lesson.toggle_guess()
                >
                    {t("mask-guess-toggle")}
                </button>
            </p>
        </div>
    }
}

/// What stands in the place of the answer while it is covered.
#[component]
pub(super) fn CoveredAnswer() -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    view! {
        <div class="covered-answer">
            <p>{t("mask-guess-covered")}</p>
            <button type="button" class="link small" on:click=move |_| lesson.guess.verdict.set(Some(Verdict::Shown))>
                {t("mask-guess-show")}
            </button>
        </div>
    }
}
