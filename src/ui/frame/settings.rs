//! What this reader keeps for the next visit, in the browser's storage: nothing that belongs to a link.

use leptos::prelude::*;

/// Where the choice about single keys is kept.
const SINGLE_KEYS: &str = "cloze.single-keys";

/// The reader's settings. A copy is a handle on the same.
#[derive(Clone, Copy)]
pub(in crate::ui) struct Settings {
    /// Whether a letter, digit or sign alone does something.
    pub single_keys: RwSignal<bool>,
}

impl Settings {
    /// As they were kept, and kept again whenever they change.
    pub(in crate::ui) fn new() -> Settings {
        let single_keys = RwSignal::new(kept(SINGLE_KEYS).as_deref() != Some("0"));
        Effect::new(move || keep(SINGLE_KEYS, if single_keys.get() { "1" } else { "0" }));
        Settings { single_keys }
    }
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

fn kept(key: &str) -> Option<String> {
    storage()?.get_item(key).ok().flatten()
}

fn keep(key: &str, value: &str) {
    if let Some(storage) = storage() {
        // A browser that keeps nothing (a private window, a full disk) loses only the setting.
        let _ = storage.set_item(key, value);
    }
}
