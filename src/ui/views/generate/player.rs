//! Runs GPT at the place where the reader stands, keeps what came of it, and goes on and back.

use std::sync::Arc;
use std::time::Duration;

use leptos::prelude::*;

use crate::engine::protocol::{Problem, RunRequest};
use crate::lesson::sampling::{self, Considered};
use crate::trace::{Family, Hook, ModelCard, Run};
use crate::ui::app::App;
use crate::ui::format;
use crate::ui::state::{Drawn, GenerateState, MOST_TOP_K, Next};
use crate::ui::steps::{Candidates, Step, Steps};
use crate::ui::words::{t, tr};

/// The prepared prompts.
pub(super) const EXAMPLES: [&str; 3] = ["generate-example-1", "generate-example-2", "generate-example-3"];

/// How many candidates the table lists.
pub(super) const LISTED: usize = 8;

/// How many pieces a run is asked to name: all that the largest top-k keeps, and some beyond.
const NAMED: usize = MOST_TOP_K + 28;

/// The least time between two tokens while playing, in ms; the second where less motion is wanted.
const PACE_MS: (f64, f64) = (600.0, 1500.0);

/// How long typing must rest before a run.
const REST: Duration = Duration::from_millis(150);

/// Why no further token can follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The model drew the end of the text.
    Ended,
    /// The model reads no more tokens than these.
    Full(usize),
}

/// The lesson's program. A copy is a handle on the same.
#[derive(Clone, Copy)]
pub(super) struct Player {
    app: App,
    steps: RwSignal<Steps>,
    /// Grows when what was computed does not count any more.
    age: StoredValue<u32>,
    under_way: StoredValue<bool>,
    /// Whether the prompt is being typed: nothing of it is computed before that rests.
    typing: StoredValue<bool>,
    /// When the last token was taken, in ms since 1970.
    taken_at: StoredValue<f64>,
    /// Whether there is no prompt.
    pub(super) blank: Memo<bool>,
    /// What the figures show: the step here, or the last good one while this one is computed.
    pub(super) shown: Memo<Option<Arc<Step>>>,
    /// What becomes of the vocabulary at the shown step with the present settings.
    pub(super) considered: Memo<Arc<Vec<Considered>>>,
    /// The token that comes next at the shown step.
    pub(super) next: Memo<Option<Drawn>>,
    /// The rows of the table.
    pub(super) candidates: Memo<Candidates>,
    /// Why no further token can follow, if so.
    pub(super) stop: Memo<Option<Stop>>,
    /// Whether tokens follow one another by themselves.
    pub(super) playing: RwSignal<bool>,
    /// Whether another branch would be one too many.
    pub(super) crowded: RwSignal<bool>,
    /// What went wrong last.
    pub(super) problem: RwSignal<Option<Problem>>,
}

