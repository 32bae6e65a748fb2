//! The worker: loads checkpoints, chooses where they compute, and answers requests.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use cloze::engine::protocol::{
    Answer, Ask, EngineKind, EngineStatus, FromEngine, News, Problem, Reply, Request, SelfCheck,
};
use cloze::engine::{Reference, Session};
use cloze::hub::{self, Files, Source};
use cloze::trace::Family;
use gloo::timers::future::sleep;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};
use web_time::Instant;

use crate::gpu::Gpu;
use crate::post;

/// How long the GPU's preparation, which keeps this thread busy, waits for the page's first requests, so that the
/// CPU answers them at once.
const FIRST_ANSWERS: Duration = Duration::from_millis(400);

/// How long after a failed run it is known whether the GPU was taken away.
const LOSS_IS_KNOWN: Duration = Duration::from_millis(200);

/// Time between two tellings of how a download stands.
const PROGRESS_REST: Duration = Duration::from_millis(50);

/// A loaded model and what is known of it.
struct Loaded {
    session: Session,
    status: RefCell<EngineStatus>,
}

/// Everything the worker holds.
#[derive(Default)]
struct Worker {
    models: RefCell<BTreeMap<Family, Rc<Loaded>>>,
    gpu: Gpu,
}

#[allow(unsafe_code, reason = "the linker's own function has no safe declaration")]
mod constructors {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }

    /// Runs the module's constructors. Crates that register themselves at start-up give the module constructors, and
    /// the linker then calls all of them at every exported call, unless the program calls them once itself.
    pub(super) fn run_once() {
        // SAFETY: the linker defines it, it takes nothing, and nothing else calls it before.
        unsafe { __wasm_call_ctors() }
    }
}

/// Takes messages from now on.
pub(crate) fn start() {
    constructors::run_once();
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        post::news(News::Stopped { problem: Problem::new("engine-stopped", info.to_string()) });
    }));
    let worker = Rc::new(Worker::default());
    let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
        let Some(text) = event.data().as_string() else { return };
        match serde_json::from_str::<Request>(&text) {
            Ok(Request { id, ask }) => spawn_local(Rc::clone(&worker).answer(id, ask)),
            Err(error) => post::unreadable(&text, &error),
        }
    });
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    post::news(News::Ready);
}

impl Worker {
    async fn answer(self: Rc<Self>, id: u32, ask: Ask) {
        let outcome = match ask {
            Ask::Load { source, engine } => Rc::clone(&self).load(&source, engine).await,
            Ask::Run { family, run } => match self.model(family) {
                Ok(model) => {
                    let outcome = model.session.run(&run).await;
                    Rc::clone(&self).after_a_run(&model);
                    outcome.map(|run| Answer::Ran { run: Box::new(run) })
                }
                Err(problem) => Err(problem),
            },
            Ask::Kernels { family } => match self.model(family) {
                Ok(model) => model.session.kernels().await.map(|kernels| Answer::Kernels { kernels }),
                Err(problem) => Err(problem),
            },
            Ask::Generate { generate } => match self.model(Family::Gpt2) {
                Ok(model) => {
                    let outcome = model.session.generate(&generate).await;
                    Rc::clone(&self).after_a_run(&model);
                    outcome.map(|steps| Answer::Generated { steps })
                }
                Err(problem) => Err(problem),
            },
        };
        post::message(&FromEngine::Reply(Reply { id, outcome }));
    }

    /// If the GPU failed in a run and was left, the page is told; if it was taken away, it is asked for once more.
    fn after_a_run(self: Rc<Self>, model: &Rc<Loaded>) {
        if !model.tell_of_a_fault() {
            return;
        }
        let model = Rc::clone(model);
        spawn_local(async move {
            // The browser tells of the loss in its own time.
            sleep(LOSS_IS_KNOWN).await;
            let Some((problem, may_return)) = self.gpu.loss().await else { return };
            model.status.borrow_mut().reason = Some(problem);
            self.tell_if_current(&model);
            if !may_return {
                return;
            }
            let Ok(source) = Source::parse(&model.session.card().source) else { return };
            let Ok(files) = hub::fetch(&source, &|_, _, _| ()).await else { return };
            model.settle(&self.gpu, &files, None).await;
            self.tell_if_current(&model);
        });
    }

    /// Tells the page how a model computes, if it is still the one of its family.
    fn tell_if_current(&self, model: &Rc<Loaded>) {
        let current = self.models.borrow().get(&model.session.card().family).cloned();
        if current.is_some_and(|current| Rc::ptr_eq(&current, model)) {
            model.tell();
        }
    }

