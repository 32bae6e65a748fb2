//! The loaded models: where each of them computes, and what becomes of it when the GPU fails.

mod leaving;
mod measuring;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use cloze::engine::Session;
use cloze::engine::protocol::{
    Answer, Ask, EngineKind, EngineStatus, Instead, Load, News, Problem, RoundingEffect, SelfCheck,
};
use cloze::gpu::Gpu as Device;
use cloze::hub::{Download, OnProgress, Source};
use cloze::trace::{Family, WeightType};
use futures_util::lock::Mutex;
use gloo::timers::future::sleep;
use wasm_bindgen_futures::spawn_local;

use crate::cpu::Cpu;
use crate::gpu::Gpu;
use crate::quiet::Quiet;
use crate::worker::downloads::{Arrived, Downloads, Order, arrive, forget, stored};
use crate::worker::{Answers, post, progress};

/// How long the self-check, and what is prepared after it, wait for the page's first request, which they would keep waiting.
const FIRST_REQUEST: Duration = Duration::from_millis(50);

/// How long they then wait for the page to draw the answer: both need the processor where the GPU is software.
const FIRST_LOOK: Duration = Duration::from_millis(200);

/// Where a family's model computes.
#[derive(Clone)]
enum Place {
    Gpu(Rc<OnGpu>),
    /// With what its worker was asked to load, and which worker that was.
    Cpu(Box<Load>, Option<u32>),
}

/// A model on the GPU.
struct OnGpu {
    model: Arrived,
    /// How the page asked for it.
    load: Load,
    /// What it computes on.
    device: Rc<Device>,
    /// Whether its numbers are believed, for good.
    settled: Cell<bool>,
    /// How they compared with the reference.
    self_check: Cell<Option<SelfCheck>>,
    /// Requests of the page that it has not answered yet, and whether it has answered one.
    open: Cell<u32>,
    answered: Cell<bool>,
    /// Whether it waits for the GPU to come back.
    regaining: Cell<bool>,
    /// What its weights lose by their type, once that is measured.
    effect: Cell<Option<RoundingEffect>>,
    /// Whoever measures that.
    measuring: Mutex<()>,
}

/// Everything the worker holds.
#[derive(Default)]
pub(crate) struct Models {
    places: RefCell<BTreeMap<Family, Place>>,
    gpu: Rc<Gpu>,
    cpu: Cpu,
    downloads: Downloads,
    order: Order,
    /// Whoever moves a model to the CPU.
    moving: Mutex<()>,
    quiet: Quiet,
}

impl Answers for Models {
    async fn answer(self: Rc<Self>, id: u32, ask: Ask) -> Option<Result<Answer, Problem>> {
        self.quiet.is_broken_by(&ask);
        let outcome = Rc::clone(&self).respond(id, ask).await;
        self.quiet.answered();
        outcome
    }
}

impl Models {
    async fn respond(self: Rc<Self>, id: u32, ask: Ask) -> Option<Result<Answer, Problem>> {
        match &ask {
            Ask::Load(load) => return Some(self.load(load).await),
            Ask::Download { source, act } => {
                self.downloads.act(source, *act);
                return Some(self.cpu.ask_if_started(ask).await);
            }
            Ask::Stored => return Some(Ok(stored().await)),
            Ask::Forget { source } => return Some(forget(source.as_deref()).await),
            Ask::Run { .. } | Ask::Kernels { .. } | Ask::Generate { .. } | Ask::Measure { .. } => {}
        }
        loop {
            let place = ask.family().and_then(|family| self.places.borrow().get(&family).cloned());
            match place {
                None => return Some(Err(Problem::no_model())),
                Some(Place::Gpu(model)) if matches!(ask, Ask::Measure { .. }) => {
                    let effect = self.measure(&model, &progress(&model.load)).await;
                    return Some(effect.map(|effect| Answer::Measured { effect }));
                }
                Some(Place::Gpu(model)) => match model.answer(&ask).await {
                    Err(problem) if problem.is_of_the_gpu() => {
                        // Nothing is lost: whoever is in its place then does it again.
                        if let Err(problem) = Rc::clone(&self).leave_gpu(&model, problem).await {
                            return Some(Err(problem));
                        }
                    }
                    outcome => return Some(outcome),
                },
                Some(Place::Cpu(_, worker)) if worker == self.cpu.worker() => {
                    return self.cpu.forward(id, ask).err().map(Err);
                }
                Some(Place::Cpu(load, worker)) => {
                    // That one has ended, and what was loaded there with it.
                    if let Err(problem) = self.load_again(&load, worker).await {
                        return Some(Err(problem));
                    }
                }
            }
        }
    }
}

