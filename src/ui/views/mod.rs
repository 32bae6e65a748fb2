//! The lessons, a folder each.

mod attention;
mod generate;
mod mask;

use leptos::prelude::*;

use super::app::App;
use super::state::View;

/// The lesson that the state names.
#[component]
pub(super) fn CurrentView() -> impl IntoView {
    let current = current();
    move || match current.get() {
        View::Mask => view! { <mask::MaskView/> }.into_any(),
        View::Attention => view! { <attention::AttentionView/> }.into_any(),
        View::Generate => view! { <generate::GenerateView/> }.into_any(),
    }
}

/// The panel of that lesson which an iframe shows.
#[component]
pub(super) fn CurrentEmbed() -> impl IntoView {
    let current = current();
    move || match current.get() {
        View::Mask => view! { <mask::MaskEmbed/> }.into_any(),
        View::Attention => view! { <attention::AttentionEmbed/> }.into_any(),
        View::Generate => view! { <generate::GenerateEmbed/> }.into_any(),
    }
}

fn current() -> Memo<View> {
    let app = expect_context::<App>();
    Memo::new(move |_| app.state.with(|state| state.view))
}
