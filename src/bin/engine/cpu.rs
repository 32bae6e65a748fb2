//! The CPU's worker, seen from the engine's: requests go on to it, and what it says goes on to the page, as it is.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use cloze::engine::protocol::{Answer, Ask, Problem, Reply, Request};
use futures_channel::oneshot;
use js_sys::{Array, Float32Array};
use serde::Deserialize;
use wasm_bindgen::prelude::*;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent, Worker};

/// The script that starts the CPU's program.
const SCRIPT: &str = "./engine_loader.js?cpu";

type Waiting = BTreeMap<u32, oneshot::Sender<Result<Answer, Problem>>>;

/// The CPU's worker, started when it is first needed.
#[derive(Default)]
pub(crate) struct Cpu {
    worker: RefCell<Option<Worker>>,
    /// Our own questions, by number.
    waiting: Rc<RefCell<Waiting>>,
    /// How many questions of our own were asked.
    asked: Cell<u32>,
}

impl Cpu {
    /// Passes a request of the page on; the answer goes to the page.
    ///
    /// # Errors
    /// `engine-stopped` if the worker cannot be started.
    pub(crate) fn forward(&self, id: u32, ask: Ask) -> Result<(), Problem> {
        let failed = |what: &str| Problem::new("engine-stopped", format!("the CPU's worker {what}"));
        let text = serde_json::to_string(&Request { id, ask }).map_err(|error| failed(&error.to_string()))?;
        let mut worker = self.worker.borrow_mut();
        let worker = match &mut *worker {
            Some(worker) => worker,
            none => none.insert(self.start().map_err(|_| failed("could not be started"))?),
        };
        worker.post_message(&text.into()).map_err(|_| failed("takes no messages"))
    }

    /// Asks something of our own.
    ///
    /// # Errors
    /// What the worker answers; `engine-stopped` if it does not.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Answer, Problem> {
        // The page counts upwards from nothing, so that the numbers never meet.
        self.asked.set(self.asked.get() + 1);
        let id = u32::MAX - self.asked.get();
        let (sender, receiver) = oneshot::channel();
        self.waiting.borrow_mut().insert(id, sender);
        self.forward(id, ask)?;
        let stopped = |_| Problem::new("engine-stopped", "the CPU's worker has stopped");
        receiver.await.map_err(stopped)?
    }

    /// Asks something that concerns nobody while the worker was not started.
    ///
    /// # Errors
    /// As [`Cpu::ask`].
    pub(crate) async fn ask_if_started(&self, ask: Ask) -> Result<Answer, Problem> {
        let started = self.worker.borrow().is_some();
        if started { self.ask(ask).await } else { Ok(Answer::Done) }
    }

    fn start(&self) -> Result<Worker, JsValue> {
        let worker = Worker::new(SCRIPT)?;
        let waiting = Rc::clone(&self.waiting);
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            pass_on(&waiting, &event.data());
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        on_message.forget();
        Ok(worker)
    }
}

/// What the head of a message tells.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Head {
    Reply { id: u32 },
    News(Kind),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Ready,
    #[serde(untagged)]
    Other(serde::de::IgnoredAny),
}

/// Keeps the answers to our own questions, and passes everything else on.
fn pass_on(waiting: &RefCell<Waiting>, message: &JsValue) {
    let parts: &Array = message.unchecked_ref();
    let text = parts.get(0).as_string().unwrap_or_default();
    match serde_json::from_str::<Head>(&text) {
        Ok(Head::Reply { id }) => {
            if let Some(sender) = waiting.borrow_mut().remove(&id) {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                enum Whole {
                    Reply(Reply),
                }
                let unreadable = |error: serde_json::Error| Problem::new("internal", error.to_string());
                let outcome = serde_json::from_str(&text)
                    .map_err(unreadable)
                    .and_then(|Whole::Reply(Reply { outcome, .. })| outcome);
                // Nobody waits any more when the load was given up.
                let _ = sender.send(outcome);
                return;
            }
        }
        // The page knows already that there is an engine.
        Ok(Head::News(Kind::Ready)) => return,
        _ => {}
    }
    let floats: Float32Array = parts.get(1).unchecked_into();
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let transferred = if floats.is_undefined() { Array::new() } else { Array::of1(&floats.buffer()) };
    // It can only fail for want of memory, and then nothing else could be said either.
    let _ = scope.post_message_with_transfer(message, &transferred);
}
