//! The line to the engine's worker: numbered requests out, replies and news in.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use futures_channel::oneshot;
use js_sys::{Array, Float32Array, JsString};
use wasm_bindgen::prelude::*;
use web_sys::{ErrorEvent, Event, MessageEvent, Worker};

use crate::engine::protocol::{Answer, Ask, FromEngine, News, Problem, Reply, Request};
use crate::trace::Activation;

/// Where Trunk puts the worker's loader, relative to the page.
const WORKER: &str = "./engine_loader.js";

/// An answer with the values that travelled beside it.
pub(super) struct Parcel {
    /// What the engine answered.
    pub answer: Answer,
    /// The values of its activations, one after the other.
    pub floats: Float32Array,
}

type Waiting = HashMap<u32, oneshot::Sender<Result<Parcel, Problem>>>;

/// The page's end of the line. Cloning it gives another handle on the same worker.
#[derive(Clone)]
pub(super) struct Link(Rc<Inner>);

struct Inner {
    worker: RefCell<Option<Worker>>,
    waiting: RefCell<Waiting>,
    next: Cell<u32>,
    news: Box<dyn Fn(News)>,
    /// Called when the worker dies, after everything that waited was told.
    died: Box<dyn Fn(Problem)>,
}

impl Link {
    /// A line whose worker starts at the first request.
    pub(super) fn new(news: impl Fn(News) + 'static, died: impl Fn(Problem) + 'static) -> Link {
        Link(Rc::new(Inner {
            worker: RefCell::new(None),
            waiting: RefCell::default(),
            next: Cell::new(1),
            news: Box::new(news),
            died: Box::new(died),
        }))
    }

    /// Asks, and waits for the answer; the values of activations are in their places.
    ///
    /// # Errors
    /// What the engine says, or `engine-stopped` if its worker died meanwhile.
    pub(super) async fn ask(&self, ask: Ask) -> Result<Answer, Problem> {
        let Parcel { mut answer, floats } = self.ask_parcel(ask).await?;
        let mut from = 0;
        let mut fill = |activations: &mut Vec<Activation>| {
            for activation in activations {
                let to = from + activation.shape.iter().product::<usize>() as u32;
                activation.data = floats.subarray(from, to).to_vec();
                from = to;
            }
        };
        match &mut answer {
            Answer::Ran { run } => fill(&mut run.activations),
            Answer::Generated { steps } => steps.iter_mut().for_each(|step| fill(&mut step.activations)),
            Answer::Loaded { .. } | Answer::Kernels { .. } => {}
        }
        Ok(answer)
    }

    /// Asks, and waits for the answer with its values beside it, as the API hands them on.
    ///
    /// # Errors
    /// As [`Link::ask`].
    pub(super) async fn ask_parcel(&self, ask: Ask) -> Result<Parcel, Problem> {
        let id = self.0.next.replace(self.0.next.get().wrapping_add(1));
        let (sender, receiver) = oneshot::channel();
        let request = serde_json::to_string(&Request { id, ask })
            .map_err(|error| Problem::new("bad-request", error.to_string()))?;
        let worker = self.worker()?;
        self.0.waiting.borrow_mut().insert(id, sender);
        if worker.post_message(&request.into()).is_err() {
            self.0.waiting.borrow_mut().remove(&id);
            return Err(stopped());
        }
        receiver.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// The running worker, started if there is none.
    fn worker(&self) -> Result<Worker, Problem> {
        if let Some(worker) = &*self.0.worker.borrow() {
            return Ok(worker.clone());
        }
        let worker = Worker::new(WORKER).map_err(|_| stopped())?;

        let inner = Rc::clone(&self.0);
        let on_message =
            Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| inner.receive(&event));
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        on_message.forget();

        let inner = Rc::clone(&self.0);
        let on_error = Closure::<dyn Fn(Event)>::new(move |event: Event| {
            event.prevent_default();
            // A worker whose script could not be fetched sends a plain event, without a message.
            let why = event.dyn_ref::<ErrorEvent>().map(ErrorEvent::message);
            inner.bury(why.map_or_else(stopped, |why| Problem::new("engine-stopped", why)));
        });
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        on_error.forget();

        *self.0.worker.borrow_mut() = Some(worker.clone());
        Ok(worker)
    }
}

impl Inner {
    /// One message of the worker: `[JSON text, Float32Array]`.
    fn receive(&self, event: &MessageEvent) {
        let parts = Array::from(&event.data());
        let Some(text) = parts.get(0).dyn_ref::<JsString>().map(String::from) else { return };
        match serde_json::from_str(&text) {
            Ok(FromEngine::Reply(Reply { id, outcome })) => {
                let floats = parts.get(1).dyn_into().unwrap_or_else(|_| Float32Array::new_with_length(0));
                if let Some(sender) = self.waiting.borrow_mut().remove(&id) {
                    // Whoever asked may be gone; then nobody is told.
                    let _ = sender.send(outcome.map(|answer| Parcel { answer, floats }));
                }
            }
            Ok(FromEngine::News(News::Stopped { problem })) => self.bury(problem),
            Ok(FromEngine::News(news)) => (self.news)(news),
            Err(error) => self.bury(Problem::new("engine-stopped", error.to_string())),
        }
    }

    /// The worker is dead: whoever waits is told, and the next request starts another.
    fn bury(&self, problem: Problem) {
        if let Some(worker) = self.worker.take() {
            // What it still has to say would be taken for news of the next one.
            worker.set_onmessage(None);
            worker.set_onerror(None);
            worker.terminate();
        }
        for (_, sender) in self.waiting.take() {
            let _ = sender.send(Err(problem.clone()));
        }
        (self.died)(problem);
    }
}

fn stopped() -> Problem {
    Problem::new("engine-stopped", "the engine's worker does not run")
}
