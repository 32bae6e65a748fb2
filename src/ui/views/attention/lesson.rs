//! What the parts of the lesson share: the runs that follow the sentence, the cell that is looked at, and what a reader
//! can do.

use std::sync::Arc;

use leptos::prelude::*;

use super::watch::watch;
use crate::engine::protocol::{Problem, RunRequest};
use crate::trace::{Ablation, Family, Hook, ModelCard, Run};
use crate::ui::app::App;
use crate::ui::ask::{Following, follow};
use crate::ui::attention::{AttentionMap, Change, aligned, middle};
use crate::ui::components::heatmap::Cell;
use crate::ui::frame::voice::family_name;
use crate::ui::state::{AttentionState, HeadIndex, Show as Shown, Spot};
use crate::ui::words::{t, tr};

/// The most tokens that the heatmaps show.
pub(super) const LIMIT: usize = 64;

/// The prepared sentences.
pub(super) const EXAMPLES: [&str; 3] = ["attention-example-1", "attention-example-2", "attention-example-3"];

/// One of the two models, as the lesson looks at it.
#[derive(Clone, Copy)]
pub(super) struct Model {
    /// Which.
    pub family: Family,
    /// Its last good run on the sentence.
    pub run: ReadSignal<Option<Arc<Run>>>,
    /// Whether a newer one is on its way.
    pub busy: ReadSignal<bool>,
    /// Whether what its switched-off heads did is being measured.
    pub measuring: ReadSignal<bool>,
    /// What they did.
    pub change: ReadSignal<Option<Change>>,
    /// The heads that are off, `[layer, head]` from 0.
    pub off: Memo<Vec<[usize; 2]>>,
    /// What went wrong with the newest.
    pub problem: Signal<Option<Problem>>,
    /// The head that is looked at.
    pub head: Memo<HeadIndex>,
    /// The map of that head.
    pub map: Memo<Option<Arc<AttentionMap>>>,
    /// The row that is looked at, as a token position of this model.
    pub query: Memo<Option<usize>>,
    /// The column: the pinned one, else the one that the row looks at most.
    pub key: Memo<Option<usize>>,
}

impl Model {
    /// Whether one of its heads is switched off.
    pub(super) fn is_off(&self, HeadIndex { layer, head }: HeadIndex) -> bool {
        self.off.with(|off| off.contains(&[layer, head]))
    }
}

/// A handle on the lesson. A copy is a handle on the same.
#[derive(Clone, Copy)]
pub(super) struct Lesson {
    /// The page.
    pub app: App,
    /// The sentence.
    pub text: Memo<String>,
    /// Which models are shown.
    pub show: Memo<Shown>,
    /// Whether special tokens are left out.
    pub special_hidden: Memo<bool>,
    /// Whether the figures are shown as tables.
    pub as_table: RwSignal<bool>,
    /// BERT, then GPT.
    models: [Model; 2],
    /// The cell under the pointer. It is looked at as long as it is there.
    pointed: RwSignal<Option<Spot>>,
    /// The model whose head the keys change.
    active: RwSignal<Option<Family>>,
}

