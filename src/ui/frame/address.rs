//! The address and the screen say the same: what changes on the screen is written to the fragment, what changes in
//! the address is shown.

use std::time::Duration;

use gloo::events::EventListener;
use leptos::prelude::*;
use wasm_bindgen::JsValue;

use crate::ui::app::App;
use crate::ui::state::{State, View};

/// How long the screen must rest before the address is written. Browsers refuse more than some 100 writes in 30 s.
const REST: Duration = Duration::from_millis(300);

/// The page's address without its fragment.
pub(super) fn base() -> String {
    let location = window().location();
    let part = |part: Result<String, JsValue>| part.unwrap_or_default();
    part(location.origin()) + &part(location.pathname()) + &part(location.search())
}

/// Keeps the two together as long as the page lives.
pub(super) fn follow(app: App) {
    // What this page wrote or has read, and the lesson it showed then.
    let known = StoredValue::new((fragment(), app.state.with_untracked(|state| state.view)));

    let written = Memo::new(move |_| app.state.with(|state| (state.to_fragment(), state.view)));
    Effect::new(move |timer: Option<Option<TimeoutHandle>>| {
        if let Some(timer) = timer.flatten() {
            timer.clear();
        }
        let (fragment, view) = written.get();
        let write = move || {
            let last = known.with_value(|(_, view)| *view);
            write(&fragment, view != last);
            known.set_value((fragment.clone(), view));
        };
        set_timeout_with_handle(write, REST).ok()
    });

    let read = move || {
        let fragment = fragment();
        if known.with_value(|(known, _)| *known != fragment) {
            app.show(&fragment);
            known.set_value((fragment, shown(app)));
        }
    };
    for event in ["hashchange", "popstate"] {
        // The page listens as long as it lives.
        EventListener::new(&window(), event, move |_| read()).forget();
    }
}

fn shown(app: App) -> View {
    app.state.with_untracked(|state: &State| state.view)
}

/// The address's fragment, without `#`.
fn fragment() -> String {
    let hash = window().location().hash().unwrap_or_default();
    hash.strip_prefix('#').map(str::to_owned).unwrap_or(hash)
}

/// Another lesson is another page of the browser's history; everything else is not.
fn write(fragment: &str, another: bool) {
    let Ok(history) = window().history() else { return };
    let url = format!("#{fragment}");
    // A browser that counts too many writes refuses one; the next brings everything.
    let _ = if another {
        history.push_state_with_url(&JsValue::NULL, "", Some(&url))
    } else {
        history.replace_state_with_url(&JsValue::NULL, "", Some(&url))
    };
}
