//! The models that the browser keeps, with their sizes.

use leptos::prelude::*;

use super::super::voice;
use crate::engine::protocol::{Answer, Ask, StoredModel};
use crate::ui::app::App;
use crate::ui::words::{t, tr};

/// The list; nothing where nothing is kept.
#[component]
pub(super) fn Kept(
    /// Loads a source.
    load: Callback<String>,
) -> impl IntoView {
    let app = expect_context::<App>();
    let models = RwSignal::new(Vec::<StoredModel>::new());
    let ask = move |first: Option<Ask>| {
        leptos::task::spawn_local(async move {
            if let Some(first) = first {
                // What cannot be removed is still listed.
                let _ = app.link().ask(first).await;
            }
            if let Ok(Answer::Stored { models: kept }) = app.link().ask(Ask::Stored).await {
                models.try_set(kept);
            }
        });
    };
    ask(None);
    let some = Memo::new(move |_| models.with(|models| !models.is_empty()));
    let row = move |StoredModel { source, bytes, complete, .. }: StoredModel| {
        let size = tr("models-size", &[("bytes", (bytes as f64).into())]);
        let (again, gone) = (source.clone(), source.clone());
        view! {
            <li>
                <button type="button" class="link" on:click=move |_| load.run(again.clone())>
                    {voice::address(&source).unwrap_or(&source).to_owned()}
                </button>
                <span class="num">{size}</span>
                <span class="small muted">{(!complete).then(|| t("models-incomplete"))}</span>
                <button
                    type="button"
                    class="link"
                    aria-label=tr("models-delete-named", &[("model", source.as_str().into())])
                    on:click=move |_| ask(Some(Ask::Forget { source: Some(gone.clone()) }))
                >
                    {t("models-delete")}
                </button>
            </li>
        }
    };
    view! {
        <Show when=move || some.get()>
            <section class="share-part" data-kept="">
                <h3>{t("models-kept")}</h3>
                <ul class="kept">{move || models.get().into_iter().map(row).collect_view()}</ul>
            </section>
        </Show>
    }
}
