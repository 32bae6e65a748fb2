//! The page's program: what all of its parts share, and the frame that is mounted.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, Shared};
use leptos::prelude::*;

use super::frame::{Announcements, Frame, Settings, prefers_dark};
use super::link::Link;
use super::ramp::Paper;
use super::state::{State, Theme};
use super::words;
use crate::engine::protocol::{Act, Answer, Ask, EngineKind, EngineStatus, Load, News, Problem, RunRequest};
use crate::trace::{Family, ModelCard, Run};

/// How a download stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Progress {
    /// What is being loaded.
    pub source: String,
    /// Bytes that have arrived.
    pub loaded: u64,
    /// Bytes expected, where the server says so.
    pub total: Option<u64>,
    /// Bytes that come in a second, once that is known.
    pub per_second: Option<f64>,
    /// Why it is not on its way to the GPU, where the GPU could not take it.
    pub reason: Option<Problem>,
}

type Loading = Shared<LocalBoxFuture<'static, Result<(), Problem>>>;
type Loads = Rc<RefCell<BTreeMap<Family, Loading>>>;

/// What every part of the page shares. A copy is a handle on the same.
#[derive(Clone, Copy)]
pub(super) struct App {
    /// Everything on the screen.
    pub state: RwSignal<State>,
    /// Where each loaded model computes.
    pub status: RwSignal<BTreeMap<Family, EngineStatus>>,
    /// The download that goes on, if one does.
    pub progress: RwSignal<Option<Progress>>,
    /// Whether it waits.
    pub paused: RwSignal<bool>,
    /// Why a model could not be loaded, or the engine stopped. The frame shows it.
    pub failure: RwSignal<Option<Problem>>,
    /// Why a model will have to be downloaded again the next time. The frame shows it.
    pub not_kept: RwSignal<Option<Problem>>,
    /// Wall time of each model's last run, in ms.
    pub times: RwSignal<BTreeMap<Family, f64>>,
    /// The keys of the address that could not be read.
    pub unreadable: RwSignal<Vec<String>>,
    /// The family of the model that was loaded last: the API's `run` goes to it.
    pub latest: RwSignal<Option<Family>>,
    /// What is said to screen readers.
    pub announcements: Announcements,
    /// What this reader keeps for the next visit.
    pub settings: Settings,
    paper: Memo<Paper>,
    /// How often each family's model was exchanged or started again.
    exchanged: RwSignal<BTreeMap<Family, u32>>,
    /// For BERT and for GPT, what [`App::engine_changed`] tracks: exchanges, and whether the GPU computes.
    engines: [Memo<(u32, bool)>; 2],
    link: StoredValue<Link, LocalStorage>,
    loads: StoredValue<Loads, LocalStorage>,
    /// Where the reader's own files lie, by the source that they are.
    files: StoredValue<BTreeMap<String, BTreeMap<String, String>>>,
}

impl App {
    fn new(state: State, unreadable: Vec<String>) -> App {
        let state = RwSignal::new(state);
        let status = RwSignal::new(BTreeMap::<Family, EngineStatus>::new());
        let progress = RwSignal::new(None);
        let not_kept = RwSignal::new(None);
        let failure = RwSignal::new(None);
        let exchanged = RwSignal::new(BTreeMap::<Family, u32>::new());
        let loads = Loads::default();

        let forgotten = Rc::clone(&loads);
        let link = Link::new(
            move |news| match news {
                News::Progress { source, loaded, total, per_second, reason, .. } => {
                    let done = total == Some(loaded);
                    progress.set((!done).then_some(Progress { source, loaded, total, per_second, reason }));
                }
                News::Status { status: now } => {
                    // Each time a model comes to compute elsewhere it says so again; the reader was told.
                    if now.not_kept.is_some() && !status.with_untracked(|all| known(all, &now.model)) {
                        not_kept.set(now.not_kept.clone());
                    }
                    status.update(|all| {
                        all.insert(now.model.family, *now);
                    });
                }
                News::Ready | News::Stopped { .. } => {}
            },
            move |problem| {
                forgotten.borrow_mut().clear();
                status.set(BTreeMap::new());
                failure.set(Some(problem));
                progress.set(None);
            },
        );

        let engine = |family| {
            Memo::new(move |_| {
                let count = exchanged.with(|counts| counts.get(&family).copied().unwrap_or_default());
                let on_gpu = |all: &BTreeMap<Family, EngineStatus>| {
                    all.get(&family).is_some_and(|status| status.engine == EngineKind::WebGpu)
                };
                (count, status.with(on_gpu))
            })
        };
        let dark = prefers_dark();
        let theme = Memo::new(move |_| state.with(|state| state.theme));
        let paper = Memo::new(move |_| match (theme.get(), dark.get()) {
            (Theme::Dark, _) | (Theme::Auto, true) => Paper::Dark,
            (Theme::Light, _) | (Theme::Auto, false) => Paper::Light,
        });
        App {
            state,
            status,
            progress,
            paused: RwSignal::new(false),
            failure,
            not_kept,
            times: RwSignal::default(),
            unreadable: RwSignal::new(unreadable),
            latest: RwSignal::new(None),
            announcements: Announcements::new(),
            settings: Settings::new(),
            paper,
            exchanged,
            engines: [engine(Family::Bert), engine(Family::Gpt2)],
            link: StoredValue::new_local(link),
            loads: StoredValue::new_local(loads),
            files: StoredValue::default(),
        }
    }

