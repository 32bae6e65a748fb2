//! A head's map as a table of data.

use leptos::prelude::*;

use super::lesson::Model;
use super::panel::head_title;
use crate::ui::components::strip::piece;
use crate::ui::words::{t, tr};

/// The weights that the heatmap shows, with three decimals.
#[component]
pub(super) fn MapTable(
    /// Whose.
    model: Model,
) -> impl IntoView {
    let caption = move || tr("attention-table", &[("title", head_title(model).into())]);
    let table = move || {
        let (run, map) = (model.run.get()?, model.map.get()?);
        let label = |position: &usize| run.tokens.get(*position).map(|token| piece(&token.piece));
        let heads = map
            .shown()
            .iter()
            .map(|key| view! { <th scope="col" class="q">{label(key)}</th> })
            .collect_view();
        let row = |query: &usize| {
            let cell = |key: &usize| match map.weight(*query, *key) {
                Some(weight) => view! { <td class="n">{format!("{weight:.3}")}</td> }.into_any(),
                None => view! { <td class="n hat"><span class="vh">{t("attention-not-visible")}</span></td> }
                    .into_any(),
            };
            let cells = map.shown().iter().map(cell).collect_view();
            view! { <tr><th scope="row" class="q">{label(query)}</th>{cells}</tr> }
        };
        let rows = map.shown().iter().map(row).collect_view();
        Some(view! {
            <table class="data">
                <caption>{move || caption()}</caption>
                <thead><tr><th scope="col">{t("attention-table-corner")}</th>{heads}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
        })
    };
    view! {
        <div class="scroller" tabindex="0" role="region" aria-label=move || caption()>
            {move || table()}
        </div>
    }
}
