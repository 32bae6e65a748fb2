//! A run that follows what is typed: the newest request wins, the last good result stays.

use std::sync::Arc;
use std::time::Duration;

use leptos::prelude::*;

use super::app::App;
use crate::engine::protocol::{Answer, Ask, Problem, RunRequest};
use crate::trace::{Family, Run};

/// How long typing must rest before a run.
const REST: Duration = Duration::from_millis(150);

/// What became of the newest request.
#[derive(Clone, Copy)]
pub(super) struct Following {
    /// The last good run. It stays while a newer one is computed and when a newer one fails.
    pub run: ReadSignal<Option<Arc<Run>>>,
    /// What went wrong with the newest request, if it failed; not what [`App::failure`] says already.
    pub problem: ReadSignal<Option<Problem>>,
    /// Whether a newer result is on its way.
    pub busy: ReadSignal<bool>,
}

/// Runs the model of `family` on whatever `request` says, anew each time that changes (and when the model or its
/// engine changes), after typing has rested. At most one run is under way; of those wanted meanwhile only the
/// newest is done. `None` asks for nothing.
pub(super) fn follow(app: App, family: Family, request: Signal<Option<RunRequest>>) -> Following {
    let (run, set_run) = signal(None::<Arc<Run>>);
    let (problem, set_problem) = signal(None::<Problem>);
    let (busy, set_busy) = signal(false);
    let under_way = StoredValue::new(false);
    let wanted = StoredValue::new(None::<RunRequest>);

    // The view may go while this runs: every value of it is asked with care.
    let start = move || {
        if under_way.try_get_value() != Some(false) {
            return;
        }
        under_way.set_value(true);
        leptos::task::spawn_local(async move {
            while let Some(next) = wanted.try_update_value(Option::take).flatten() {
                let answer = match app.loaded(family).await {
                    Ok(()) => app.link().ask(Ask::Run { family, run: next }).await,
                    Err(problem) => Err(problem),
                };
                match answer {
                    Ok(Answer::Ran { run }) => {
                        app.ran(family, run.ms);
                        set_run.try_set(Some(Arc::new(*run)));
                        set_problem.try_set(None);
                    }
                    Ok(_) => {}
                    Err(failure) => {
                        let told = app.failure.with_untracked(|known| known.as_ref() == Some(&failure));
                        set_problem.try_set((!told).then_some(failure));
                    }
                }
            }
            under_way.try_set_value(false);
            set_busy.try_set(false);
        });
    };

    let rest = StoredValue::new(None::<TimeoutHandle>);
    let stop_resting = move || {
        if let Some(timer) = rest.try_update_value(Option::take).flatten() {
            timer.clear();
        }
    };
    on_cleanup(stop_resting);

    let begun = StoredValue::new(false);
    Effect::new(move || {
        app.engine_changed(family);
        let next = request.get();
        stop_resting();
        let something = next.is_some();
        wanted.set_value(next);
        if !something {
            set_problem.set(None);
            set_busy.set(under_way.get_value());
        } else if begun.try_update_value(|begun| std::mem::replace(begun, true)) == Some(false) {
            set_busy.set(true);
            start();
        } else {
            set_busy.set(true);
            rest.set_value(set_timeout_with_handle(start, REST).ok());
        }
    });
    Following { run, problem, busy }
}