impl OnGpu {
    fn session(&self) -> &Session {
        &self.model.session
    }

    async fn answer(&self, ask: &Ask) -> Result<Answer, Problem> {
        self.open.set(self.open.get() + 1);
        let answer = self.session().answer(ask).await;
        self.open.set(self.open.get() - 1);
        self.answered.set(true);
        answer
    }

    /// Compares its values with the reference, where there is one.
    async fn check(&self) -> Result<Option<SelfCheck>, Problem> {
        let Some(reference) = &self.model.reference else { return Ok(None) };
        let check = self.session().check(reference).await?;
        if check.ok {
            return Ok(Some(check));
        }
        let detail = format!("the GPU's numbers differ from the reference by {}", check.max_abs_diff);
        Err(Problem::new("self-check-failed", detail).with("diff", check.max_abs_diff))
    }
}

/// A model when the page asks it for nothing, after a while at least; none if another has taken its place by then.
async fn at_rest(model: &Weak<OnGpu>, at_least: Duration) -> Option<Rc<OnGpu>> {
    sleep(at_least).await;
    loop {
        let model = model.upgrade()?;
        if model.open.get() == 0 {
            return Some(model);
        }
        drop(model);
        sleep(FIRST_REQUEST).await;
    }
}

/// How the weights of the page's own models are stored.
fn own_weights(load: &Load) -> Option<WeightType> {
    matches!(Source::parse(&load.source), Ok(Source::Embedded(_))).then_some(WeightType::Int8)
}

impl Models {
    /// Asks for the GPU before anybody needs it, and compiles kernels for `weights` if these are known: that takes as long as
    /// the page takes to start.
    pub(crate) fn find_gpu(&self, weights: Option<WeightType>) {
        let gpu = Rc::clone(&self.gpu);
        spawn_local(async move {
            // Whoever needs it learns why there is none.
            if let (Ok(gpu), Some(weights)) = (gpu.device().await, weights) {
                gpu.compile(weights);
            }
        });
    }

    /// Loads a checkpoint: on the GPU, unless the CPU is asked for or the GPU is of no use.
    async fn load(self: Rc<Self>, load: &Load) -> Result<Answer, Problem> {
        let load = &self.order.numbered(load);
        let engine = load.engine;
        if engine == Some(EngineKind::Cpu) {
            return self.load_on_cpu(load, None).await;
        }
        let model = match self.load_on_gpu(load, &progress(load)).await {
            Ok(model) => Rc::new(model),
            Err(problem) if problem.is_of_the_gpu() && engine.is_none() => {
                return self.load_on_cpu(load, Some(problem)).await;
            }
            Err(problem) => return Err(problem),
        };
        let card = model.session().card().clone();
        if engine == Some(EngineKind::WebGpu) {
            // Whoever insists on the GPU waits for the check, and keeps the model that was there if it fails.
            self.prove(&model).await?;
        }
        self.place(card.family, load, Place::Gpu(Rc::clone(&model)))?;
        self.tell(&model);
        // Another that takes its place frees its memory at once.
        let placed = Rc::downgrade(&model);
        spawn_local(async move {
            let mut rested = at_rest(&placed, FIRST_REQUEST).await;
            if rested.take_if(|model| model.answered.get()).is_some() {
                rested = at_rest(&placed, FIRST_LOOK).await;
            }
            let Some(model) = rested else { return };
            if !model.settled.get() {
                Rc::clone(&self).settle(&model).await;
            }
            self.prepare_drawing(&model).await;
            self.measure_unasked(model).await;
        });
        Ok(Answer::Loaded { model: card })
    }

    async fn load_on_gpu(&self, load: &Load, progress: OnProgress<'_>) -> Result<OnGpu, Problem> {
        let turn = self.downloads.begin(&load.source).await;
        // The device is made while the files are on their way, and kernels are compiled where it is known for which type.
        let device = async {
            let gpu = self.gpu.device().await?;
            if let Some(weights) = load.weights.or(own_weights(load)) {
                gpu.compile(weights);
            }
            Ok(gpu)
        };
        let download = Download::begin(load, Rc::clone(&turn.control), progress);
        let (gpu, download): (Result<_, Problem>, _) = futures_util::future::join(device, download).await;
        let device = gpu?;
        let model = arrive(load, download?, Rc::clone(&device)).await?;
        let load = load.clone();
        let (settled, self_check, effect, measuring) = Default::default();
        let (open, answered, regaining) = Default::default();
        Ok(OnGpu { model, load, device, settled, self_check, open, answered, regaining, effect, measuring })
    }

