//! What the page has to say above a lesson: a failure, and what it could not read in a link.

use leptos::prelude::*;

use crate::ui::app::App;
use crate::ui::components::problem::ProblemNote;
use crate::ui::state::State;
use crate::ui::words::{t, tr};

/// The notices, each of which can be dismissed.
#[component]
pub(super) fn Notices() -> impl IntoView {
    view! {
        <section class="notices wrap" aria-label=t("notice-label")>
            <Failure/>
            <NotKept/>
            <Unreadable/>
        </section>
    }
}

/// Why a model could not be loaded, or the engine stopped; with a button where trying again can help.
#[component]
pub(super) fn Failure() -> impl IntoView {
    let app = expect_context::<App>();
    let failed = Memo::new(move |_| app.failure.with(Option::is_some));
    let stopped =
        move || app.failure.with(|failure| failure.as_ref().is_some_and(|f| f.code == "engine-stopped"));
    // A model that a script asked for is the script's to ask for again; the lesson still has the last one.
    let lacks_model = move || {
        let families = app.state.with(State::families);
        app.status.with(|status| families.iter().any(|family| !status.contains_key(family)))
    };
    let again = move || if stopped() { t("notice-start-again") } else { t("notice-try-again") };
    view! {
        <div class="notice-strip" class:shown=move || failed.get() data-failure="">
            <ProblemNote problem=app.failure/>
            <Show when=move || failed.get()>
                <span class="notice-acts">
                    <Show when=move || lacks_model()>
                        <button type="button" class="button" on:click=move |_| app.try_again()>{move || again()}</button>
                    </Show>
                    <button type="button" class="link" on:click=move |_| app.failure.set(None)>{t("frame-dismiss")}</button>
                </span>
            </Show>
        </div>
    }
}

/// Why a model will have to be downloaded again the next time.
#[component]
fn NotKept() -> impl IntoView {
    let app = expect_context::<App>();
    let some = Memo::new(move |_| app.not_kept.with(Option::is_some));
    view! {
        <div class="notice-strip" class:shown=move || some.get()>
            <ProblemNote problem=app.not_kept/>
            <button type="button" class="link" on:click=move |_| app.not_kept.set(None)>{t("frame-dismiss")}</button>
        </div>
    }
}

/// Which parts of the link took their defaults.
#[component]
fn Unreadable() -> impl IntoView {
    let app = expect_context::<App>();
    let some = Memo::new(move |_| app.unreadable.with(|keys| !keys.is_empty()));
    let sentence = move || {
        let keys = app.unreadable.get();
        tr("notice-unreadable", &[("n", keys.len().into()), ("keys", keys.join(", ").into())])
    };
    view! {
        <Show when=move || some.get()>
            <div class="notice-strip shown" role="status" data-unreadable="">
                <p>{move || sentence()}</p>
                <button type="button" class="link" on:click=move |_| app.unreadable.set(Vec::new())>
                    {t("frame-dismiss")}
                </button>
            </div>
        </Show>
    }
}
