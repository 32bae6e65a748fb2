//! Light and dark: what the system wants, what the reader chose, and what the style sheets see.

use gloo::events::EventListener;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::MediaQueryListEvent;

use crate::ui::app::App;
use crate::ui::ramp::Paper;
use crate::ui::state::Theme;

/// Whether the system asks for light ink on dark paper, now and whenever that changes.
pub(in crate::ui) fn prefers_dark() -> ReadSignal<bool> {
    let query = window().match_media("(prefers-color-scheme: dark)").ok().flatten();
    let (dark, set_dark) = signal(query.as_ref().is_some_and(web_sys::MediaQueryList::matches));
    if let Some(query) = query {
        let listener = EventListener::new(&query, "change", move |event| {
            if let Some(event) = event.dyn_ref::<MediaQueryListEvent>() {
                set_dark.set(event.matches());
            }
        });
        // The page listens as long as it lives.
        listener.forget();
    }
    dark
}

/// Tells the style sheets which paper is under them, by `data-theme` of the root element.
pub(super) fn follow_paper(app: App) {
    Effect::new(move || {
        let name = match app.paper() {
            Paper::Light => Theme::Light.name(),
            Paper::Dark => Theme::Dark.name(),
        };
        if let Some(root) = document().document_element() {
            // The attribute's name is valid, so this does not fail.
            let _ = root.set_attribute("data-theme", name);
        }
    });
}

/// Changes between light and dark; the choice stands in the address.
pub(super) fn toggle(app: App) {
    let other = match untrack(|| app.paper()) {
        Paper::Light => Theme::Dark,
        Paper::Dark => Theme::Light,
    };
    app.state.update(|state| state.theme = other);
}
