//! The header: the wordmark, the lessons, Share and the theme.

use leptos::{ev, prelude::*};

use super::theme;
use crate::ui::app::App;
use crate::ui::state::View;
use crate::ui::words::{t, tr};

/// The header of the page.
#[component]
pub(super) fn Header(
    /// Opens the sheet for sharing.
    share: RwSignal<bool>,
    /// Opens the sheet with all keys.
    keys: RwSignal<bool>,
) -> impl IntoView {
    let app = expect_context::<App>();
    let notes = move || app.state.with(|state| !state.notes_hidden);
    view! {
        <header class="bar">
            <div class="wrap">
                <a class="mark" href=address_of(View::default()) aria-label=t("frame-home") on:click=move |event| go(app, View::default(), &event)>
                    "Cl"<i>"o"</i>"ze"
                </a>
                <Picker/>
                <Lessons/>
                <div class="acts">
                    <button
                        type="button"
                        class="wide"
                        aria-pressed=move || notes().to_string()
                        data-notes-toggle=""
                        on:click=move |_| app.state.update(|state| state.notes_hidden = !state.notes_hidden)
                    >
                        {t("frame-notes")}
                    </button>
                    <button type="button" class="wide" aria-haspopup="dialog" data-keys="" on:click=move |_| keys.set(true)>
                        {t("frame-keys")}
                    </button>
                    <button type="button" aria-haspopup="dialog" data-share="" on:click=move |_| share.set(true)>
                        {t("frame-share")}
                    </button>
                    <button type="button" class="icon" aria-label=t("frame-theme") data-theme-toggle="" on:click=move |_| theme::toggle(app)>
                        <svg width="18" height="18" viewBox="0 0 18 18" aria-hidden="true">
                            <circle cx="9" cy="9" r="7" fill="none" stroke="currentColor" stroke-width="1.5"/>
                            <path d="M9 2a7 7 0 0 1 0 14z" fill="currentColor"/>
                        </svg>
                    </button>
                </div>
            </div>
        </header>
    }
}

/// The lessons in a row.
#[component]
fn Lessons() -> impl IntoView {
    let app = expect_context::<App>();
    let current = Memo::new(move |_| app.state.with(|state| state.view));
    let lesson = move |(number, view): (u8, View)| {
        view! {
            <li>
                <a
                    href=address_of(view)
                    aria-current=move || (current.get() == view).then_some("page")
                    data-lesson=view.name()
                    on:click=move |event| go(app, view, &event)
                >
                    <span>{number}</span>
                    {name(view)}
                </a>
            </li>
        }
    };
    view! {
        <nav class="toc" aria-label=t("frame-lessons")>
            <ol>{View::ALL.into_iter().map(lesson).collect_view()}</ol>
        </nav>
    }
}

/// The same on a narrow screen: the browser's own list.
#[component]
fn Picker() -> impl IntoView {
    let app = expect_context::<App>();
    let current = Memo::new(move |_| app.state.with(|state| state.view));
    let label = move || tr("frame-lesson-choose", &[("lesson", name(current.get()).into())]);
    let choose = move |event: ev::Event| {
        if let Some(view) = View::named(&event_target_value(&event)) {
            app.state.update(|state| state.view = view);
        }
    };
    let option = move |(number, view): (u8, View)| {
        view! {
            <option value=view.name() selected=move || current.get() == view>
                {format!("{number}\u{2002}{}", name(view))}
            </option>
        }
    };
    view! {
        <select class="mnav" aria-label=move || label() prop:value=move || current.get().name() on:change=choose>
            {View::ALL.into_iter().map(option).collect_view()}
        </select>
    }
}

/// A lesson's name in the header.
pub(super) fn name(view: View) -> String {
    match view {
        View::Mask => t("frame-lesson-mask"),
        View::Attention => t("frame-lesson-attention"),
        View::Generate => t("frame-lesson-generate"),
    }
}

/// Where a link to a lesson leads if it is opened in another tab.
fn address_of(view: View) -> String {
    format!("#view={}", view.name())
}

/// Shows a lesson as it was left, unless the click asks for another tab or window.
fn go(app: App, view: View, event: &ev::MouseEvent) {
    if !(event.ctrl_key() || event.meta_key() || event.shift_key() || event.alt_key()) {
        event.prevent_default();
        app.state.update(|state| state.view = view);
    }
}
