//! A download can be made to wait, and be given up.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use gloo::timers::future::TimeoutFuture;
use web_sys::{AbortController, AbortSignal};

use crate::engine::protocol::Problem;

/// What the reader wants of a download.
#[derive(Default)]
pub struct Control {
    cancelled: Cell<bool>,
    paused: Cell<bool>,
    /// Whoever waits for a change.
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
    abort: Option<AbortController>,
}

impl Control {
    /// A download that goes on.
    pub fn new() -> Control {
        Control { abort: AbortController::new().ok(), ..Control::default() }
    }

    /// Gives the download up. What has arrived is kept where there is a place for it.
    pub fn cancel(&self) {
        self.cancelled.set(true);
        if let Some(abort) = &self.abort {
            abort.abort();
        }
        self.changed();
    }

    /// Makes the download wait, or go on.
    pub fn pause(&self, paused: bool) {
        self.paused.set(paused);
        self.changed();
    }

    /// Whether it waits.
    pub fn is_paused(&self) -> bool {
        self.paused.get()
    }

    fn changed(&self) {
        for waiting in self.waiting.take() {
            // Whoever waited may be gone.
            let _ = waiting.send(());
        }
    }

    /// What stops a request to a server.
    pub(super) fn signal(&self) -> Option<AbortSignal> {
        self.abort.as_ref().map(AbortController::signal)
    }

    /// Waits as long as the download is to wait.
    ///
    /// # Errors
    /// `cancelled`.
    pub(super) async fn pass(&self) -> Result<(), Problem> {
        while self.paused.get() && !self.cancelled.get() {
            self.change().await;
        }
        if self.cancelled.get() {
            return Err(Problem::new("cancelled", "the download was given up; what has arrived is kept"));
        }
        Ok(())
    }

    /// Waits for some time, and then as long as the download is to wait.
    ///
    /// # Errors
    /// `cancelled`.
    pub(super) async fn rest(&self, time: Duration) -> Result<(), Problem> {
        let mut rest = TimeoutFuture::new(time.as_millis() as u32);
        while !self.cancelled.get() {
            match select(rest, Box::pin(self.change())).await {
                Either::Left(_) => break,
                Either::Right((_, left)) => rest = left,
            }
        }
        self.pass().await
    }

    async fn change(&self) {
        let (sender, receiver) = oneshot::channel();
        self.waiting.borrow_mut().push(sender);
        // The other end is not dropped before it has spoken.
        let _ = receiver.await;
    }
}
