//! Single keys, wherever the focus is, but never where they would write or move something else.

use leptos::{ev, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, KeyboardEvent};

use crate::ui::app::App;

/// Kinds of `<input>` in which no letters are typed.
const WITHOUT_LETTERS: [&str; 6] = ["button", "checkbox", "color", "radio", "range", "submit"];

/// Asks `on_key` about every key that is free, as long as the calling component lives. It says whether it took it.
///
/// A key is free unless something nearer took it, a sheet is open, a text field has the focus, or the focused
/// control itself answers to it (the space bar on a button, arrows on a slider). Letters, digits and signs are free
/// only if the reader has not switched single keys off.
pub(in crate::ui) fn use_keys(on_key: impl Fn(&KeyboardEvent) -> bool + 'static) {
    let single_keys = expect_context::<App>().settings.single_keys;
    let listener = window_event_listener(ev::keydown, move |event| {
        let allowed = single_keys.get_untracked() || !is_character(&event.key());
        if allowed && is_free(&event) && on_key(&event) {
            event.prevent_default();
        }
    });
    on_cleanup(move || listener.remove());
}

/// A letter, a digit or a sign; the space bar writes nothing outside text fields.
fn is_character(key: &str) -> bool {
    key != " " && key.chars().count() == 1
}

fn is_free(event: &KeyboardEvent) -> bool {
    let modified = event.ctrl_key() || event.meta_key() || event.alt_key();
    if modified || event.default_prevented() || event.is_composing() || sheet_is_open() {
        return false;
    }
    let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
    target.is_none_or(|target| leaves_free(&target, &event.key()))
}

fn sheet_is_open() -> bool {
    document().query_selector("dialog[open]").ok().flatten().is_some()
}

/// Whether a focused element has no use of its own for a key.
fn leaves_free(target: &Element, key: &str) -> bool {
    let editable = target.dyn_ref::<HtmlElement>().is_some_and(HtmlElement::is_content_editable);
    match target.local_name().as_str() {
        _ if editable => false,
        "textarea" | "select" => false,
        "input" => {
            let kind = target.get_attribute("type").unwrap_or_default();
            WITHOUT_LETTERS.contains(&kind.as_str()) && is_character(key)
        }
        "button" | "a" | "summary" => key != " " && key != "Enter",
        _ => true,
    }
}