    /// The line to the engine.
    pub(super) fn link(&self) -> Link {
        self.link.get_value()
    }

    /// The paper under the colours. Tracked: it changes with the theme and, where that is automatic, the system.
    pub(super) fn paper(&self) -> Paper {
        self.paper.get()
    }

    /// Says `words` to screen readers: one message an action, at most one a second.
    pub(super) fn announce(&self, words: String) {
        self.announcements.say(words);
    }

    /// Gives a lesson its prepared text while nobody has given it one: now, and when another address comes without.
    pub(super) fn begin(self, untouched: fn(&State) -> bool, begin: fn(&mut State)) {
        let untouched = Memo::new(move |_| self.state.with(untouched));
        let begin = move || {
            if untouched.get() {
                self.state.update(begin);
            }
        };
        untrack(begin);
        Effect::new(move |_| begin());
    }

    /// Waits until a model of `family` is loaded: the one that the state names, else the page's own.
    ///
    /// # Errors
    /// Why it could not be loaded. The next call tries again.
    pub(super) async fn loaded(self, family: Family) -> Result<(), Problem> {
        let loads = self.loads.get_value();
        let exchanges = || self.exchanged.with_untracked(|counts| counts.get(&family).copied());
        loop {
            let before = exchanges();
            let known = loads.borrow().get(&family).cloned();
            let loading = known.unwrap_or_else(|| {
                let loading = self.load_for_lessons(family).boxed_local().shared();
                loads.borrow_mut().insert(family, loading.clone());
                loading
            });
            let Err(problem) = loading.clone().await else { return Ok(()) };
            if exchanges() != before {
                // Nobody asks for that one any more, but for another that took its place.
                continue;
            }
            if loads.borrow().get(&family).is_some_and(|now| now.ptr_eq(&loading)) {
                loads.borrow_mut().remove(&family);
                self.failure.set(Some(problem.clone()));
                if problem.code == "cancelled" {
                    // Whoever gave a model up goes on with the page's own.
                    self.state.update(|state| state.models.reset(family));
                    self.exchange(family);
                }
            }
            return Err(problem);
        }
    }

    /// Loads the model of `family` that the state names.
    async fn load_for_lessons(self, family: Family) -> Result<(), Problem> {
        let load = self.state.with_untracked(|state| state.models.load(family));
        let source = load.source.clone();
        let card = self.ask_to_load(load).await?;
        if card.family == family {
            return Ok(());
        }
        let problem =
            Problem::new("wrong-family", format!("{source} is not the kind of model its place asks for"));
        Err(problem.with("source", source))
    }

    /// Loads a checkpoint in the place of its family's model.
    ///
    /// # Errors
    /// Why it could not be loaded; the model that was there stays.
    pub(super) async fn load(self, load: Load) -> Result<ModelCard, Problem> {
        // The lesson's own models come first: one that is still on its way would take the place of this one.
        for family in self.state.with_untracked(State::families) {
            // What is wrong with one of them is said where it is shown.
            let _ = self.loaded(*family).await;
        }
        let (hub, weights) = (load.hub.clone(), load.weights);
        let load = Load { chosen: true, ..load };
        let card = self.ask_to_load(load).await.inspect_err(|problem| {
            // Whoever chose another model since knows it.
            if problem.code != "superseded" {
                self.failure.set(Some(problem.clone()));
            }
        })?;
        let ready = async { Ok(()) }.boxed_local().shared();
        self.loads.get_value().borrow_mut().insert(card.family, ready);
        self.state.update(|state| state.models.set(card.family, &card.source, hub, weights));
        self.exchange(card.family);
        Ok(card)
    }

    /// Runs the model of `family` once, loaded first where it is not.
    ///
    /// # Errors
    /// As [`App::loaded`], and what the engine says.
    pub(super) async fn run(self, family: Family, run: RunRequest) -> Result<Run, Problem> {
        self.loaded(family).await?;
        match self.link().ask(Ask::Run { family, run }).await? {
            Answer::Ran { run } => Ok(*run),
            _ => Err(Problem::new("engine-stopped", "the engine answered something else")),
        }
    }

