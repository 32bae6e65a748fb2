//! The models that the CPU computes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use cloze::engine::protocol::{Answer, Ask, EngineKind, EngineStatus, Load, News, Problem};
use cloze::engine::{Cpu, Session};
use cloze::hub::Download;
use cloze::trace::Family;

use crate::worker::downloads::{Arrived, Downloads, Order, arrive, forget, stored};
use crate::worker::{Answers, post, progress, webgpu};

/// The loaded models.
#[derive(Default)]
pub(crate) struct Models {
    sessions: RefCell<BTreeMap<Family, Rc<Session>>>,
    downloads: Downloads,
    order: Order,
}

impl Answers for Models {
    async fn answer(self: Rc<Self>, _: u32, ask: Ask) -> Option<Result<Answer, Problem>> {
        match &ask {
            Ask::Load(load) => return Some(self.load(load).await),
            Ask::Download { source, act } => {
                self.downloads.act(source, *act);
                return Some(Ok(Answer::Done));
            }
            Ask::Stored => return Some(Ok(stored().await)),
            Ask::Forget { source } => return Some(forget(source.as_deref()).await),
            // In memory weights are in single precision, whatever the file has.
            Ask::Measure { .. } => return Some(Ok(Answer::Measured { effect: None })),
            Ask::Run { .. } | Ask::Kernels { .. } | Ask::Generate { .. } => {}
        }
        let session = ask.family().and_then(|family| self.sessions.borrow().get(&family).cloned());
        Some(match session {
            Some(session) => session.answer(&ask).await,
            None => Err(Problem::no_model()),
        })
    }
}

impl Models {
    /// Loads a checkpoint, checks its numbers where there are reference values, and tells the page.
    async fn load(&self, load: &Load) -> Result<Answer, Problem> {
        let load = &self.order.numbered(load);
        let Load { source, engine, instead, .. } = load;
        // Whoever did not ask for the CPU learns why it is the CPU.
        let reason = match instead {
            Some(instead) => Some(instead.reason.clone()),
            None if *engine == Some(EngineKind::Cpu) => None,
            None => Some(webgpu().err().unwrap_or_else(Problem::no_adapter)),
        };
        if *engine == Some(EngineKind::WebGpu) {
            return Err(reason.unwrap_or_else(Problem::no_adapter));
        }
        let progress = progress(load);
        let turn = self.downloads.begin(source).await;
        let download = Download::begin(load, Rc::clone(&turn.control), &progress).await?;
        let Arrived { session, reference, kept: (origin, not_kept) } = arrive(load, download, Cpu).await?;
        let session = Rc::new(session);
        let self_check = match &reference {
            Some(reference) => session.check(reference).await.ok(),
            None => None,
        };
        let model = session.card().clone();
        let (adapter, software) =
            instead.as_ref().map_or((None, false), |instead| (instead.adapter.clone(), instead.software));
        self.order.place(model.family, load)?;
        self.sessions.borrow_mut().insert(model.family, Rc::clone(&session));
        let status = EngineStatus {
            model: model.clone(),
            engine: session.engine(),
            weights: session.weights(),
            settled: true,
            adapter,
            software,
            reason,
            self_check,
            effect: None,
            origin,
            not_kept,
        };
        post::news(News::Status { status: Box::new(status) });
        Ok(Answer::Loaded { model })
    }
}
