//! What becomes of a model when the GPU fails: it goes to the CPU, and comes back when a GPU that was taken away is there again.

use std::rc::Rc;
use std::time::Duration;

use cloze::engine::protocol::Problem;
use gloo::timers::future::sleep;
use wasm_bindgen_futures::spawn_local;

use super::{Models, OnGpu, Place};
use crate::worker::progress;

/// How long after a failed run it is known whether the GPU was taken away; and how long after that it is asked for again, since
/// what drives it, or the line to where the weights are, may need some time to be there again. In ms.
const LOSS_IS_KNOWN: u64 = 200;
const AGAIN: [u64; 5] = [0, 1_000, 4_000, 15_000, 60_000];

impl Models {
    /// Lets the CPU compute a model from now on, unless another has taken its place already. If the GPU was taken away, it
    /// is asked for again.
    pub(super) async fn leave_gpu(self: Rc<Self>, model: &Rc<OnGpu>, why: Problem) -> Result<(), Problem> {
        let _one_at_a_time = self.moving.lock().await;
        // Several runs may wait on a GPU when it fails.
        if !self.is_current(model) {
            return Ok(());
        }
        let moved = self.load_on_cpu(&model.load, Some(why.clone())).await;
        // Also if the CPU cannot take it.
        if !model.regaining.replace(true) {
            let (worker, model) = (Rc::clone(&self), Rc::clone(model));
            spawn_local(async move {
                worker.regain(&model, why).await;
                model.regaining.set(false);
            });
        }
        // Where another was asked for meanwhile, that one answers.
        if self.is_current(model) { moved.map(|_| ()) } else { Ok(()) }
    }

    /// Brings a model back to a GPU that was taken away and is there again.
    async fn regain(&self, gone: &OnGpu, why: Problem) {
        // The browser tells of the loss in its own time.
        sleep(Duration::from_millis(LOSS_IS_KNOWN)).await;
        let (load, family) = (&gone.load, gone.session().card().family);
        let Some((loss, may_return)) = self.gpu.loss(&gone.device).await else { return };
        if !may_return {
            if loss.code != why.code && !self.order.is_late(family, load) {
                // A run may have failed before the browser said why.
                let _ = self.load_on_cpu(load, Some(loss)).await;
            }
            return;
        }
        for wait in AGAIN {
            sleep(Duration::from_millis(wait)).await;
            // Another may have been asked for meanwhile.
            if self.order.is_late(family, load) {
                return;
            }
            let model = match self.load_on_gpu(load, &progress(load)).await {
                Ok(model) => Rc::new(model),
                Err(problem) if problem.code == "cancelled" => return,
                Err(_) => continue,
            };
            if self.prove(&model).await.is_ok()
                && self.place(family, load, Place::Gpu(Rc::clone(&model))).is_ok()
            {
                self.tell(&model);
            }
            return;
        }
    }
}