impl Player {
    /// A player that begins at once.
    pub(super) fn new(app: App) -> Player {
        app.begin(|state| state.generate.is_untouched(), |state| state.generate.begin(&t(EXAMPLES[0])));
        let blank = Memo::new(move |_| app.state.with(|state| state.generate.text().trim().is_empty()));
        let steps = RwSignal::new(Steps::default());
        let here = move || {
            app.state.with(|state| {
                steps.with(|steps| steps.at(state.generate.text(), &state.generate.branches().ids()))
            })
        };
        let same = |a: Option<&Option<Arc<Step>>>, b: Option<&Option<Arc<Step>>>| match (a, b) {
            (Some(Some(a)), Some(Some(b))) => !Arc::ptr_eq(a, b),
            (Some(None), Some(None)) => false,
            _ => true,
        };
        let shown = Memo::new_with_compare(
            move |last: Option<&Option<Arc<Step>>>| here().or(last.cloned().flatten()),
            same,
        );
        let sampling = Memo::new(move |_| app.state.with(|state| state.generate.sampling));
        let considered = Memo::new(move |_| {
            let sampling = sampling.get();
            Arc::new(shown.with(|shown| {
                shown.as_ref().map(|step| sampling::distribution(&step.logits, &sampling)).unwrap_or_default()
            }))
        });
        let next = Memo::new(move |_| {
            let step = shown.get()?;
            let known = app
                .state
                .with(|state| (state.generate.branches().ids() == step.path).then(|| state.generate.next()));
            if let Some(Next::Token(token)) = known {
                return Some(token);
            }
            let sampling = sampling.get();
            let id = considered.with(|all| sampling::draw(all, &sampling, step.path.len()))?;
            Some(Drawn { id, by: Some(sampling) })
        });
        let candidates = Memo::new(move |_| {
            let next = next.get().map(|next| next.id);
            considered.with(|all| Candidates::of(all, LISTED, next))
        });
        let stop = Memo::new(move |_| {
            here().and_then(|step| match () {
                () if step.ended() => Some(Stop::Ended),
                () if step.full() => Some(Stop::Full(step.run.model.positions)),
                () => None,
            })
        });
        let player = Player {
            app,
            steps,
            age: StoredValue::new(0),
            under_way: StoredValue::new(false),
            typing: StoredValue::new(false),
            taken_at: StoredValue::new(0.0),
            blank,
            shown,
            considered,
            next,
            candidates,
            stop,
            playing: RwSignal::new(false),
            crowded: RwSignal::new(false),
            problem: RwSignal::new(None),
        };
        player.follow_the_engine();
        player.follow_the_reader();
        player.follow_the_clock(Memo::new(move |_| here().is_some()));
        player
    }

    /// Everything on the screen of this lesson.
    pub(super) fn read<T>(&self, read: impl FnOnce(&GenerateState) -> T) -> T {
        self.app.state.with(|state| read(&state.generate))
    }

    /// As [`Player::read`], by someone who need not be told of changes.
    fn peek<T>(&self, read: impl FnOnce(&GenerateState) -> T) -> T {
        self.app.state.with_untracked(|state| read(&state.generate))
    }

    /// Whether there is anything to draw. What was drawn last is not of a prompt that was deleted.
    pub(super) fn has_figure(&self) -> bool {
        !self.blank.get() && self.shown.with(Option::is_some)
    }

    /// Whether nothing follows the prompt here.
    pub(super) fn at_prompt(&self) -> bool {
        self.peek(|state| state.branches().cursor()) == 0
    }

