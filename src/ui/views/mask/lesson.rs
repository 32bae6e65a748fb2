//! What the parts of the lesson share: the runs that follow the sentence, and what is read off them.

use std::sync::Arc;

use leptos::prelude::*;

use super::guess::Guess;
use crate::engine::protocol::{Problem, RunRequest};
use crate::trace::{Family, Hook, Prediction, Run};
use crate::ui::app::App;
use crate::ui::ask::{Following, follow};
use crate::ui::components::sentence::Mark;
use crate::ui::figure::{self, Word};
use crate::ui::format;
use crate::ui::state::MASK;
use crate::ui::words::{t, tr};

/// The most tokens that the figure shows.
pub(super) const LIMIT: usize = 128;

/// The prepared sentences.
pub(super) const EXAMPLES: [&str; 6] = [
    "mask-example-1",
    "mask-example-2",
    "mask-example-3",
    "mask-example-4",
    "mask-example-5",
    "mask-example-6",
];

/// A handle on the lesson. A copy is a handle on the same.
#[derive(Clone, Copy)]
pub(super) struct Lesson {
    /// The page.
    pub app: App,
    /// The run that the figure and the answer show.
    pub run: Signal<Option<Arc<Run>>>,
    /// Its words.
    pub words: Memo<Arc<Vec<Word>>>,
    /// The run that the answer is compared with: with the right side covered, or not covered where the figure is.
    pub compared: Signal<Option<Arc<Run>>>,
    /// Whether the right side is covered in the figure.
    pub covered: Signal<bool>,
    /// Whether there are words after the blank.
    pub coverable: Signal<bool>,
    /// What went wrong with the newest request.
    pub problem: Signal<Option<Problem>>,
    /// Whether a newer result is on its way.
    pub busy: Signal<bool>,
    /// What BERT puts in the blank that has the focus.
    pub prediction: Memo<Option<Prediction>>,
    /// The token that is selected.
    pub selected: RwSignal<Option<usize>>,
    /// Whether the figure is shown as a table of data.
    pub as_table: RwSignal<bool>,
    /// What a reader is told after an action that could not be done.
    pub remark: RwSignal<Option<String>>,
    /// The reader's guess.
    pub guess: Guess,
}

impl Lesson {
    /// Starts to follow the sentence; the prepared one if there is none.
    pub(super) fn new(app: App) -> Lesson {
        app.begin(|state| state.mask.is_untouched(), |state| state.mask.begin(&t(EXAMPLES[0])));
        let layers = Memo::new(move |_| app.status.with(|all| Some(all.get(&Family::Bert)?.model.layers)));
        let input = Memo::new(move |_| app.state.with(|state| state.mask.input()));
        load_before_asking(app, layers, input);

        let cover = Memo::new(move |_| app.state.with(|state| state.mask.cover));
        let top_k = Memo::new(move |_| app.state.with(|state| state.mask.top_k));
        let whole = Memo::new(move |_| {
            let text = input.get();
            (!text.trim().is_empty()).then_some(())?;
            Some(request(text, top_k.get(), Some(layers.get()?)))
        });
        let whole = follow(app, Family::Bert, whole.into());
        let answered = Memo::new(move |_| whole.run.with(Option::is_some));
        let right_covered = Memo::new(move |_| {
            // What the answer is compared with comes after the answer.
            answered.get().then_some(())?;
            let text = app.state.with(|state| state.mask.covered_input())?;
            let layers = layers.get()?;
            Some(request(text, top_k.get(), cover.get().then_some(layers)))
        });
        let Following { run: covered_run, busy: covered_busy, .. } =
            follow(app, Family::Bert, right_covered.into());

        let coverable = Memo::new(move |_| {
            layers.with(Option::is_some) && app.state.with(|state| state.mask.covered_input().is_some())
        });
        // Until the figure's values are there, the whole sentence stays.
        let covered = Memo::new(move |_| {
            let drawn = covered_run.with(|run| run.as_ref().is_some_and(|run| !run.activations.is_empty()));
            cover.get() && coverable.get() && drawn
        });
        let run = Signal::derive(move || if covered.get() { covered_run.get() } else { whole.run.get() });
        let compared = Signal::derive(move || {
            if !coverable.get() {
                None
            } else if covered.get() {
                whole.run.get()
            } else {
                covered_run.get()
            }
        });
        let words = Memo::new(move |_| {
            Arc::new(run.with(|run| run.as_deref().map(figure::words)).unwrap_or_default())
        });
        let prediction = Memo::new(move |_| run.with(|run| focused(run.as_deref()?, app)));
        let lesson = Lesson {
            app,
            run,
            words,
            compared,
            covered: covered.into(),
            coverable: coverable.into(),
            problem: whole.problem.into(),
            busy: Signal::derive(move || whole.busy.get() || covered_busy.get()),
            prediction,
            selected: RwSignal::new(None),
            as_table: RwSignal::new(false),
            remark: RwSignal::new(None),
            guess: Guess::new(app, input, covered),
        };
        lesson.hide_what_the_link_asks(whole);
        lesson.announce();
        lesson
    }

