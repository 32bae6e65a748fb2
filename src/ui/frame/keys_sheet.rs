//! The sheet with all keys, and the switch for those that are a single letter.

use leptos::{ev, prelude::*};

use crate::ui::app::App;
use crate::ui::components::keycaps::Cap::{Named, Sign};
use crate::ui::components::keycaps::{Key, Keys};
use crate::ui::components::sheet::Sheet;
use crate::ui::state::View;
use crate::ui::words::t;

const EVERYWHERE: &[Key] = &[
    (&[Sign("1"), Sign("3"), Sign("4")], "keys-lesson"),
    (&[Sign("/"), Named("keys-key-esc")], "keys-sentence"),
    (&[Sign("←"), Sign("→"), Sign("↑"), Sign("↓")], "keys-arrows"),
    (&[Named("keys-key-home"), Named("keys-key-end")], "keys-ends"),
    (&[Named("keys-key-enter")], "keys-enter"),
    (&[Sign("N")], "keys-notes"),
    (&[Sign("D")], "keys-theme"),
    (&[Sign("?")], "keys-all"),
];

const MASK: &[Key] = &[
    (&[Sign("M")], "keys-mask-mask"),
    (&[Named("keys-key-backspace")], "keys-mask-restore"),
    (&[Sign("G")], "keys-mask-guess"),
    (&[Sign("C")], "keys-mask-cover"),
    (&[Sign("T")], "keys-table"),
];

const ATTENTION: &[Key] = &[
    (&[Sign("["), Sign("]")], "keys-attention-head"),
    (&[Sign("{"), Sign("}")], "keys-attention-layer"),
    (&[Sign("O")], "keys-attention-off"),
    (&[Sign("S")], "keys-attention-special"),
    (&[Sign("T")], "keys-table"),
];

const GENERATE: &[Key] = &[
    (&[Sign("→"), Sign("←")], "keys-generate-step"),
    (&[Named("keys-key-space")], "keys-generate-play"),
    (&[Sign("T")], "keys-table"),
];

/// The sheet with all keys: those that work everywhere, and those of the lesson.
#[component]
pub(super) fn KeysSheet(
    /// Whether it is open.
    open: RwSignal<bool>,
) -> impl IntoView {
    let app = expect_context::<App>();
    let single = app.settings.single_keys;
    let change = move |event: ev::Event| single.set(event_target_checked(&event));
    let of_lesson = move || {
        let view = app.state.with(|state| state.view);
        let keys = match view {
            View::Mask => MASK,
            View::Attention => ATTENTION,
            View::Generate => GENERATE,
        };
        view! { <KeyList title=super::header::name(view) keys/> }
    };
    view! {
        <Sheet open title="keys-title" heading="keys-heading">
            <div class="key-lists">
                <KeyList title=t("keys-everywhere") keys=EVERYWHERE/>
                {move || of_lesson()}
            </div>
            <label class="check">
                <input type="checkbox" data-single-keys="" prop:checked=move || single.get() on:change=change/>
                <span>{t("keys-single")}</span>
            </label>
            <p class="small muted">{t("keys-single-note")}</p>
        </Sheet>
    }
}

#[component]
fn KeyList(title: String, keys: &'static [Key]) -> impl IntoView {
    view! {
        <section>
            <h3 class="lbl">{title}</h3>
            <Keys keys/>
        </section>
    }
}
