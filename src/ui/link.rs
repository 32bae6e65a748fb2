//! The line to the engine's worker: numbered requests out, replies and news in.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use futures_channel::oneshot;
use js_sys::{Array, Float32Array, Function, JsString, Reflect};
use wasm_bindgen::prelude::*;
use web_sys::{ErrorEvent, Event, MessageEvent, Worker};

use crate::engine::protocol::{Answer, Ask, FromEngine, News, Problem, Reply, Request};
use crate::trace::Activation;

/// Where Trunk puts the worker's loader, relative to the page.
const WORKER: &str = "./engine_loader.js";

/// Who waits for an answer.
enum Waiter {
    /// The page: for values of its own types.
    Page(oneshot::Sender<Result<Answer, Problem>>),
    /// A script: for `[answer, values]` as the engine sent them.
    Script(oneshot::Sender<Result<Array, Problem>>),
}

impl Waiter {
    /// Tells why there is no answer. Whoever asked may be gone; then nobody is told.
    fn refuse(self, problem: Problem) {
        match self {
            Waiter::Page(sender) => drop(sender.send(Err(problem))),
            Waiter::Script(sender) => drop(sender.send(Err(problem))),
        }
    }
}

type Waiting = HashMap<u32, Waiter>;

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
        let (sender, receiver) = oneshot::channel();
        let id = self.number();
        let request = serde_json::to_string(&Request { id, ask })
            .map_err(|error| Problem::new("bad-request", error.to_string()))?;
        self.send(id, &request, Waiter::Page(sender))?;
        receiver.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Hands a script's question on as it is, the JSON of an [`Ask`], and its answer back: an array of what
    /// [`Answer`] writes, and the values of its activations one after the other. So the page's program has no need to
    /// read what it never looks at.
    ///
    /// # Errors
    /// As [`Link::ask`].
    pub(super) async fn pass_on(&self, ask: &str) -> Result<Array, Problem> {
        let (sender, receiver) = oneshot::channel();
        let id = self.number();
        self.send(id, &format!(r#"{{"id":{id},"ask":{ask}}}"#), Waiter::Script(sender))?;
        receiver.await.unwrap_or_else(|_| Err(stopped()))
    }

    fn number(&self) -> u32 {
        self.0.next.replace(self.0.next.get().wrapping_add(1))
    }

    fn send(&self, id: u32, request: &str, waiter: Waiter) -> Result<(), Problem> {
        let worker = self.worker()?;
        self.0.waiting.borrow_mut().insert(id, waiter);
        worker.post_message(&request.into()).map_err(|_| {
            self.0.waiting.borrow_mut().remove(&id);
            stopped()
        })
    }

    /// The running worker, started if there is none.
    fn worker(&self) -> Result<Worker, Problem> {
        if let Some(worker) = &*self.0.worker.borrow() {
            return Ok(worker.clone());
        }
        let (worker, early) = match started() {
            Some(started) => started,
            None => (Worker::new(WORKER).map_err(|_| stopped())?, Array::new()),
        };

        let inner = Rc::clone(&self.0);
        let on_message =
            Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| inner.receive(&event));
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));

        let inner = Rc::clone(&self.0);
        let on_error = Closure::<dyn Fn(Event)>::new(move |event: Event| {
            event.prevent_default();
            // A worker whose script could not be fetched sends a plain event, without a message.
            let why = event.dyn_ref::<ErrorEvent>().map(ErrorEvent::message);
            inner.bury(why.map_or_else(stopped, |why| Problem::new("engine-stopped", why)));
        });
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));

        *self.0.worker.borrow_mut() = Some(worker.clone());
        for event in early.iter() {
            let listener =
                if event.has_type::<MessageEvent>() { on_message.as_ref() } else { on_error.as_ref() };
            // A listener that fails has told why.
            let _ = listener.unchecked_ref::<Function>().call1(&JsValue::NULL, &event);
        }
        on_message.forget();
        on_error.forget();
        Ok(worker)
    }
}

impl Inner {
    /// One message of the worker: `[JSON text, Float32Array]`.
    fn receive(&self, event: &MessageEvent) {
        let parts = Array::from(&event.data());
        let Some(text) = parts.get(0).dyn_ref::<JsString>().map(String::from) else { return };
        let floats = parts.get(1).dyn_into().unwrap_or_else(|_| Float32Array::new_with_length(0));
        if self.tell_script(&text, &floats) {
            return;
        }
        match serde_json::from_str(&text) {
            Ok(FromEngine::Reply(Reply { id, outcome })) => {
                let waiter = self.waiting.borrow_mut().remove(&id);
                match (waiter, outcome) {
                    (Some(Waiter::Page(sender)), Ok(answer)) => {
                        drop(sender.send(Ok(filled(answer, &floats))))
                    }
                    (Some(waiter), Err(problem)) => waiter.refuse(problem),
                    // A script was told before.
                    (Some(Waiter::Script(_)), Ok(_)) | (None, _) => {}
                }
            }
            Ok(FromEngine::News(News::Stopped { problem })) => self.bury(problem),
            Ok(FromEngine::News(news)) => (self.news)(news),
            Err(error) => self.bury(Problem::new("engine-stopped", error.to_string())),
        }
    }

    /// Hands an answer to the script that waits for it. Whether one does.
    fn tell_script(&self, text: &str, floats: &Float32Array) -> bool {
        // JavaScript reads a message only where it may be for a script.
        let waits = self.waiting.borrow().values().any(|waiter| matches!(waiter, Waiter::Script(_)));
        let Some((id, answer)) = waits.then(|| answer_of(text)).flatten() else { return false };
        let mut waiting = self.waiting.borrow_mut();
        match waiting.remove(&id) {
            Some(Waiter::Script(sender)) => {
                drop(sender.send(Ok(Array::of2(&answer, floats))));
                true
            }
            Some(waiter) => {
                waiting.insert(id, waiter);
                false
            }
            None => false,
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
        for (_, waiter) in self.waiting.take() {
            waiter.refuse(problem.clone());
        }
        (self.died)(problem);
    }
}

/// The worker that began beside the page's program, and what it has said so far; none if somebody has it already.
fn started() -> Option<(Worker, Array)> {
    let window = js_sys::global();
    let get = |of: &JsValue, name: &str| Reflect::get(of, &name.into()).ok();
    let started = get(&window, "startedWorker")?;
    let worker = get(&started, "worker")?.dyn_into().ok()?;
    Reflect::delete_property(&window, &"startedWorker".into()).ok()?;
    Some((worker, Array::from(&get(&started, "early")?)))
}

/// The answer with its activations' values in their places.
fn filled(mut answer: Answer, floats: &Float32Array) -> Answer {
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
        Answer::Loaded { .. }
        | Answer::Measured { .. }
        | Answer::Kernels { .. }
        | Answer::Stored { .. }
        | Answer::Done => {}
    }
    answer
}

/// The number of a reply, and its answer as a script sees it; none of a refusal, and of news.
fn answer_of(message: &str) -> Option<(u32, JsValue)> {
    let get =
        |of: &JsValue, name: &str| Reflect::get(of, &name.into()).ok().filter(|value| !value.is_undefined());
    let reply = get(&js_sys::JSON::parse(message).ok()?, "reply")?;
    let id = get(&reply, "id")?.as_f64()? as u32;
    Some((id, get(&get(&reply, "outcome")?, "Ok")?))
}

fn stopped() -> Problem {
    Problem::new("engine-stopped", "the engine's worker does not run")
}
