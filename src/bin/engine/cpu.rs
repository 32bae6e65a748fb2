//! The CPU's worker, seen from the engine's: requests go on to it, and what it says goes on to the page, as it is.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use cloze::engine::protocol::{Answer, Ask, FromEngine, Problem, Reply, Request};
use futures_channel::oneshot;
use js_sys::{Array, Float32Array};
use serde::Deserialize;
use wasm_bindgen::prelude::*;
use web_sys::{DedicatedWorkerGlobalScope, ErrorEvent, Event, MessageEvent, Worker};

use crate::worker::post;

/// The script that starts the CPU's program.
const SCRIPT: &str = "./engine_loader.js?cpu";

/// Who waits for an answer, by the question's number: one of us, or the page.
type Waiting = BTreeMap<u32, Option<oneshot::Sender<Result<Answer, Problem>>>>;

/// The CPU's worker, started when it is first needed.
#[derive(Default)]
pub(crate) struct Cpu {
    line: Rc<Line>,
    /// How many questions of our own were asked.
    asked: Cell<u32>,
}

#[derive(Default)]
struct Line {
    worker: RefCell<Option<Worker>>,
    waiting: RefCell<Waiting>,
    /// How many workers were started.
    started: Cell<u32>,
    /// How many models are on their way there.
    loading: Cell<u32>,
    /// Whether the worker is to end when nothing is being asked of it.
    unneeded: Cell<bool>,
}

impl Cpu {
    /// Passes a request of the page on; the answer goes to the page.
    ///
    /// # Errors
    /// `engine-stopped` if the worker cannot be started.
    pub(crate) fn forward(&self, id: u32, ask: Ask) -> Result<(), Problem> {
        self.send(id, ask, None)
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
        let is_load = matches!(ask, Ask::Load(_));
        self.send(id, ask, Some(sender))?;
        let loading = &self.line.loading;
        loading.set(loading.get() + u32::from(is_load));
        let answer = receiver.await.unwrap_or_else(|_| Err(stopped("has stopped")));
        loading.set(loading.get() - u32::from(is_load));
        answer
    }

    /// Asks something that concerns nobody while the worker was not started.
    ///
    /// # Errors
    /// As [`Cpu::ask`].
    pub(crate) async fn ask_if_started(&self, ask: Ask) -> Result<Answer, Problem> {
        if self.worker().is_some() { self.ask(ask).await } else { Ok(Answer::Done) }
    }

    /// Which worker it is, with what was loaded there: another after that one has ended. None if there is none now.
    pub(crate) fn worker(&self) -> Option<u32> {
        self.line.worker.borrow().as_ref().map(|_| self.line.started.get())
    }

    /// Whether one of its models answers for a family. If none does, the worker ends and gives back the memory of its models,
    /// as soon as nothing is being asked of it and no model is on its way there.
    pub(crate) fn is_needed(&self, needed: bool) {
        self.line.unneeded.set(!needed);
        self.line.end_if_idle();
    }

    fn send(
        &self,
        id: u32,
        ask: Ask,
        waiter: Option<oneshot::Sender<Result<Answer, Problem>>>,
    ) -> Result<(), Problem> {
        let text =
            serde_json::to_string(&Request { id, ask }).map_err(|error| stopped(&error.to_string()))?;
        let mut worker = self.line.worker.borrow_mut();
        let worker = match &mut *worker {
            Some(worker) => worker,
            none => none.insert(start(&self.line).map_err(|_| stopped("could not be started"))?),
        };
        worker.post_message(&text.into()).map_err(|_| stopped("takes no messages"))?;
        self.line.waiting.borrow_mut().insert(id, waiter);
        Ok(())
    }
}

/// What is said when the worker does not answer.
fn stopped(why: &str) -> Problem {
    Problem::new("engine-stopped", format!("the CPU's worker {why}"))
}

fn start(line: &Rc<Line>) -> Result<Worker, JsValue> {
    let worker = Worker::new(SCRIPT)?;
    let own = Rc::clone(line);
    let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
        own.hear(&event.data());
    });
    worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    let own = Rc::clone(line);
    let on_error = Closure::<dyn Fn(Event)>::new(move |event: Event| {
        event.prevent_default();
        // A worker whose script could not be fetched sends a plain event, without a message.
        let why = event.dyn_ref::<ErrorEvent>().map(ErrorEvent::message);
        own.bury(&stopped(&why.unwrap_or_else(|| "could not be started".to_owned())));
    });
    worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
    on_error.forget();
    line.started.set(line.started.get() + 1);
    Ok(worker)
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
    Stopped {
        problem: Problem,
    },
    #[serde(untagged)]
    Other(serde::de::IgnoredAny),
}

impl Line {
    fn end(&self) {
        if let Some(worker) = self.worker.take() {
            // What it still has to say would be taken for news of the next one.
            worker.set_onmessage(None);
            worker.set_onerror(None);
            worker.terminate();
        }
    }

    fn end_if_idle(&self) {
        if self.unneeded.get() && self.loading.get() == 0 && self.waiting.borrow().is_empty() {
            self.end();
        }
    }

    /// Keeps the answers to our own questions and what concerns the worker alone, and passes everything else on.
    fn hear(&self, message: &JsValue) {
        let parts: &Array = message.unchecked_ref();
        let text = parts.get(0).as_string().unwrap_or_default();
        match serde_json::from_str::<Head>(&text) {
            Ok(Head::Reply { id }) => {
                let waiter = self.waiting.borrow_mut().remove(&id);
                if let Some(Some(sender)) = waiter {
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
                } else {
                    pass_on(message, parts);
                }
                self.end_if_idle();
            }
            // The page knows already that there is an engine.
            Ok(Head::News(Kind::Ready)) => {}
            // And it goes on: another worker takes the place of this one when it is needed.
            Ok(Head::News(Kind::Stopped { problem })) => self.bury(&problem),
            _ => pass_on(message, parts),
        }
    }

    /// Refuses whatever waits for a worker that has ended, and forgets it: the next question starts another.
    fn bury(&self, problem: &Problem) {
        self.end();
        for (id, waiter) in self.waiting.take() {
            let outcome = Err(problem.clone());
            match waiter {
                Some(sender) => drop(sender.send(outcome)),
                None => post::message(&FromEngine::Reply(Reply { id, outcome })),
            }
        }
    }
}

fn pass_on(message: &JsValue, parts: &Array) {
    let floats: Float32Array = parts.get(1).unchecked_into();
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let transferred = if floats.is_undefined() { Array::new() } else { Array::of1(&floats.buffer()) };
    // It can only fail for want of memory, and then nothing else could be said either.
    let _ = scope.post_message_with_transfer(message, &transferred);
}
