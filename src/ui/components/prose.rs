//! Words with light markup, as the message files have them: `*stress*` and `**strong**`.

use leptos::prelude::*;

use crate::ui::words::t;

/// The message `key` as a paragraph.
#[component]
pub(in crate::ui) fn Prose(
    /// Which message.
    key: &'static str,
) -> impl IntoView {
    view! { <p>{marked(&t(key))}</p> }
}

/// Words that are already chosen, with their markup as elements: the text is split at it. Stars come in pairs; one that is left alone marks to the end.
pub(in crate::ui) fn marked(text: &str) -> Vec<AnyView> {
    let mut parts = Vec::new();
    for (i, strong) in text.split("**").enumerate() {
        if i % 2 == 1 {
            parts.push(view! { <strong>{strong.to_owned()}</strong> }.into_any());
            continue;
        }
        for (j, words) in strong.split('*').enumerate() {
            let words = words.to_owned();
            parts.push(if j % 2 == 1 { view! { <em>{words}</em> }.into_any() } else { words.into_any() });
        }
    }
    parts
}

/// A text of the reader's for a place in a message: its stars are no markup of ours.
pub(in crate::ui) fn plain(text: &str) -> String {
    text.replace('*', "∗")
}
