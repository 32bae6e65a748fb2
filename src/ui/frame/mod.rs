//! What surrounds every lesson: header, model bar, notices, sheets and keys; and, in an iframe, the stage.

mod address;
mod announcer;
pub(super) mod embed;
mod header;
pub(super) mod keys;
mod keys_sheet;
mod model_bar;
mod models;
mod notices;
mod settings;
mod share;
mod theme;
pub(super) mod voice;

use leptos::{html, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

pub(super) use announcer::Announcements;
pub(super) use settings::Settings;
pub(super) use theme::prefers_dark;

use super::app::App;
use super::state::View;
use super::views::CurrentView;
use super::words::{t, tr};
use announcer::Announcer;
use embed::EmbedFrame;
use header::Header;
use keys_sheet::KeysSheet;
use model_bar::ModelBar;
use models::ModelsSheet;
use notices::Notices;
use share::ShareSheet;

/// The whole page, or one panel of it if the address asks for that.
#[component]
pub(super) fn Frame() -> impl IntoView {
    let app = expect_context::<App>();
    theme::follow_paper(app);
    address::follow(app);
    follow_title(app);
    let embedded = Memo::new(move |_| app.state.with(|state| state.embed.is_some()));
    view! {
        <Show when=move || embedded.get() fallback=|| view! { <Site/> }>
            <EmbedFrame/>
        </Show>
        <Announcer/>
    }
}

/// The page with all of its lessons.
#[component]
fn Site() -> impl IntoView {
    let app = expect_context::<App>();
    let share = RwSignal::new(false);
    let keys = RwSignal::new(false);
    let models = RwSignal::new(false);
    let main = NodeRef::<html::Main>::new();
    keys::use_keys(move |event| match event.key().as_str() {
        "/" => focus_sentence(),
        "?" => {
            keys.set(true);
            true
        }
        "n" | "N" => {
            app.state.update(|state| state.notes_hidden = !state.notes_hidden);
            true
        }
        "d" | "D" => {
            theme::toggle(app);
            true
        }
        key => show_lesson(app, key),
    });
    // A link to `#main` would take the place of the state in the address.
    let skip = move |event: leptos::ev::MouseEvent| {
        event.prevent_default();
        if let Some(main) = main.get_untracked() {
            // Where a browser cannot move the focus, nothing is lost.
            let _ = main.focus();
        }
    };
    let notes_hidden = Memo::new(move |_| app.state.with(|state| state.notes_hidden));
    view! {
        <div class="site" class:without-notes=move || notes_hidden.get()>
            <a class="skip" href="#main" on:click=skip>{t("frame-skip")}</a>
            <Header share keys/>
            <ModelBar models/>
            <Notices/>
            <main id="main" tabindex="-1" node_ref=main>
                <CurrentView/>
            </main>
            <ShareSheet open=share/>
            <KeysSheet open=keys/>
            <ModelsSheet open=models/>
        </div>
    }
}

/// The lesson whose number a key is. Whether there is one.
fn show_lesson(app: App, key: &str) -> bool {
    let lesson = View::ALL.into_iter().find(|(number, _)| key.parse() == Ok(*number));
    if let Some((_, view)) = lesson {
        app.state.update(|state| state.view = view);
    }
    lesson.is_some()
}

/// Puts the focus into the sentence. Whether there is one.
fn focus_sentence() -> bool {
    let field = document().query_selector("[data-sentence]").ok().flatten();
    let field = field.and_then(|field| field.dyn_into::<HtmlElement>().ok());
    field.is_some_and(|field| field.focus().is_ok())
}

/// The tab's title names the lesson.
fn follow_title(app: App) {
    let view = Memo::new(move |_| app.state.with(|state| state.view));
    Effect::new(move || {
        document().set_title(&tr("frame-title", &[("lesson", header::name(view.get()).into())]))
    });
}