    /// Shows what an address's fragment says, and gives the keys that could not be read. Lessons of which it says
    /// nothing stay as they are.
    pub(super) fn show(self, fragment: &str) -> Vec<String> {
        let (state, unreadable) = State::from_fragment(fragment);
        let before = self.state.get_untracked();
        let exchanged = [Family::Bert, Family::Gpt2]
            .into_iter()
            .filter(|f| state.models.load(*f) != before.models.load(*f));
        let exchanged: Vec<Family> = exchanged.collect();
        self.state.set(state.with_other_lessons_of(before.clone()));
        self.unreadable.set(unreadable.clone());
        for family in exchanged {
            let load = self.loads.get_value().borrow_mut().remove(&family);
            if load.is_some_and(|load| load.peek().is_none()) {
                // It is still on its way, and nobody waits for it any more.
                self.act(before.models.load(family).source, Act::Cancel);
            }
            self.exchange(family);
        }
        unreadable
    }

    /// Forgets the failure, and lets whatever runs a model try once more.
    pub(super) fn try_again(self) {
        self.failure.set(None);
        self.exchange(Family::Bert);
        self.exchange(Family::Gpt2);
    }

    async fn ask_to_load(self, mut load: Load) -> Result<ModelCard, Problem> {
        self.files.update_value(|known| match known.get(&load.source) {
            Some(files) if load.files.is_empty() => load.files = files.clone(),
            _ if load.files.is_empty() => {}
            _ => drop(known.insert(load.source.clone(), load.files.clone())),
        });
        self.not_kept.set(None);
        let source = load.source.clone();
        let answer = self.link().ask(Ask::Load(load)).await;
        // Another may be on its way meanwhile.
        if self.progress.with_untracked(|progress| progress.as_ref().is_none_or(|of| of.source == source)) {
            self.progress.set(None);
            self.paused.set(false);
        }
        match answer {
            Ok(Answer::Loaded { model }) => {
                self.failure.set(None);
                self.latest.set(Some(model.family));
                Ok(model)
            }
            Ok(_) => Err(Problem::new("engine-stopped", "the engine answered something else")),
            Err(problem) => Err(problem),
        }
    }

    /// Does something with the download of `source`.
    pub(super) fn act(self, source: String, act: Act) {
        match act {
            Act::Pause => self.paused.set(true),
            Act::Resume => self.paused.set(false),
            Act::Cancel => {}
        }
        leptos::task::spawn_local(async move {
            // A download that has just ended has nothing more to say.
            let _ = self.link().ask(Ask::Download { source, act }).await;
        });
    }

    fn exchange(self, family: Family) {
        self.exchanged.update(|counts| *counts.entry(family).or_default() += 1);
    }

    /// Notes how long a run took, in ms.
    pub(super) fn ran(&self, family: Family, ms: f64) {
        self.times.update(|times| {
            times.insert(family, ms);
        });
    }

    /// Tracked by whatever must be computed again when `family`'s model, or where it computes, changes.
    pub(super) fn engine_changed(&self, family: Family) {
        let [bert, gpt] = self.engines;
        match family {
            Family::Bert => bert.get(),
            Family::Gpt2 => gpt.get(),
        };
    }
}

/// Whether a model is one of those whose status is known.
fn known(all: &BTreeMap<Family, EngineStatus>, model: &ModelCard) -> bool {
    all.get(&model.family).is_some_and(|status| status.model.source == model.source)
}

/// Mounts the page.
pub fn start() {
    console_error_panic_hook::set_once();
    let hash = window().location().hash().unwrap_or_default();
    let (state, unreadable) = State::from_fragment(&hash);
    speak(state.lang.as_deref());
    // What stood there while the program was loading.
    if let Some(loading) = document().get_element_by_id("app") {
        loading.remove();
    }
    mount_to_body(move || {
        let app = App::new(state, unreadable);
        provide_context(app);
        super::api::connect(app);
        leptos::view! { <Frame/> }
    });
}

/// Chooses the language: the address's, else the browser's first that there is.
fn speak(asked: Option<&str>) {
    let navigator = window().navigator().languages();
    let wanted =
        asked.map(str::to_owned).into_iter().chain(navigator.iter().filter_map(|tag| tag.as_string()));
    let (tag, rtl) = words::choose(&wanted.collect::<Vec<_>>());
    if let Some(root) = document().document_element() {
        for (name, value) in [("lang", tag.as_str()), ("dir", if rtl { "rtl" } else { "ltr" })] {
            // The attributes' names are valid, so this does not fail.
            let _ = root.set_attribute(name, value);
        }
    }
}