    /// Lets a model answer for its family, and gives back what no model needs any more.
    ///
    /// # Errors
    /// `superseded` if one that was asked for later is there already.
    fn place(&self, family: Family, load: &Load, place: Place) -> Result<(), Problem> {
        let placed = self.order.place(family, load);
        if placed.is_ok() {
            self.places.borrow_mut().insert(family, place);
        } else if let Some(Place::Gpu(model)) = self.places.borrow().get(&family) {
            // The CPU's worker may have told of the late one.
            self.tell(model);
        }
        let on_cpu = self.places.borrow().values().any(|place| matches!(place, Place::Cpu(..)));
        self.cpu.is_needed(on_cpu);
        placed
    }

    async fn load_on_cpu(&self, load: &Load, reason: Option<Problem>) -> Result<Answer, Problem> {
        let (adapter, software) = match self.gpu.adapter() {
            Some(adapter) => (Some(adapter.name), adapter.traits.software),
            None => (None, false),
        };
        let instead = reason.map(|reason| Instead { reason, adapter, software });
        let load = Load { engine: Some(EngineKind::Cpu), weights: None, instead, ..load.clone() };
        self.ask_cpu_to_load(load).await
    }

    async fn ask_cpu_to_load(&self, load: Load) -> Result<Answer, Problem> {
        let answer = self.cpu.ask(Ask::Load(load.clone())).await?;
        if let Answer::Loaded { model } = &answer {
            let place = Place::Cpu(Box::new(load.clone()), self.cpu.worker());
            self.place(model.family, &load, place)?;
        }
        Ok(answer)
    }

    /// Loads a model once more whose `worker` has ended, unless that was done meanwhile.
    async fn load_again(&self, load: &Load, worker: Option<u32>) -> Result<(), Problem> {
        let _one_at_a_time = self.moving.lock().await;
        let ended = |place: &Place| matches!(place, Place::Cpu(same, on) if **same == *load && *on == worker);
        if !self.places.borrow().values().any(ended) {
            return Ok(());
        }
        match self.ask_cpu_to_load(load.clone()).await {
            // Another has taken its place, and answers.
            Err(problem) if problem.code == "superseded" => Ok(()),
            outcome => outcome.map(|_| ()),
        }
    }

    /// Checks a model's numbers. A checkpoint that brings no reference values is believed on a GPU that computed those of
    /// ours.
    async fn prove(&self, model: &OnGpu) -> Result<(), Problem> {
        let check = model.check().await?;
        if check.is_none() && !self.gpu.proven.get() {
            let own = match model.session().card().family {
                Family::Bert => "bert",
                Family::Gpt2 => "gpt",
            };
            let own = Load { source: own.to_owned(), ..Load::default() };
            self.load_on_gpu(&own, &progress(&own)).await?.check().await?;
        }
        self.gpu.proven.set(true);
        model.settled.set(true);
        model.self_check.set(check);
        Ok(())
    }

    /// Begins to compile what the first token of a model that continues texts would wait for.
    async fn prepare_drawing(&self, model: &OnGpu) {
        let session = model.session();
        if session.card().family == Family::Gpt2
            && self.is_current(model)
            && let Ok(gpu) = self.gpu.device().await
        {
            gpu.compile_drawing(session.weights());
        }
    }

    /// Checks a model's numbers after the page's first request, and leaves the GPU if they are wrong.
    async fn settle(self: Rc<Self>, model: &Rc<OnGpu>) {
        match self.prove(model).await {
            Ok(()) if self.is_current(model) => self.tell(model),
            Err(problem) if problem.is_of_the_gpu() => {
                // What the CPU's worker has to say of it, it says itself.
                let _ = Rc::clone(&self).leave_gpu(model, problem).await;
            }
            _ => {}
        }
    }

    fn is_current(&self, model: &OnGpu) -> bool {
        let current = self.places.borrow().get(&model.session().card().family).cloned();
        matches!(current, Some(Place::Gpu(current)) if std::ptr::eq(&*current, model))
    }

    /// Tells the page where a model computes.
    fn tell(&self, model: &OnGpu) {
        let adapter = self.gpu.adapter();
        let (origin, not_kept) = model.model.kept.clone();
        let status = EngineStatus {
            model: model.session().card().clone(),
            engine: model.session().engine(),
            weights: model.session().weights(),
            settled: model.settled.get(),
            software: adapter.as_ref().is_some_and(|adapter| adapter.traits.software),
            adapter: adapter.map(|adapter| adapter.name),
            reason: None,
            self_check: model.self_check.get(),
            effect: model.effect.get(),
            origin,
            not_kept,
        };
        post::news(News::Status { status: Box::new(status) });
    }
}
