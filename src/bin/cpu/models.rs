//! The models that the CPU computes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use cloze::engine::protocol::{Answer, Ask, EngineKind, EngineStatus, Instead, News, Problem};
use cloze::engine::{Reference, Session};
use cloze::hub::{Download, Files, Source};
use cloze::trace::Family;

use crate::worker::{Answers, post, progress, webgpu};

/// The loaded models.
#[derive(Default)]
pub(crate) struct Models {
    sessions: RefCell<BTreeMap<Family, Rc<Session>>>,
}

impl Answers for Models {
    async fn answer(self: Rc<Self>, _: u32, ask: Ask) -> Option<Result<Answer, Problem>> {
        if let Ask::Load { source, engine, instead, .. } = ask {
            return Some(self.load(&source, engine, instead).await);
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
    async fn load(
        &self,
        name: &str,
        engine: Option<EngineKind>,
        instead: Option<Instead>,
    ) -> Result<Answer, Problem> {
        // Whoever did not ask for the CPU learns why it is the CPU.
        let reason = match &instead {
            Some(instead) => Some(instead.reason.clone()),
            None if engine == Some(EngineKind::Cpu) => None,
            None => Some(webgpu().err().unwrap_or_else(Problem::no_adapter)),
        };
        if engine == Some(EngineKind::WebGpu) {
            return Err(reason.unwrap_or_else(Problem::no_adapter));
        }
        let progress = progress(name);
        let mut download = Download::begin(&Source::parse(name)?, &progress).await?;
        let weights = download.weights.whole().await?;
        let Download { config, tokenizer, self_check, .. } = download;
        let session = Rc::new(Session::on_cpu(name, Files { config, tokenizer, weights })?);
        let reference = self_check.as_deref().and_then(Reference::parse);
        let self_check = match &reference {
            Some(reference) => session.check(reference).await.ok(),
            None => None,
        };
        let model = session.card().clone();
        let (adapter, software) =
            instead.map_or((None, false), |instead| (instead.adapter, instead.software));
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
        };
        post::news(News::Status { status });
        Ok(Answer::Loaded { model })
    }
}
