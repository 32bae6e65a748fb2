//! The downloads that go on: each source is loaded by one at a time, who can be made to wait, or to give up.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use cloze::engine::protocol::{Act, Answer, Load, Origin, Problem};
use cloze::engine::{Engine, Loader, Reference, Session};
use cloze::hub::{Control, Download, Store};
use cloze::trace::Family;
use futures_util::lock::{Mutex, OwnedMutexGuard};

/// Every source that was asked for, with whoever loads it now.
#[derive(Default)]
pub(crate) struct Downloads(RefCell<BTreeMap<String, Source>>);

#[derive(Clone, Default)]
struct Source {
    turn: Arc<Mutex<()>>,
    control: Option<Rc<Control>>,
}

/// The right to load a source, until it is dropped.
pub(crate) struct Turn {
    /// What the reader wants of this download.
    pub control: Rc<Control>,
    _turn: OwnedMutexGuard<()>,
}

impl Downloads {
    /// Waits until nobody else loads `source`.
    pub(crate) async fn begin(&self, source: &str) -> Turn {
        let turn = Arc::clone(&self.0.borrow_mut().entry(source.to_owned()).or_default().turn);
        let turn = turn.lock_owned().await;
        let control = Rc::new(Control::new());
        self.0.borrow_mut().entry(source.to_owned()).or_default().control = Some(Rc::clone(&control));
        Turn { control, _turn: turn }
    }

    /// Does something with the download of `source`, if it goes on.
    pub(crate) fn act(&self, source: &str, act: Act) {
        let control = self.0.borrow().get(source).and_then(|source| source.control.clone());
        let Some(control) = control else { return };
        match act {
            Act::Pause => control.pause(true),
            Act::Resume => control.pause(false),
            Act::Cancel => control.cancel(),
        }
    }
}

/// In which order models were asked for: of two of a family the later one stays, whichever arrives first. But what a lesson
/// begins with gives way to what somebody chose, also to what was chosen before.
#[derive(Default)]
pub(crate) struct Order {
    /// How many loads have begun.
    begun: Cell<u32>,
    /// The number of the load that gave each family's model, chosen or not, the last time that it was one of these.
    placed: RefCell<BTreeMap<(Family, bool), u32>>,
}

impl Order {
    /// The same load with its number, if it has none yet.
    pub(crate) fn numbered(&self, load: &Load) -> Load {
        let order = load.order.unwrap_or_else(|| self.begun.replace(self.begun.get() + 1));
        Load { order: Some(order), ..load.clone() }
    }

    /// Lets the model of a numbered load answer for its family from now on.
    ///
    /// # Errors
    /// `superseded` if one that was asked for later is there already.
    pub(crate) fn place(&self, family: Family, load: &Load) -> Result<(), Problem> {
        if self.is_late(family, load) {
            return Err(Problem::new("superseded", "a model that was asked for later has taken its place"));
        }
        self.placed.borrow_mut().insert((family, load.chosen), load.order.unwrap_or_default());
        Ok(())
    }

    /// Whether a model that was asked for later answers for the family of a numbered load already.
    pub(crate) fn is_late(&self, family: Family, load: &Load) -> bool {
        let placed = self.placed.borrow();
        let later = |chosen| {
            placed.get(&(family, chosen)).is_some_and(|placed| *placed > load.order.unwrap_or_default())
        };
        later(true) || (!load.chosen && later(false))
    }
}

/// A model that has arrived.
pub(crate) struct Arrived {
    pub session: Session,
    /// Values that it must find again, where there are any.
    pub reference: Option<Reference>,
    /// Where it is from, and why the browser does not keep it for the next time.
    pub kept: (Option<Origin>, Option<Problem>),
}

/// Brings a checkpoint to an engine while it arrives.
pub(crate) async fn arrive<E: Engine>(
    load: &Load,
    download: Download<'_>,
    engine: E,
) -> Result<Arrived, Problem> {
    let Download { config, vocabulary, self_check, mut weights, keeping } = download;
    let session = async {
        let announced = weights.announced();
        let mut loader = Loader::new(&load.source, config, vocabulary, announced, engine, load.weights)?;
        while let Some(piece) = weights.next().await? {
            loader.push(&piece)?;
        }
        loader.finish().await
    };
    let session = keeping.judged(session.await).await?;
    let kept = keeping.keep().await;
    Ok(Arrived { session, reference: self_check.as_deref().and_then(Reference::parse), kept })
}

/// Which checkpoints the browser keeps: none where it keeps nothing.
pub(crate) async fn stored() -> Answer {
    let models = match Store::open().await {
        Ok(store) => store.models().await,
        Err(_) => Vec::new(),
    };
    Answer::Stored { models }
}

/// Keeps a checkpoint no longer; all of them, if none is named.
pub(crate) async fn forget(source: Option<&str>) -> Result<Answer, Problem> {
    Store::open().await?.forget(source).await;
    Ok(Answer::Done)
}
