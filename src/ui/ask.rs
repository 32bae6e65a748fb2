//! What is asked of the engine as the screen changes: the newest request wins, the last good result stays.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use leptos::prelude::*;

use super::app::App;
use crate::engine::protocol::{Problem, RunRequest};
use crate::trace::{Family, Run};

/// How long typing must rest before a run.
const REST: Duration = Duration::from_millis(150);

/// What is done when its turn comes; nothing of it before.
pub(super) type Job = LocalBoxFuture<'static, ()>;

/// What became of the newest request.
#[derive(Clone, Copy)]
pub(super) struct Following {
    /// The last good run. It stays while a newer one is computed and when a newer one fails.
    pub run: ReadSignal<Option<Arc<Run>>>,
    /// What `run` answers.
    pub answers: StoredValue<Option<RunRequest>>,
    /// What went wrong with the newest request, if it failed; not what [`App::failure`] says already.
    pub problem: ReadSignal<Option<Problem>>,
    /// Whether a newer result is on its way.
    pub busy: ReadSignal<bool>,
}

/// Runs the model of `family` on whatever `request` says, as [`keep_up`] does. `None` asks for nothing.
pub(super) fn follow(app: App, family: Family, request: Signal<Option<RunRequest>>) -> Following {
    let (run, set_run) = signal(None::<Arc<Run>>);
    let (problem, set_problem) = signal(None::<Problem>);
    let answers = StoredValue::new(None);
    let next = move || {
        let Some(request) = request.get() else {
            set_problem.set(None);
            return None;
        };
        let job = async move {
            match app.run(family, request.clone()).await {
                Ok(run) => {
                    answers.try_set_value(Some(request));
                    app.ran(family, run.ms);
                    set_run.try_set(Some(Arc::new(run)));
                    set_problem.try_set(None);
                }
                Err(failure) => {
                    let told = app.failure.with_untracked(|known| known.as_ref() == Some(&failure));
                    set_problem.try_set((!told).then_some(failure));
                }
            }
        };
        Some(job.boxed_local())
    };
    Following { run, answers, problem, busy: keep_up(app, family, Box::new(next)) }
}

/// Does whatever job `next` gives, anew each time that something it reads changes (and when the model of `family` or its
/// engine changes), after that has rested. At most one job is under way; of those wanted meanwhile only the newest is
/// done. Whether one is on its way or under way.
pub(super) fn keep_up(app: App, family: Family, next: Box<dyn Fn() -> Option<Job>>) -> ReadSignal<bool> {
    let (busy, set_busy) = signal(false);
    let under_way = StoredValue::new(false);
    let wanted = StoredValue::new_local(None::<Job>);

    // What waits for typing to rest.
    let rest = StoredValue::new(None::<TimeoutHandle>);
    // The view may go while this runs: every value of it is asked with care.
    let start = move || {
        rest.try_set_value(None);
        if under_way.try_get_value() != Some(false) {
            return;
        }
        under_way.set_value(true);
        leptos::task::spawn_local(async move {
            // What is wanted while typing goes on is not done before that rests, though nothing else is under way.
            let rested = || rest.try_with_value(Option::is_none) == Some(true);
            let next =
                || wanted.try_update_value(|wanted| rested().then(|| wanted.take()).flatten()).flatten();
            while let Some(job) = next() {
                job.await;
            }
            under_way.try_set_value(false);
            if rested() {
                set_busy.try_set(false);
            }
        });
    };

    let stop_resting = move || {
        if let Some(timer) = rest.try_update_value(Option::take).flatten() {
            timer.clear();
        }
    };
    on_cleanup(stop_resting);

    let begun = StoredValue::new(false);
    Effect::new(move || {
        app.engine_changed(family);
        let next = next();
        stop_resting();
        let something = next.is_some();
        wanted.set_value(next);
        if !something {
            set_busy.set(under_way.get_value());
        } else if begun.try_update_value(|begun| std::mem::replace(begun, true)) == Some(false) {
            set_busy.set(true);
            start();
        } else {
            set_busy.set(true);
            rest.set_value(set_timeout_with_handle(start, REST).ok());
        }
    });
    busy
}
