//! What is said to screen readers: one message an action, at most one a second.

use std::time::Duration;

use leptos::prelude::*;

use crate::ui::app::App;

/// How long one message has the floor.
const FLOOR: Duration = Duration::from_secs(1);

/// The page's messages to screen readers. A copy is a handle on the same.
#[derive(Clone, Copy)]
pub(in crate::ui) struct Announcements {
    said: RwSignal<String>,
    /// Whether somebody has the floor.
    taken: StoredValue<bool>,
    /// What is said next. A newer message takes the place of one that was not said yet.
    next: StoredValue<Option<String>>,
}

impl Announcements {
    /// Silence.
    pub(in crate::ui) fn new() -> Announcements {
        Announcements {
            said: RwSignal::default(),
            taken: StoredValue::new(false),
            next: StoredValue::new(None),
        }
    }

    /// Says `words`, now or when the last message had its second.
    pub(in crate::ui) fn say(self, words: String) {
        if self.taken.get_value() {
            self.next.set_value(Some(words));
            return;
        }
        self.taken.set_value(true);
        self.said.set(words);
        set_timeout(
            move || {
                self.taken.set_value(false);
                if let Some(words) = self.next.try_update_value(Option::take).flatten() {
                    self.say(words);
                }
            },
            FLOOR,
        );
    }
}

/// The region that screen readers listen to.
#[component]
pub(super) fn Announcer() -> impl IntoView {
    let said = expect_context::<App>().announcements.said;
    view! { <div class="vh" role="status" aria-live="polite" data-announcer="">{move || said.get()}</div> }
}
