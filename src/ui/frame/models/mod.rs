//! The sheet of models: which ones answer now, which can be had, and which the browser keeps.

mod card;
mod kept;
mod offers;

use leptos::{ev, html, prelude::*};

use crate::engine::protocol::Load;
use crate::trace::WeightType;
use crate::ui::app::App;
use crate::ui::components::sheet::Sheet;
use crate::ui::state::State;
use crate::ui::words::t;
use card::Card;
use kept::Kept;
use offers::Offers;

/// The sheet.
#[component]
pub(super) fn ModelsSheet(
    /// Whether it is open.
    open: RwSignal<bool>,
) -> impl IntoView {
    let app = expect_context::<App>();
    // Whatever is chosen, the reader sees it come in the model bar.
    let load = Callback::new(move |source: String| {
        open.set(false);
        leptos::task::spawn_local(load(app, source, None));
    });
    let cards = move || {
        let families = app.state.with_untracked(State::families);
        families.iter().map(|&family| view! { <Card family/> }).collect_view()
    };
    view! {
        <Sheet open title="models-title" heading="models-heading">
            {cards()}
            <Offers load/>
            <Other load/>
            <Own/>
            <Kept load/>
        </Sheet>
    }
}

/// Loads a model from the hub that is set, its weights kept as `weights` says.
async fn load(app: App, source: String, weights: Option<WeightType>) {
    let hub = app.state.with_untracked(|state| state.models.hub().map(str::to_owned));
    // What is wrong with it is said above the lesson.
    let _ = app.load(Load { source, hub, weights, ..Load::default() }).await;
}

/// A field for any model, and one for another hub.
#[component]
fn Other(
    /// Loads a source.
    load: Callback<String>,
) -> impl IntoView {
    let app = expect_context::<App>();
    let source = NodeRef::<html::Input>::new();
    let hub = NodeRef::<html::Input>::new();
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let value = |field: NodeRef<html::Input>| {
            field.get_untracked().map(|field| field.value()).unwrap_or_default()
        };
        let source = source_of(&value(source));
        let hub = value(hub).trim().to_owned();
        app.state.update(|state| state.models.set_hub(Some(hub).filter(|hub| !hub.is_empty())));
        if !source.is_empty() {
            load.run(source);
        }
    };
    let hub_now = app.state.with_untracked(|state| state.models.hub().unwrap_or_default().to_owned());
    view! {
        <form class="share-part" on:submit=submit>
            <h3>{t("models-other")}</h3>
            <p class="small muted">{t("models-other-note")}</p>
            <div class="model-field">
                <input node_ref=source type="text" aria-label=t("models-other") placeholder=t("models-other-example") autocomplete="off" spellcheck="false" data-model-source=""/>
                <button type="submit" class="button">{t("models-load")}</button>
            </div>
            <details class="small">
                <summary>{t("models-hub")}</summary>
                <p class="muted">{t("models-hub-note")}</p>
                <div class="model-field">
                    <input node_ref=hub type="text" aria-label=t("models-hub") placeholder=t("models-hub-example") value=hub_now autocomplete="off" spellcheck="false" data-model-hub=""/>
                </div>
            </details>
        </form>
    }
}

/// Files of the reader's; `www/files.js` takes them, and those that are dropped on the page.
#[component]
fn Own() -> impl IntoView {
    view! {
        <section class="share-part">
            <h3>{t("models-own")}</h3>
            <p class="small muted">{t("models-own-note")}</p>
            <p class="model-field">
                <label class="button">{t("models-own-files")}<input type="file" multiple=true class="vh" data-model-files=""/></label>
                <label class="button">
                    {t("models-own-folder")}
                    <input type="file" prop:webkitdirectory=true class="vh" data-model-files=""/>
                </label>
            </p>
        </section>
    }
}

/// What a reader's words name: the page's own models and full names as they are, an address as a folder, the address of a
/// hub's page as its model, and `owner/name` as one of the hub.
fn source_of(words: &str) -> String {
    let words = words.trim();
    if let Some(name) = words.strip_prefix("https://huggingface.co/") {
        let name: Vec<&str> = name.split(['/', '?', '#']).take(2).filter(|part| !part.is_empty()).collect();
        return format!("hf:{}", name.join("/"));
    }
    let is_full =
        ["", "bert", "gpt"].contains(&words) || words.starts_with("hf:") || words.starts_with("url:");
    match words {
        words if is_full => words.to_owned(),
        words if words.contains("://") => format!("url:{words}"),
        words => format!("hf:{words}"),
    }
}
