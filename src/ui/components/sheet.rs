//! A sheet over the page: the browser's own modal dialog, which keeps the focus inside and gives it back.

use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;

use crate::ui::words::t;

/// A sheet. Its content exists only while it is open; Esc, the button and a click beside it close it.
#[component]
pub(in crate::ui) fn Sheet(
    /// Whether it is open.
    open: RwSignal<bool>,
    /// The message that is its heading.
    title: &'static str,
    /// The id of its heading, one for each sheet of the page.
    heading: &'static str,
    /// What stands in it.
    children: ChildrenFn,
) -> impl IntoView {
    let dialog = NodeRef::<html::Dialog>::new();
    Effect::new(move || {
        let Some(dialog) = dialog.get() else { return };
        if !open.get() {
            dialog.close();
        } else if !dialog.open() {
            // It fails only where the dialog is no part of the page any more; then there is nothing to show.
            let _ = dialog.show_modal();
        }
    });
    let on_click = move |event: ev::MouseEvent| {
        let beside = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlDialogElement>().ok());
        if beside.is_some() {
            open.set(false);
        }
    };
    view! {
        <dialog class="sheet" node_ref=dialog aria-labelledby=heading on:close=move |_| open.set(false) on:click=on_click>
            <Show when=move || open.get()>
                <div class="sheet-body">
                    <header class="sheet-head">
                        <h2 id=heading>{t(title)}</h2>
                        <button type="button" class="link" on:click=move |_| open.set(false)>
                            {t("frame-close")}
                        </button>
                    </header>
                    {children()}
                </div>
            </Show>
        </dialog>
    }
}
