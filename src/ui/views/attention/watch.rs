//! Measures what the heads that are off do to the watched probability.

use std::sync::Arc;

use futures_util::FutureExt;
use leptos::prelude::*;

use super::lesson::LIMIT;
use crate::trace::{Family, Run};
use crate::ui::app::App;
use crate::ui::ask::{Following, keep_up};
use crate::ui::attention::{Change, Watch};

/// What was measured, and whether something newer is on its way.
pub(super) type Watching = (ReadSignal<Option<Change>>, ReadSignal<bool>);

/// Watches the probability that the row `query` stands for, as long as heads are `off`.
pub(super) fn watch(
    app: App,
    family: Family,
    following: Following,
    query: Memo<Option<usize>>,
    off: Memo<Vec<[usize; 2]>>,
) -> Watching {
    let (change, set_change) = signal(None);
    // The last run with all heads on: it often tells already what the heads are measured by.
    let plain = StoredValue::new(None::<Arc<Run>>);
    let next = move || {
        let run = following.run.get()?;
        let all_on =
            following.answers.with_value(|request| request.as_ref().is_some_and(|it| it.ablate.is_empty()));
        if all_on {
            plain.set_value(Some(Arc::clone(&run)));
        }
        let (off, query) = (off.get(), query.get()?);
        if off.is_empty() {
            set_change.set(None);
            return None;
        }
        // The figure comes first: of one model, one run is under way.
        if following.busy.get() {
            return None;
        }
        let watch = Watch::new(&run, query, off, LIMIT).ok()?;
        let job = async move {
            // What fails here fails for the figure, too, and is told there.
            set_change.try_set(measure(app, family, watch, plain).await);
        };
        Some(job.boxed_local())
    };
    (change, keep_up(app, family, Box::new(next)))
}

async fn measure(
    app: App,
    family: Family,
    watch: Watch,
    plain: StoredValue<Option<Arc<Run>>>,
) -> Option<Change> {
    let known = plain.try_with_value(|run| watch.expected(run.as_deref()?)).flatten();
    let expected = match known {
        Some(expected) => expected,
        None => {
            let run = app.run(family, watch.plain()).await.ok()?;
            let expected = watch.expected(&run)?;
            plain.try_set_value(Some(Arc::new(run)));
            expected
        }
    };
    let ablated = app.run(family, watch.ablated(&expected)).await.ok()?;
    watch.change(expected, &ablated)
}
