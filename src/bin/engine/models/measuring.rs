//! What a model's weights lose by the type that they are kept in.

use std::rc::Rc;

use cloze::engine::protocol::{Load, Problem, RoundingEffect};
use cloze::hub::OnProgress;

use super::{Models, OnGpu};

impl Models {
    /// What a model's weights lose by the type that they are kept in; none where it is the file's. It is loaded once more
    /// for that, in full.
    pub(super) async fn measure(
        &self,
        model: &OnGpu,
        progress: OnProgress<'_>,
    ) -> Result<Option<RoundingEffect>, Problem> {
        let _one_at_a_time = model.measuring.lock().await;
        if model.session().is_rounded() && model.effect.get().is_none() {
            let full = Load { weights: Some(model.session().stored()), ..model.load.clone() };
            let full = self.load_on_gpu(&full, progress).await?;
            model.effect.set(Some(model.session().effect(full.session()).await?));
            // Another model may have been loaded meanwhile, and is what the page knows of.
            if self.is_current(model) {
                self.tell(model);
            }
        }
        Ok(model.effect.get())
    }

    /// Measures the same while the page asks for nothing, if the files are here already and the GPU is no small one.
    pub(super) async fn measure_unasked(&self, model: Rc<OnGpu>) {
        let session = model.session();
        let (_, not_kept) = &model.model.kept;
        if !session.is_rounded() || not_kept.is_some() {
            return;
        }
        let in_full = size_of::<f32>() as u64 * session.card().parameters as u64;
        if !self.gpu.device().await.is_ok_and(|gpu| gpu.is_roomy_for(in_full)) {
            return;
        }
        // Another that takes its place frees its memory at once.
        let waiting = Rc::downgrade(&model);
        drop(model);
        let work = async || {
            if let Some(model) = waiting.upgrade().filter(|model| self.is_current(model)) {
                // Where it fails, whoever asks for it learns why.
                let _ = self.measure(&model, &|_| {}).await;
            }
        };
        // Where it was ended before its time, it begins anew.
        while self.quiet.spend(work()).await.is_none() {}
    }
}
