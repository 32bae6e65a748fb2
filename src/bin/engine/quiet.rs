//! When the page asks for nothing, so that there is time for what nobody waits for.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use cloze::engine::protocol::Ask;
use futures_util::future::{AbortHandle, abortable};
use futures_util::lock::Mutex;
use gloo::timers::future::sleep;

/// How long the page must have asked for nothing.
const QUIET: Duration = Duration::from_secs(1);

/// What the page asks for, and what is done while it asks for nothing.
#[derive(Default)]
pub(crate) struct Quiet {
    /// How many requests have come.
    asked: Cell<u64>,
    /// How many of them were answered.
    answered: Cell<u64>,
    /// What is done meanwhile.
    meanwhile: RefCell<Option<AbortHandle>>,
    /// Whoever does that, or waits to.
    turn: Mutex<()>,
}

impl Quiet {
    /// A request has come. One that changes which files are here ends what is done meanwhile: two models would be on their
    /// way at once, which takes memory for both.
    pub(crate) fn is_broken_by(&self, ask: &Ask) {
        self.asked.set(self.asked.get() + 1);
        if matches!(ask, Ask::Load(_) | Ask::Forget { .. })
            && let Some(meanwhile) = self.meanwhile.take()
        {
            meanwhile.abort();
        }
    }

    /// A request was answered.
    pub(crate) fn answered(&self) {
        self.answered.set(self.answered.get() + 1);
    }

    /// Does `work` once the page has asked for nothing for a while, unless it is ended before its time.
    pub(crate) async fn spend<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let _one_at_a_time = self.turn.lock().await;
        loop {
            let asked = self.asked.get();
            sleep(QUIET).await;
            if asked == self.asked.get() && asked == self.answered.get() {
                break;
            }
        }
        let (work, handle) = abortable(work);
        self.meanwhile.replace(Some(handle));
        work.await.ok()
    }
}