impl Lesson {
    /// Starts to follow the sentence.
    pub(super) fn new(app: App) -> Lesson {
        let read = move |read: fn(&AttentionState) -> bool| {
            Memo::new(move |_| app.state.with(|state| read(&state.attention)))
        };
        let given = Memo::new(move |_| app.state.with(|state| state.attention.text.clone()));
        let text = Memo::new(move |_| given.get().unwrap_or_else(|| t(EXAMPLES[0])));
        let show = Memo::new(move |_| app.state.with(|state| state.attention.show));
        let special_hidden = read(|state| state.special_hidden);
        let pointed = RwSignal::new(None);
        let cards = [Family::Bert, Family::Gpt2].map(|family| {
            Memo::new(move |_| app.status.with(|all| all.get(&family).map(|status| status.model.clone())))
        });
        let off = cards.map(|card| {
            Memo::new(move |_| {
                let card = card.get();
                card.map(|card| app.state.with(|state| state.attention.off.within(&card))).unwrap_or_default()
            })
        });
        let runs = [Family::Bert, Family::Gpt2].map(|family| {
            let shown = Memo::new(move |_| show.get().shows(family));
            following(app, family, text, shown, cards[index(family)], off[index(family)])
        });
        let maps = [Family::Bert, Family::Gpt2].map(|family| {
            let run = runs[index(family)].0.run;
            let head = Memo::new(move |_| {
                let head = app.state.with(|state| state.attention.head(family));
                run.with(|run| run.as_ref().map_or(head, |run| head.within(&run.model)))
            });
            let map = Memo::new(move |_| {
                run.with(|run| {
                    AttentionMap::new(run.as_deref()?, head.get(), special_hidden.get()).map(Arc::new)
                })
            });
            (head, map)
        });
        let spot = Memo::new(move |_| {
            let show = show.get();
            let chosen = pointed.get().or_else(|| app.state.with(|state| state.attention.spot));
            let of = chosen.map_or(show.first(), |spot| spot.of);
            runs[index(of)].0.run.with(|run| {
                let run = run.as_ref()?;
                let shown = |position: usize| {
                    maps[index(of)]
                        .1
                        .with(|map| map.as_ref().is_some_and(|map| map.shown().contains(&position)))
                };
                let query =
                    chosen.map(|spot| spot.query).filter(|query| shown(*query)).or_else(|| middle(run))?;
                Some(Spot { of, query, key: chosen.and_then(|spot| spot.key).filter(|key| shown(*key)) })
            })
        });
        let models = [Family::Bert, Family::Gpt2].map(|family| {
            let (following, problem) = runs[index(family)];
            let Following { run, busy, .. } = following;
            let (head, map) = maps[index(family)];
            // The same word in this model, if its tokens are shown.
            let own = move |of: Family, position: usize| {
                let position = if of == family {
                    Some(position)
                } else {
                    let from = runs[index(of)].0.run.get()?;
                    run.with(|run| aligned(&from, position, run.as_deref()?))
                };
                position.filter(|position| {
                    map.with(|map| map.as_ref().is_some_and(|map| map.shown().contains(position)))
                })
            };
            let query = Memo::new(move |_| spot.get().and_then(|spot| own(spot.of, spot.query)));
            let key = Memo::new(move |_| {
                let pinned = spot.get().and_then(|spot| own(spot.of, spot.key?));
                pinned.or_else(|| map.with(|map| map.as_ref()?.strongest(query.get()?)))
            });
            let off = off[index(family)];
            let (change, measuring) = watch(app, family, following, query, off);
            Model { family, run, busy, measuring, change, off, problem, head, map, query, key }
        });
        let as_table = RwSignal::new(false);
        Lesson { app, text, show, special_hidden, as_table, models, pointed, active: RwSignal::new(None) }
    }

    /// A model.
    pub(super) fn model(&self, family: Family) -> Model {
        self.models[index(family)]
    }

    /// The models that are shown, in their order.
    pub(super) fn shown(&self) -> impl Iterator<Item = Model> + use<> {
        let show = self.show.get();
        self.models.into_iter().filter(move |model| show.shows(model.family))
    }

    /// The model whose row is computed step by step: GPT if it is shown and has the word, else BERT.
    pub(super) fn computed(&self) -> Option<Model> {
        let mut with_row = self.shown().filter(|model| model.query.get().is_some());
        let first = with_row.next();
        with_row.next().or(first)
    }

    /// Follows the pointer.
    pub(super) fn point(&self, of: Family, cell: Option<Cell>) {
        let spot = cell.map(|(query, key)| Spot { of, query, key: Some(key) });
        if self.pointed.get_untracked() != spot {
            self.pointed.set(spot);
        }
    }

    /// Looks at a cell from now on.
    pub(super) fn look_at(&self, of: Family, (query, key): Cell) {
        self.app.state.update(|state| state.attention.spot = Some(Spot { of, query, key: Some(key) }));
    }

    /// Pins a cell, or takes the pin out.
    pub(super) fn pin(&self, of: Family, (query, key): Cell) {
        self.app.state.update(|state| state.attention.pin(of, query, key));
    }

    /// Looks at another head.
    pub(super) fn look_through(&self, family: Family, head: HeadIndex) {
        self.active.set(Some(family));
        self.app.state.update(|state| state.attention.set_head(family, head));
    }

    /// Looks at the head so many layers and heads further.
    pub(super) fn move_head(&self, family: Family, layers: isize, heads: isize) {
        let model = self.model(family);
        let card = model.run.with_untracked(|run| run.as_ref().map(|run| run.model.clone()));
        if let Some(card) = card {
            self.look_through(family, model.head.get_untracked().moved(layers, heads, &card));
        }
    }

    /// Switches a head off, or on again, and says which it was.
    pub(super) fn toggle_head(&self, family: Family, at: HeadIndex) {
        self.active.set(Some(family));
        self.app.state.update(|state| state.attention.off.toggle(family, at));
        let off = self.app.state.with_untracked(|state| state.attention.off.contains(family, at));
        let key = if off { "attention-said-off" } else { "attention-said-on" };
        self.app.announce(head_words(key, family, at));
    }