    /// Changes what is on the screen of this lesson.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut GenerateState) -> T) -> Option<T> {
        self.app.state.try_update(|state| change(&mut state.generate))
    }

    /// How a piece is written; its number where no run has told.
    pub(super) fn piece(&self, id: u32) -> String {
        self.steps
            .with(|steps| steps.piece(id).map(str::to_owned))
            .unwrap_or_else(|| tr("generate-unnamed", &[("id", id.to_string().into())]))
    }

    /// Takes another prompt.
    pub(super) fn set_text(&self, text: &str) {
        self.change(|state| state.set_text(text));
    }

    /// Takes the token that comes next, if the place is computed and the text goes on.
    pub(super) fn forward(&self) {
        if self.stop.get_untracked().is_some() {
            return;
        }
        let computed = self.step_here().is_some();
        let token = match self.peek(GenerateState::next) {
            Next::Token(token) => Some(token),
            Next::Draw => self.next.get_untracked().filter(|_| computed),
        };
        match token {
            Some(token) => self.take(token),
            // Computed, and still nothing can be drawn: no logit is a number.
            None if computed => self.pause(),
            None => {}
        }
    }

    /// Takes the token that the reader picked.
    pub(super) fn pick(&self, id: u32) {
        self.pause();
        if self.step_here().is_some() && self.stop.get_untracked().is_none() {
            // What would come anyway is no pick: the address need not name it.
            let expected = self.next.get_untracked().filter(|next| next.id == id);
            self.take(expected.unwrap_or(Drawn { id, by: None }));
        }
    }

    /// What was computed where the reader stands.
    fn step_here(&self) -> Option<Arc<Step>> {
        self.peek(|state| self.steps.with_untracked(|steps| steps.at(state.text(), &state.branches().ids())))
    }

    /// One token back.
    pub(super) fn rewind(&self) {
        self.go(GenerateState::rewind);
    }

    /// Back to the prompt.
    pub(super) fn back_to_prompt(&self) {
        self.go(GenerateState::to_prompt);
    }

    /// To the place after `depth` tokens of a branch.
    pub(super) fn focus(&self, branch: usize, depth: usize) {
        self.go(|state| state.focus(branch, depth));
    }

    /// Removes a branch.
    pub(super) fn delete(&self, branch: usize) {
        self.go(|state| state.delete(branch));
    }

    /// Plays, or stops playing.
    pub(super) fn toggle(&self) {
        if self.playing.get_untracked() {
            self.pause();
        } else {
            self.playing.set(true);
        }
    }

    fn pause(&self) {
        self.playing.set(false);
        self.change(GenerateState::end_replay);
    }

    fn go(&self, change: impl FnOnce(&mut GenerateState)) {
        self.pause();
        self.crowded.set(false);
        self.change(change);
        let step = self.peek(|state| state.branches().cursor()) + 1;
        self.app.announce(tr("generate-said-back", &[("step", step.into())]));
    }

    fn take(&self, token: Drawn) {
        let step = self.peek(|state| state.branches().cursor()) + 1;
        self.taken_at.set_value(js_sys::Date::now());
        if self.change(|state| state.advance(token)) == Some(Ok(())) {
            self.crowded.set(false);
        } else {
            self.crowded.set(true);
            self.playing.set(false);
            return;
        }
        let percent = |p: f32| format::percent(p).replace("\u{a0}%", "");
        let of = self
            .considered
            .with_untracked(|all| all.iter().find(|candidate| candidate.id == token.id).copied());
        if let Some(candidate) = of {
            let words = [
                ("step", step.into()),
                ("piece", untrack(|| self.piece(token.id)).trim().to_owned().into()),
                ("before", percent(candidate.before).into()),
                ("after", percent(candidate.after).into()),
            ];
            self.app.announce(tr("generate-said-step", &words));
        }
    }

    /// Computes anew when the model or its place changes.
    fn follow_the_engine(self) {
        Effect::new(move |before: Option<()>| {
            self.app.engine_changed(Family::Gpt2);
            if before.is_some() {
                self.age.update_value(|age| *age += 1);
                self.steps.update(Steps::clear);
                self.compute();
            }
        });
    }

    /// Computes where the reader goes: at once, but while the prompt is typed only when that rests.
    fn follow_the_reader(self) {
        let text = Memo::new(move |_| self.read(|state| state.text().to_owned()));
        let paths = Memo::new(move |_| self.read(|state| state.branches().clone()));
        Effect::new(move |before: Option<String>| {
            paths.with(|_| ());
            self.next.with(|_| ());
            let text = text.get();
            if before.is_some_and(|before| before != text) {
                self.playing.set(false);
                self.crowded.set(false);
                self.typing.set_value(true);
            }
            if self.typing.get_value() {
                after(REST, move || {
                    self.typing.set_value(false);
                    self.compute();
                });
            } else {
                self.compute();
            }
            text
        });
    }

    /// Goes on by itself while playing, and through the steps that an address asks for.
    fn follow_the_clock(self, computed: Memo<bool>) {
        let place = Memo::new(move |_| self.read(|state| (state.branches().ids(), state.replaying())));
        Effect::new(move |_| {
            let replaying = place.with(|(_, replaying)| *replaying);
            let going = computed.get() && (self.playing.get() || replaying);
            if going && self.stop.get().is_some() {
                self.pause();
            } else if going {
                let due = self.taken_at.get_value() + pace_ms() - js_sys::Date::now();
                let wait = if replaying { 0.0 } else { due.max(0.0) };
                after(Duration::from_millis(wait as u64), move || self.forward());
            }
        });
    }

    /// What is to be computed: the place where the reader stands; then whatever leads to a token whose name no run
    /// has told yet.
    fn wanted(&self) -> Option<(String, Vec<u32>)> {
        let (text, here, paths) = self.peek(|state| {
            let branches = state.branches();
            let paths = branches.all().iter().map(|branch| branch.ids(usize::MAX)).collect::<Vec<_>>();
            (state.text().to_owned(), branches.ids(), paths)
        });
        if text.trim().is_empty() {
            return None;
        }
        self.steps.with_untracked(|steps| {
            let missing = |path: &Vec<u32>| steps.at(&text, path).is_none();
            if missing(&here) {
                return Some((text.clone(), here));
            }
            let ahead = self.next.get_untracked().map(|next| here.iter().copied().chain([next.id]).collect());
            let unnamed = |path: &Vec<u32>| path.iter().any(|id| steps.piece(*id).is_none());
            let path = paths.into_iter().chain(ahead).find(|path| unnamed(path) && missing(path))?;
            Some((text.clone(), path))
        })
    }

    /// Computes all that is wanted, one run after the other, the newest wish first; nothing of a prompt that is being typed.
    fn compute(self) {
        if self.under_way.get_value() {
            return;
        }
        self.under_way.set_value(true);
        leptos::task::spawn_local(async move {
            let loaded = self.app.loaded(Family::Gpt2).await;
            if let Err(problem) = &loaded {
                self.problem.try_set(Some(problem.clone()));
            }
            // When the reader has left the lesson, nothing is wanted any more.
            while let (Ok(()), Some(age), Some(false)) =
                (&loaded, self.age.try_get_value(), self.typing.try_get_value())
            {
                self.forget_foreign_tokens();
                let Some((text, path)) = self.wanted() else { break };
                let outcome = self.run(&text, &path).await;
                match outcome {
                    _ if self.age.try_get_value() != Some(age) => {}
                    Ok(run) => {
                        self.app.ran(Family::Gpt2, run.ms);
                        self.problem.set(None);
                        if self.steps.with_untracked(|steps| steps.are_of_another(&run.model)) {
                            self.change(GenerateState::restart);
                        }
                        self.steps.update(|steps| steps.keep(path, run));
                    }
                    Err(problem) => {
                        self.problem.set(Some(problem));
                        self.playing.set(false);
                        // The same again would fail again.
                        if self.wanted() == Some((text, path)) {
                            break;
                        }
                    }
                }
            }
            self.under_way.try_set_value(false);
        });
    }

    /// The loaded model, once it is.
    fn card(&self) -> Option<ModelCard> {
        self.app.status.with_untracked(|all| all.get(&Family::Gpt2).map(|status| status.model.clone()))
    }

    /// Forgets continuations whose tokens the model does not have: they are another model's, or a made-up address's.
    fn forget_foreign_tokens(&self) {
        let largest = self.peek(GenerateState::largest_id);
        if self.card().zip(largest).is_some_and(|(card, id)| id as usize >= card.vocabulary) {
            self.change(GenerateState::restart);
            self.app.unreadable.update(|keys| keys.push("br".to_owned()));
        }
    }

    async fn run(&self, text: &str, path: &[u32]) -> Result<Run, Problem> {
        let layers = self.card().map_or(0, |card| card.layers);
        let request = RunRequest {
            text: text.to_owned(),
            drawn: path.to_vec(),
            want: (0..layers).map(Hook::Pattern).chain([Hook::Logits]).collect(),
            top_k: NAMED,
            cached: true,
            ..RunRequest::default()
        };
        self.app.run(Family::Gpt2, request).await
    }
}

/// Does something later, unless what asked for it runs again or is gone before.
fn after(wait: Duration, act: impl FnOnce() + 'static) {
    if let Ok(timer) = set_timeout_with_handle(act, wait) {
        on_cleanup(move || timer.clear());
    }
}

/// The least time between two tokens, in ms.
fn pace_ms() -> f64 {
    let query = window().match_media("(prefers-reduced-motion: reduce)");
    if query.ok().flatten().is_some_and(|query| query.matches()) { PACE_MS.1 } else { PACE_MS.0 }
}