    fn model(&self, family: Family) -> Result<Rc<Loaded>, Problem> {
        let detail = "no model of this kind is loaded; call load first";
        self.models.borrow().get(&family).cloned().ok_or_else(|| Problem::new("no-model", detail))
    }

    /// Loads a checkpoint. The CPU computes at once; unless it was asked for, the GPU is prepared meanwhile.
    async fn load(self: Rc<Self>, name: &str, engine: Option<EngineKind>) -> Result<Answer, Problem> {
        let source = Source::parse(name)?;
        let told = Cell::new(Instant::now());
        let progress = |file: &str, loaded: u64, total: Option<u64>| {
            if total == Some(loaded) || told.get().elapsed() > PROGRESS_REST {
                told.set(Instant::now());
                let (source, file) = (name.to_owned(), file.to_owned());
                post::news(News::Progress { source, file, loaded, total });
            }
        };
        let files = hub::fetch(&source, &progress).await?;
        let session = Session::new(name, &files)?;
        let model = session.card().clone();
        let status = RefCell::new(EngineStatus {
            model: model.clone(),
            engine: EngineKind::Cpu,
            settled: false,
            adapter: None,
            software: false,
            reason: None,
            self_check: None,
        });
        let loaded = Rc::new(Loaded { session, status });
        if engine == Some(EngineKind::WebGpu) {
            // Whoever insists on the GPU waits for it, and keeps the model that was there if there is none.
            loaded.settle(&self.gpu, &files, engine).await;
            let refusal = loaded.status.borrow().reason.clone();
            if let Some(problem) = refusal {
                return Err(problem);
            }
            self.models.borrow_mut().insert(model.family, Rc::clone(&loaded));
            loaded.tell();
        } else {
            self.models.borrow_mut().insert(model.family, Rc::clone(&loaded));
            loaded.tell();
            spawn_local(async move {
                sleep(FIRST_ANSWERS).await;
                loaded.settle(&self.gpu, &files, engine).await;
                self.tell_if_current(&loaded);
            });
        }
        Ok(Answer::Loaded { model })
    }
}

impl Loaded {
    /// Tells the page what is known.
    fn tell(&self) {
        post::news(News::Status { status: self.status.borrow().clone() });
    }

    /// After a run: if the GPU failed in it and was left, the page is told. Whether it was so.
    fn tell_of_a_fault(&self) -> bool {
        let on_cpu = self.session.engine() == EngineKind::Cpu;
        let was_on_gpu = self.status.borrow().engine == EngineKind::WebGpu;
        if on_cpu && was_on_gpu {
            let mut status = self.status.borrow_mut();
            status.engine = EngineKind::Cpu;
            status.reason = self.session.fault();
            drop(status);
            self.tell();
        }
        on_cpu && was_on_gpu
    }

    /// Checks the CPU's numbers, then the GPU's, and decides which of them computes.
    async fn settle(&self, gpu: &Gpu, files: &Files, engine: Option<EngineKind>) {
        let stored = files.self_check.as_deref().and_then(Reference::parse);
        let has_reference = stored.is_some();
        let reference = match stored {
            Some(reference) => Ok(reference),
            None => self.session.own_reference().await,
        };
        let outcome = match &reference {
            Ok(reference) => self.try_gpu(gpu, files, engine, reference).await,
            Err(problem) => Err(Some(problem.clone())),
        };
        let check = match (&outcome, &reference) {
            (Ok(check), _) => Some(*check),
            // Without stored values the CPU would be compared with itself.
            (Err(_), Ok(reference)) if has_reference => self.session.check(reference).await.ok(),
            _ => None,
        };
        let mut status = self.status.borrow_mut();
        status.engine = self.session.engine();
        status.self_check = check;
        status.reason = outcome.err().flatten();
        if let Some(adapter) = gpu.adapter() {
            status.adapter = Some(adapter.name);
            status.software = adapter.software;
        }
        status.settled = true;
    }

    /// Moves the model to the GPU; the reason if it stays where it is, none if that was asked for.
    async fn try_gpu(
        &self,
        gpu: &Gpu,
        files: &Files,
        engine: Option<EngineKind>,
        reference: &Reference,
    ) -> Result<SelfCheck, Option<Problem>> {
        if engine == Some(EngineKind::Cpu) {
            return Err(None);
        }
        let device = gpu.device().await?;
        Ok(self.session.move_to_gpu(files, device, reference).await?)
    }
}