    /// Switches the head that is looked at off, or on again.
    pub(super) fn toggle_this_head(&self, family: Family) {
        self.toggle_head(family, self.model(family).head.get_untracked());
    }

    /// Switches all heads of a model on.
    pub(super) fn all_on(&self, family: Family) {
        self.app.state.update(|state| state.attention.off.clear(family));
        self.app.announce(t("attention-said-all-on"));
    }

    /// Notes that the reader works with this model.
    pub(super) fn activate(&self, family: Family) {
        self.active.set(Some(family));
    }

    /// The model whose head the keys change.
    pub(super) fn active(&self) -> Family {
        let show = self.show.get_untracked();
        self.active.get_untracked().filter(|family| show.shows(*family)).unwrap_or(show.first())
    }

    /// Shows other models. The word that is looked at stays, counted in tokens of a model that is shown.
    pub(super) fn show_models(&self, show: Shown) {
        self.app.state.update(|state| {
            let attention = &mut state.attention;
            attention.show = show;
            if let Some(spot) = attention.spot.filter(|spot| !show.shows(spot.of)) {
                let to = show.first();
                let runs = (self.model(spot.of).run.get_untracked(), self.model(to).run.get_untracked());
                attention.spot = runs.0.zip(runs.1).and_then(|(from, into)| {
                    let query = aligned(&from, spot.query, &into)?;
                    Some(Spot { of: to, query, key: spot.key.and_then(|key| aligned(&from, key, &into)) })
                });
            }
        });
    }

    /// Leaves the special tokens out, or shows them.
    pub(super) fn toggle_special(&self) {
        self.app.state.update(|state| state.attention.special_hidden = !state.attention.special_hidden);
    }

    /// Takes what was typed.
    pub(super) fn set_text(&self, text: String) {
        self.app.state.update(|state| state.attention.text = Some(text));
    }

    /// Takes a prepared sentence.
    pub(super) fn show_example(&self, text: String) {
        self.app.state.update(|state| {
            state.attention.text = Some(text);
            state.attention.spot = None;
        });
    }
}

/// A message about a head of a model, which count from 1 there.
pub(super) fn head_words(key: &str, family: Family, HeadIndex { layer, head }: HeadIndex) -> String {
    let model = family_name(family);
    tr(key, &[("model", model.into()), ("layer", (layer + 1).into()), ("head", (head + 1).into())])
}

fn index(family: Family) -> usize {
    match family {
        Family::Bert => 0,
        Family::Gpt2 => 1,
    }
}

/// Runs a model on the sentence as long as it is shown, and tells why it could not be loaded.
///
/// It is loaded before anything is asked, since only then it is known how many layers to ask for; a load that failed is
/// tried again when the sentence changes.
fn following(
    app: App,
    family: Family,
    text: Memo<String>,
    shown: Memo<bool>,
    card: Memo<Option<ModelCard>>,
    off: Memo<Vec<[usize; 2]>>,
) -> (Following, Signal<Option<Problem>>) {
    let layers = Memo::new(move |_| card.with(|card| Some(card.as_ref()?.layers)));
    let (unloaded, set_unloaded) = signal(None);
    Effect::new(move |_| {
        text.with(|_| ());
        if shown.get() && layers.get().is_none() {
            leptos::task::spawn_local(async move {
                let problem = app.loaded(family).await.err();
                // What the frame says already need not be said twice.
                let told = app.failure.with_untracked(|failure| *failure == problem);
                set_unloaded.try_set(problem.filter(|_| !told));
            });
        }
    });
    let request = Memo::new(move |_| {
        let text = text.get();
        let wanted = shown.get() && !text.trim().is_empty();
        wanted.then_some(()).and(layers.get()).map(|layers| request(text, layers, off.get()))
    });
    let following = follow(app, family, request.into());
    let problem = Signal::derive(move || {
        shown.get().then(|| following.problem.get().or_else(|| unloaded.get())).flatten()
    });
    (following, problem)
}

/// A run that records everything the figures draw, of every layer: another head is then there at once.
fn request(text: String, layers: usize, off: Vec<[usize; 2]>) -> RunRequest {
    let hooks = [Hook::Q, Hook::K, Hook::AttnScores, Hook::Pattern, Hook::Mask];
    let want = (0..layers).flat_map(|layer| hooks.map(|hook| hook(layer))).collect();
    let ablate = Ablation { heads: off, ..Ablation::default() };
    RunRequest { text, want, max_tokens: Some(LIMIT), ablate, ..RunRequest::default() }
}
