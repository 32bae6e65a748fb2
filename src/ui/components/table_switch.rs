//! The button that shows a figure as a table, and back.

use leptos::prelude::*;

use crate::ui::words::t;

/// The button.
#[component]
pub(in crate::ui) fn TableSwitch(
    /// Whether the figure is shown as a table.
    as_table: RwSignal<bool>,
) -> impl IntoView {
    view! {
        <button type="button" class="act" data-action="table" on:click=move |_| as_table.update(|table| *table = !*table)>
            {move || if as_table.get() { t("as-figure") } else { t("as-table") }}
            <kbd aria-hidden="true">"T"</kbd>
        </button>
    }
}
