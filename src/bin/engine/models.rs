//! The loaded models: where each of them computes, and what becomes of it when the GPU fails.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use cloze::engine::protocol::{Answer, Ask, EngineKind, EngineStatus, Instead, News, Problem, SelfCheck};
use cloze::engine::{Loader, Reference, Session};
use cloze::hub::{Download, Source};
use cloze::trace::{Family, WeightType};
use futures_util::lock::Mutex;
use gloo::timers::future::sleep;
use wasm_bindgen_futures::spawn_local;

use crate::cpu::Cpu;
use crate::gpu::Gpu;
use crate::worker::{Answers, post, progress};

/// How long the self-check waits for the page's first request, which it would keep waiting.
const FIRST_ANSWER: Duration = Duration::from_millis(50);

/// How long after a failed run it is known whether the GPU was taken away.
const LOSS_IS_KNOWN: Duration = Duration::from_millis(200);

/// Where a family's model computes.
#[derive(Clone)]
enum Place {
    Gpu(Rc<OnGpu>),
    Cpu,
}

/// A model on the GPU.
struct OnGpu {
    session: Session,
    /// How the page asked for its weights.
    weights: Option<WeightType>,
    reference: Option<Reference>,
}

/// Everything the worker holds.
#[derive(Default)]
pub(crate) struct Models {
    places: RefCell<BTreeMap<Family, Place>>,
    gpu: Gpu,
    cpu: Cpu,
    /// Whoever moves a model to the CPU.
    moving: Mutex<()>,
}

impl Answers for Models {
    async fn answer(self: Rc<Self>, id: u32, ask: Ask) -> Option<Result<Answer, Problem>> {
        if let Ask::Load { source, engine, weights, .. } = ask {
            return Some(self.load(&source, engine, weights).await);
        }
        let place = ask.family().and_then(|family| self.places.borrow().get(&family).cloned());
        match place {
            None => return Some(Err(Problem::no_model())),
            Some(Place::Gpu(model)) => match model.session.answer(&ask).await {
                Err(problem) if problem.is_of_the_gpu() => {
                    // Nothing is lost: the CPU does it again.
                    if let Err(problem) = Rc::clone(&self).leave_gpu(&model, problem).await {
                        return Some(Err(problem));
                    }
                }
                outcome => return Some(outcome),
            },
            Some(Place::Cpu) => {}
        }
        self.cpu.forward(id, ask).err().map(Err)
    }
}

impl OnGpu {
    /// Compares its values with the reference, where there is one.
    async fn check(&self) -> Result<Option<SelfCheck>, Problem> {
        let Some(reference) = &self.reference else { return Ok(None) };
        let check = self.session.check(reference).await?;
        if check.ok {
            return Ok(Some(check));
        }
        let detail = format!("the GPU's numbers differ from the reference by {}", check.max_abs_diff);
        Err(Problem::new("self-check-failed", detail).with("diff", check.max_abs_diff))
    }
}

impl Models {
    /// Loads a checkpoint: on the GPU, unless the CPU is asked for or the GPU is of no use.
    async fn load(
        self: Rc<Self>,
        name: &str,
        engine: Option<EngineKind>,
        weights: Option<WeightType>,
    ) -> Result<Answer, Problem> {
        if engine == Some(EngineKind::Cpu) {
            return self.load_on_cpu(name, None).await;
        }
        let model = match self.load_on_gpu(name, weights).await {
            Ok(model) => Rc::new(model),
            Err(problem) if problem.is_of_the_gpu() && engine.is_none() => {
                return self.load_on_cpu(name, Some(problem)).await;
            }
            Err(problem) => return Err(problem),
        };
        let card = model.session.card().clone();
        if engine == Some(EngineKind::WebGpu) {
            // Whoever insists on the GPU waits for the check, and keeps the model that was there if it fails.
            let check = self.prove(&model).await?;
            self.places.borrow_mut().insert(card.family, Place::Gpu(Rc::clone(&model)));
            self.tell(&model, true, check);
        } else {
            self.places.borrow_mut().insert(card.family, Place::Gpu(Rc::clone(&model)));
            self.tell(&model, false, None);
            spawn_local(async move {
                sleep(FIRST_ANSWER).await;
                self.settle(&model).await;
            });
        }
        Ok(Answer::Loaded { model: card })
    }