    /// Whether the answer is covered until the reader has guessed.
    pub(super) fn answer_covered(&self) -> bool {
        self.app.state.with(|state| state.mask.guess) && !self.guess.made()
    }

    /// What `compared` says at the same blank.
    pub(super) fn compared_prediction(&self) -> Option<Prediction> {
        self.compared.with(|run| focused(run.as_deref()?, self.app))
    }

    /// The token that the keys act on: the selected one, else the blank, else the first.
    pub(super) fn current_token(&self) -> usize {
        let count = self.run.with(|run| run.as_ref().map_or(0, |run| run.tokens.len()));
        let blank = || self.prediction.with(|prediction| prediction.as_ref().map(|blank| blank.position));
        self.selected.get().filter(|at| *at < count).or_else(blank).unwrap_or(0)
    }

    /// The parts of the sentence that look different: blanks, words put in, and what is covered.
    pub(super) fn marks(&self) -> Vec<Mark> {
        let covered = self.covered.get();
        self.app.state.with(|state| {
            let mask = &state.mask;
            let many = mask.blanks().len() > 1;
            let marks = mask.blanks().iter().enumerate().map(|(index, blank)| {
                let class = match (blank.filled, index == mask.focus()) {
                    (true, _) => "put",
                    (false, true) => "blank",
                    (false, false) => "blank off",
                };
                let number = if many { format!(" {}", index + 1) } else { String::new() };
                let label = if blank.filled { String::new() } else { format!("{MASK}{number}") };
                Mark { span: blank.span.clone(), class, label }
            });
            let mut marks: Vec<Mark> = marks.collect();
            if let Some(blank) = mask.focused().filter(|_| covered) {
                let from = blank.span.end;
                marks.retain(|mark| mark.span.end <= from);
                marks.push(Mark { span: from..mask.text().len(), class: "covered", label: String::new() });
            }
            marks
        })
    }

    /// How many tokens the whole text has, and how many of them can be read.
    pub(super) fn token_count(&self) -> Option<(usize, usize)> {
        self.run.with(|run| {
            let run = run.as_ref()?;
            Some((run.tokens.len() + run.truncated, LIMIT.min(run.model.positions)))
        })
    }

    /// The run, if it is of what the sentence says now: only then its spans lie in the sentence.
    pub(super) fn current_run(&self) -> Option<Arc<Run>> {
        let run = self.run.get_untracked()?;
        let mask = self.app.state.with_untracked(|state| (state.mask.input(), state.mask.covered_input()));
        (run.text == mask.0 || mask.1.as_ref() == Some(&run.text)).then_some(run)
    }

    /// Hides the positions that a link names, once the first run tells where they stand.
    fn hide_what_the_link_asks(&self, whole: Following) {
        let state = self.app.state;
        let asked = Memo::new(move |_| state.with(|state| !state.mask.positions_to_hide().is_empty()));
        Effect::new(move |_| {
            let Some(run) = whole.run.get().filter(|_| asked.get()) else { return };
            if state.with_untracked(|state| state.mask.input()) == run.text {
                let spans: Vec<_> = run.tokens.iter().map(|token| token.start..token.end).collect();
                state.update(|state| state.mask.hide_positions(&spans));
            }
        });
    }

    /// Tells screen readers what comes first, each time that changes.
    fn announce(self) {
        let first = Memo::new(move |_| {
            let first = self.prediction.with(|prediction| prediction.as_ref()?.top.first().cloned())?;
            (!self.answer_covered()).then_some((first.piece, format::percent(first.p)))
        });
        Effect::new(move |_| {
            if let Some((word, p)) = first.get() {
                self.app.announce(tr("mask-announce", &[("word", word.into()), ("p", p.into())]));
            }
        });
    }
}

/// A run of `text`; with the number of `layers` everything that the figure draws is recorded.
fn request(text: String, top_k: usize, layers: Option<usize>) -> RunRequest {
    let embeddings = [Hook::Embed, Hook::PosEmbed, Hook::TokenTypeEmbed, Hook::EmbedSum];
    let want = layers.map(|layers| embeddings.into_iter().chain((0..layers).map(Hook::Pattern)).collect());
    RunRequest {
        text,
        want: want.unwrap_or_default(),
        top_k,
        max_tokens: Some(LIMIT),
        ..RunRequest::default()
    }
}

/// What `run` predicts at the blank that has the focus.
fn focused(run: &Run, app: App) -> Option<Prediction> {
    let mask = app.state.with(|state| state.mask.mask_of(state.mask.focus()))?;
    run.predictions.get(mask).cloned()
}

/// Loads the model before the first run, since only then it is known how many layers to ask for. A failed load, which
/// the frame tells, is tried again when the sentence changes or the reader asks for it.
fn load_before_asking(app: App, layers: Memo<Option<usize>>, input: Memo<String>) {
    Effect::new(move |_| {
        input.with(|_| ());
        app.engine_changed(Family::Bert);
        // The lesson may be gone by the time this effect wakes.
        if layers.try_get_untracked() == Some(None) {
            leptos::task::spawn_local(async move {
                // Why it failed stands in the app's `failure`.
                let _ = app.loaded(Family::Bert).await;
            });
        }
    });
}
