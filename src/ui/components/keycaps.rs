//! Keys as they are printed, with what they do.

use leptos::prelude::*;

use crate::ui::words::t;

/// What stands on some keys, and the message that says what they do.
pub(in crate::ui) type Key = (&'static [Cap], &'static str);

/// A key's cap.
#[derive(Clone, Copy)]
pub(in crate::ui) enum Cap {
    /// A sign that is the same in every language.
    Sign(&'static str),
    /// The message with the key's name.
    Named(&'static str),
}

/// Keys in a list.
#[component]
pub(in crate::ui) fn Keys(
    /// Which.
    keys: &'static [Key],
) -> impl IntoView {
    let row = |(keys, does): &Key| view! { <dt>{caps(keys)}</dt><dd>{t(does)}</dd> };
    view! { <dl class="keys">{keys.iter().map(row).collect_view()}</dl> }
}

/// Keys in the line under a slide: one group, which is never torn apart.
pub(in crate::ui) fn group(keys: &'static [Cap], does: impl IntoView + 'static) -> AnyView {
    view! { <span>{caps(keys)}{does.into_any()}</span> }.into_any()
}

fn caps(caps: &'static [Cap]) -> AnyView {
    let cap = |cap: &Cap| {
        let name = match *cap {
            Cap::Sign(sign) => sign.to_owned(),
            Cap::Named(key) => t(key),
        };
        view! { <kbd>{name}</kbd>" " }
    };
    caps.iter().map(cap).collect_view().into_any()
}