    async fn load_on_gpu(&self, name: &str, weights: Option<WeightType>) -> Result<OnGpu, Problem> {
        // The device is made while the files are on their way.
        let source = Source::parse(name)?;
        let progress = progress(name);
        let (gpu, download) =
            futures_util::future::join(self.gpu.device(), Download::begin(&source, &progress)).await;
        let gpu = gpu?;
        let Download { config, tokenizer, self_check, weights: mut body } = download?;
        let mut loader = Loader::new(name, config, &tokenizer, body.announced(), gpu, weights)?;
        while let Some(piece) = body.next().await? {
            loader.push(&piece).await?;
        }
        let session = loader.finish().await?;
        let reference = self_check.as_deref().and_then(Reference::parse);
        Ok(OnGpu { session, weights, reference })
    }

    async fn load_on_cpu(&self, name: &str, reason: Option<Problem>) -> Result<Answer, Problem> {
        let (adapter, software) = match self.gpu.adapter() {
            Some(adapter) => (Some(adapter.name), adapter.software),
            None => (None, false),
        };
        let instead = reason.map(|reason| Instead { reason, adapter, software });
        let engine = Some(EngineKind::Cpu);
        let ask = Ask::Load { source: name.to_owned(), engine, weights: None, instead };
        let answer = self.cpu.ask(ask).await?;
        if let Answer::Loaded { model } = &answer {
            self.places.borrow_mut().insert(model.family, Place::Cpu);
        }
        Ok(answer)
    }

    /// Checks a model's numbers. A checkpoint that brings no reference values is believed on a GPU that computed those of
    /// ours.
    async fn prove(&self, model: &OnGpu) -> Result<Option<SelfCheck>, Problem> {
        let check = model.check().await?;
        if check.is_none() && !self.gpu.proven.get() {
            let name = match model.session.card().family {
                Family::Bert => "bert",
                Family::Gpt2 => "gpt",
            };
            self.load_on_gpu(name, None).await?.check().await?;
        }
        self.gpu.proven.set(true);
        Ok(check)
    }

    /// Checks a model's numbers after the page's first request, and leaves the GPU if they are wrong.
    async fn settle(self: Rc<Self>, model: &Rc<OnGpu>) {
        match self.prove(model).await {
            Ok(check) if self.is_current(model) => self.tell(model, true, check),
            Err(problem) if problem.is_of_the_gpu() => {
                // What the CPU's worker has to say of it, it says itself.
                let _ = Rc::clone(&self).leave_gpu(model, problem).await;
            }
            _ => {}
        }
    }

    fn is_current(&self, model: &Rc<OnGpu>) -> bool {
        let current = self.places.borrow().get(&model.session.card().family).cloned();
        matches!(current, Some(Place::Gpu(current)) if Rc::ptr_eq(&current, model))
    }

    /// Tells the page where a model computes.
    fn tell(&self, model: &OnGpu, settled: bool, self_check: Option<SelfCheck>) {
        let adapter = self.gpu.adapter();
        let status = EngineStatus {
            model: model.session.card().clone(),
            engine: model.session.engine(),
            weights: model.session.weights(),
            settled,
            software: adapter.as_ref().is_some_and(|adapter| adapter.software),
            adapter: adapter.map(|adapter| adapter.name),
            reason: None,
            self_check,
        };
        post::news(News::Status { status });
    }

    /// Lets the CPU compute a model from now on, unless another has taken its place already. If the GPU was taken away, it
    /// is asked for once more.
    async fn leave_gpu(self: Rc<Self>, model: &Rc<OnGpu>, why: Problem) -> Result<(), Problem> {
        let _one_at_a_time = self.moving.lock().await;
        // Several runs may wait on a GPU when it fails.
        if !self.is_current(model) {
            return Ok(());
        }
        let name = model.session.card().source.clone();
        self.load_on_cpu(&name, Some(why.clone())).await?;
        let worker = Rc::clone(&self);
        let weights = model.weights;
        spawn_local(async move { worker.regain(&name, weights, why).await });
        Ok(())
    }

    /// Brings a model back to a GPU that was taken away and is there again.
    async fn regain(self: Rc<Self>, name: &str, weights: Option<WeightType>, why: Problem) {
        // The browser tells of the loss in its own time.
        sleep(LOSS_IS_KNOWN).await;
        let Some((loss, may_return)) = self.gpu.loss().await else { return };
        if !may_return {
            if loss.code != why.code {
                // A run may have failed before the browser said why.
                let _ = self.load_on_cpu(name, Some(loss)).await;
            }
            return;
        }
        let Ok(model) = self.load_on_gpu(name, weights).await.map(Rc::new) else { return };
        let family = model.session.card().family;
        let Ok(check) = self.prove(&model).await else { return };
        // Another model may have been loaded meanwhile.
        if matches!(self.places.borrow().get(&family), Some(Place::Cpu)) {
            self.places.borrow_mut().insert(family, Place::Gpu(Rc::clone(&model)));
            self.tell(&model, true, check);
        }
    }
}
