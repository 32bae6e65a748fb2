//! The sheet for sharing: what is on the screen as a link, or one panel of it as a frame for slides.

use leptos::{ev, html, prelude::*};
use wasm_bindgen_futures::JsFuture;

use super::address;
use crate::ui::app::App;
use crate::ui::components::sheet::Sheet;
use crate::ui::state::share::{iframe, link};
use crate::ui::state::{Embed, State, Theme};
use crate::ui::words::{t, tr};

/// The sheet.
#[component]
pub(super) fn ShareSheet(
    /// Whether it is open.
    open: RwSignal<bool>,
) -> impl IntoView {
    view! {
        <Sheet open title="share-title" heading="share-heading">
            <LinkPart/>
            <FramePart/>
        </Sheet>
    }
}

#[component]
fn LinkPart() -> impl IntoView {
    let app = expect_context::<App>();
    let text = Signal::derive(move || {
        app.state.with(|state| link(&address::base(), &State { embed: None, ..state.clone() }))
    });
    view! {
        <section class="share-part">
            <h3>{t("share-link")}</h3>
            <p class="small muted">{t("share-link-note")}</p>
            <Copy text label="share-link" action="share-link-copy" hook="link"/>
        </section>
    }
}

#[component]
fn FramePart() -> impl IntoView {
    let app = expect_context::<App>();
    let view = app.state.with_untracked(|state| state.view);
    let embed = RwSignal::new(Embed::of(view));
    let theme = RwSignal::new(Theme::Auto);
    let text = Signal::derive(move || {
        let state = State { embed: Some(embed.get()), theme: theme.get(), ..app.state.get() };
        iframe(&address::base(), &state, &tr("embed-frame", &[("title", super::embed::title(&state).into())]))
    });
    let panel = |name: &&'static str| {
        let name = *name;
        let label = format!("share-panel-{name}");
        view! {
            <label class="check">
                <input
                    type="radio"
                    name="share-panel"
                    value=name
                    prop:checked=move || embed.with(|embed| embed.panel == name)
                    on:change=move |_| embed.update(|embed| name.clone_into(&mut embed.panel))
                />
                <span>{t(&label)}</span>
            </label>
        }
    };
    let flag = move |key: &'static str, of: fn(&mut Embed) -> &mut bool| {
        let change = move |event: ev::Event| embed.update(|embed| *of(embed) = event_target_checked(&event));
        view! {
            <label class="check">
                <input type="checkbox" prop:checked=move || *of(&mut embed.get()) on:change=change/>
                <span>{t(key)}</span>
            </label>
        }
    };
    let paper = move |(key, choice): (&'static str, Theme)| {
        view! {
            <label class="check">
                <input
                    type="radio"
                    name="share-theme"
                    prop:checked=move || theme.get() == choice
                    on:change=move |_| theme.set(choice)
                />
                <span>{t(key)}</span>
            </label>
        }
    };
    let papers = [
        ("share-theme-auto", Theme::Auto),
        ("share-theme-light", Theme::Light),
        ("share-theme-dark", Theme::Dark),
    ];
    view! {
        <section class="share-part">
            <h3>{t("share-iframe")}</h3>
            <p class="small muted">{t("share-iframe-note")}</p>
            <fieldset class="checks">
                <legend>{t("share-panel")}</legend>
                {view.panels().iter().map(panel).collect_view()}
            </fieldset>
            <div class="checks">
                {flag("share-edit", |embed| &mut embed.edit)}
                {flag("share-reveal", |embed| &mut embed.reveal)}
                {flag("share-keys", |embed| &mut embed.keys)}
            </div>
            <fieldset class="checks">
                <legend>{t("share-theme")}</legend>
                {papers.into_iter().map(paper).collect_view()}
            </fieldset>
            <Copy text label="share-iframe" action="share-iframe-copy" hook="iframe"/>
        </section>
    }
}

/// How copying went.
#[derive(Clone, Copy, PartialEq)]
enum Copied {
    NotYet,
    Yes,
    /// The browser did not let us; the text is selected for the reader to copy.
    Selected,
}

/// A text that can be copied, or the sentence that says that it is too long.
#[component]
fn Copy(
    /// What is copied; none if it is too long for a link.
    text: Signal<Option<String>>,
    /// The message that names the text.
    label: &'static str,
    /// The message on the button.
    action: &'static str,
    /// Its name in `data-copy`.
    hook: &'static str,
) -> impl IntoView {
    let app = expect_context::<App>();
    let field = NodeRef::<html::Textarea>::new();
    let copied = RwSignal::new(Copied::NotYet);
    Effect::new(move || {
        text.with(|_| ());
        copied.set(Copied::NotYet);
    });
    let copy = move |_| {
        let Some(text) = text.get_untracked() else { return };
        leptos::task::spawn_local(async move {
            let done = match clipboard() {
                Some(clipboard) => JsFuture::from(clipboard.write_text(&text)).await.is_ok(),
                None => false,
            };
            if done {
                app.announce(t("share-copied"));
            } else if let Some(field) = field.get_untracked() {
                // Focusing a field of an open sheet does not fail.
                let _ = field.focus();
                field.select();
            }
            copied.try_set(if done { Copied::Yes } else { Copied::Selected });
        });
    };
    let outcome = move || match copied.get() {
        Copied::NotYet => String::new(),
        Copied::Yes => t("share-copied"),
        Copied::Selected => t("share-select"),
    };
    view! {
        <Show
            when=move || text.with(Option::is_some)
            fallback=|| view! { <p class="problem-line">{t("share-too-long")}</p> }
        >
            <textarea
                class="snippet"
                node_ref=field
                readonly=true
                rows="3"
                aria-label=t(label)
                data-snippet=hook
                prop:value=move || text.get().unwrap_or_default()
            ></textarea>
            <p class="copy-line">
                <button type="button" class="button" data-copy=hook on:click=copy>{t(action)}</button>
                <span class="small" role="status">{move || outcome()}</span>
            </p>
        </Show>
    }
}

/// The clipboard, which browsers have on https and localhost only.
fn clipboard() -> Option<web_sys::Clipboard> {
    window().is_secure_context().then(|| window().navigator().clipboard())
}
