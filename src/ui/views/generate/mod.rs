//! The lesson "Generate": GPT continues a text, one token at a time.

mod cache;
mod candidates;
mod embed;
mod knobs;
mod looked;
mod notes;
mod player;
mod text;
mod timeline;
mod transport;

use leptos::{ev, prelude::*};

pub(super) use self::embed::GenerateEmbed;
use self::player::{LISTED, Player};
use crate::ui::app::App;
use crate::ui::components::notes::FoldedNotes;
use crate::ui::components::problem::ProblemNote;
use crate::ui::frame::keys::use_keys;
use crate::ui::words::t;

/// The lesson.
#[component]
pub(super) fn GenerateView() -> impl IntoView {
    let player = Player::new(expect_context::<App>());
    provide_context(player);
    let as_table = RwSignal::new(false);
    use_keys(move |event| on_key(player, event) || on_figure_key(as_table, event));
    view! {
        <section class="view" data-view="generate" data-voice="gpt" aria-labelledby="generate-title">
            <div class="wrap cols">
                <notes::Notes/>
                <div class="fig" id="figure" tabindex="-1">
                    <text::Continued editable=true/>
                    <transport::Transport/>
                    <ProblemNote problem=player.problem/>
                    <text::Remarks/>
                    <div hidden=move || !player.has_figure()>
                        <timeline::TimelineFigure/>
                        <div class="gen2">
                            <section aria-labelledby="generate-next">
                                <h2 class="lbl" id="generate-next">{t("generate-next")}</h2>
                                <knobs::Knobs/>
                                <candidates::CandidateTable/>
                            </section>
                            <looked::Looked as_table/>
                        </div>
                        <cache::Cache/>
                    </div>
                    <FoldedNotes><notes::Text/></FoldedNotes>
                </div>
            </div>
        </section>
    }
}

/// The keys that go on and back. Whether it was one of them.
fn on_key(player: Player, event: &ev::KeyboardEvent) -> bool {
    match event.key().as_str() {
        "ArrowRight" => player.forward(),
        "ArrowLeft" => player.rewind(),
        " " => player.toggle(),
        "ArrowDown" => candidates::focus(|row| row.map_or(0, |row| (row + 1).min(LISTED))),
        "ArrowUp" => candidates::focus(|row| row.map_or(0, |row| row.saturating_sub(1))),
        _ => return false,
    }
    true
}

/// The keys of the whole page alone. Whether it was one of them.
fn on_figure_key(as_table: RwSignal<bool>, event: &ev::KeyboardEvent) -> bool {
    let table = matches!(event.key().as_str(), "t" | "T");
    if table {
        as_table.update(|table| *table = !*table);
    }
    table
}
