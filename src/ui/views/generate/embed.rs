//! One panel of the lesson for an iframe in slides: 16:9, large type, keys and clickers.

use leptos::prelude::*;

use super::candidates::{CandidateTable, TopBars};
use super::on_key;
use super::player::Player;
use super::text::{Continued, Remarks};
use crate::ui::app::App;
use crate::ui::components::keycaps::Cap::{Named, Sign};
use crate::ui::components::keycaps::group;
use crate::ui::components::problem::ProblemNote;
use crate::ui::frame::embed::{Edge, edge};
use crate::ui::frame::keys::use_keys;
use crate::ui::state::Embed;
use crate::ui::words::{t, tr};

/// The panel that the address names: `text`, the sentence with the most probable tokens, or `dist`, the table.
#[component]
pub(in crate::ui) fn GenerateEmbed() -> impl IntoView {
    let app = expect_context::<App>();
    let player = Player::new(app);
    provide_context(player);
    let part = |read: fn(&Embed) -> bool| {
        Memo::new(move |_| app.state.with(|state| state.embed.as_ref().is_some_and(read)))
    };
    let (edit, keys, table) =
        (part(|embed| embed.edit), part(|embed| embed.keys), part(|embed| embed.panel == "dist"));
    use_keys(move |event| {
        match event.key().as_str() {
            "PageDown" if player.stop.get_untracked().is_some() => edge(Edge::End),
            "PageDown" => player.forward(),
            "PageUp" if player.at_prompt() => edge(Edge::Start),
            "PageUp" => player.rewind(),
            _ => return on_key(player, event),
        }
        true
    });
    let panel = move || {
        if table.get() { view! { <CandidateTable/> }.into_any() } else { view! { <TopBars/> }.into_any() }
    };
    let temperature = move || player.read(|state| state.sampling.temperature);
    view! {
        <div class="generate-embed" data-voice="gpt" data-panel=move || if table.get() { "dist" } else { "text" }>
            {move || view! { <Continued editable=edit.get()/> }}
            <ProblemNote problem=player.problem/>
            <Remarks/>
            <Show when=move || player.has_figure()>{move || panel()}</Show>
            <Show when=move || keys.get()>
                <p class="keyline">
                    {group(&[Sign("→")], t("generate-key-next"))}
                    {group(&[Sign("←")], t("generate-key-rewind"))}
                    {group(&[Named("keys-key-space")], t("keys-generate-play"))}
                    <span>{move || tr("generate-embed-temperature", &[("t", temperature().to_string().into())])}</span>
                </p>
            </Show>
        </div>
    }
}
