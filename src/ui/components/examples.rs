//! The prepared sentences of a lesson: in a menu, and where there is no sentence.

use leptos::{html, prelude::*};

use crate::ui::words::t;

/// How many are offered where there is no sentence.
const OFFERED: usize = 3;

/// The menu of prepared sentences.
#[component]
pub(in crate::ui) fn Examples(
    /// Their messages.
    examples: &'static [&'static str],
    /// Takes the one that was chosen.
    on_choose: Callback<String>,
) -> impl IntoView {
    let menu = NodeRef::<html::Details>::new();
    let close = move || {
        if let Some(menu) = menu.get_untracked() {
            menu.set_open(false);
        }
    };
    let choose = Callback::new(move |text| {
        on_choose.run(text);
        close();
    });
    view! {
        <details
            class="menu"
            node_ref=menu
            on:keydown=move |event| {
                if event.key() == "Escape" {
                    close();
                }
            }
        >
            <summary class="link small">{t("examples")}</summary>
            {list(examples, "", choose)}
        </details>
    }
}

/// What stands in the place of the figure where there is no sentence.
#[component]
pub(in crate::ui) fn Empty(
    /// The messages of the prepared sentences.
    examples: &'static [&'static str],
    /// Takes the one that was chosen.
    on_choose: Callback<String>,
) -> impl IntoView {
    view! {
        <div class="note" role="status">
            <p class="note-title">{t("empty-title")}</p>
            <p class="small muted">{t("empty-line")}</p>
            {list(examples.get(..OFFERED).unwrap_or(examples), "link q", on_choose)}
        </div>
    }
}

fn list(
    examples: &'static [&'static str],
    class: &'static str,
    on_choose: Callback<String>,
) -> impl IntoView + use<> {
    let example = move |key: &&'static str| {
        let key = *key;
        view! {
            <li>
                <button type="button" class=class data-example=key on:click=move |_| on_choose.run(t(key))>{t(key)}</button>
            </li>
        }
    };
    view! { <ul>{examples.iter().map(example).collect_view()}</ul> }
}
