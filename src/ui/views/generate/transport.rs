//! The line under the text: prepared prompts, the buttons that go on and back, the step, and the seed.

use leptos::prelude::*;

use super::player::{EXAMPLES, Player};
use crate::ui::components::examples::Examples;
use crate::ui::words::{t, tr};

/// The shapes of the buttons, in a square of 14.
const TO_PROMPT: &str = "M2 2h2v10H2zM12 2v10L5 7z";
const BACK: &str = "M10 2v10L3 7z";
const PLAY: &str = "M4 2v10l8-5z";
const PAUSE: &str = "M3 2h3v10H3zM8 2h3v10H8z";
const FORWARD: &str = "M3 2v10l6-5zM10 2h2v10h-2z";

/// Prepared prompts; back to the prompt, one back, play or pause, one on; step and seed.
#[component]
pub(super) fn Transport() -> impl IntoView {
    let player = expect_context::<Player>();
    let cursor = Memo::new(move |_| player.read(|state| state.branches().cursor()));
    let at_prompt = move || cursor.get() == 0;
    let stopped = move || player.stop.get().is_some();
    let seed = Memo::new(move |_| player.read(|state| state.sampling.seed));
    let set_seed = move |event: web_sys::Event| {
        let typed = event_target_value(&event).trim().parse::<u32>();
        match typed {
            Ok(typed) => {
                player.change(|state| state.sampling.seed = typed);
            }
            // The field shows the seed that counts. A field that is removed tells of its last change too.
            Err(_) => {
                if let Some(seed) = seed.try_get_untracked() {
                    seed_field(&event, seed);
                }
            }
        }
    };
    view! {
        <div class="head gen-head">
            <Examples examples=&EXAMPLES on_choose=Callback::new(move |text: String| player.set_text(&text))/>
            <span class="trans" role="group" aria-label=t("generate-transport")>
                <Act name="to-prompt" shape=Signal::from(TO_PROMPT) off=Signal::derive(at_prompt) act=move || player.back_to_prompt()/>
                <Act name="rewind" shape=Signal::from(BACK) off=Signal::derive(at_prompt) act=move || player.rewind()/>
                <button
                    type="button"
                    class="play"
                    data-action="play"
                    aria-label=move || if player.playing.get() { t("generate-pause") } else { t("generate-play") }
                    aria-disabled=move || stopped().to_string()
                    on:click=move |_| player.toggle()
                >
                    <svg viewBox="0 0 14 14" aria-hidden="true">
                        <path d=move || if player.playing.get() { PAUSE } else { PLAY }></path>
                    </svg>
                </button>
                <Act name="forward" shape=Signal::from(FORWARD) off=Signal::derive(stopped) act=move || player.forward()/>
            </span>
            <span class="small muted" data-step=move || cursor.get().to_string()>
                {move || tr("generate-step", &[("step", (cursor.get() + 1).into())])}
            </span>
            <label class="small muted seed">
                {t("generate-seed")}
                <input
                    type="text"
                    inputmode="numeric"
                    autocomplete="off"
                    data-knob="seed"
                    prop:value=move || seed.get().to_string()
                    on:change=set_seed
                />
            </label>
        </div>
    }
}

fn seed_field(event: &web_sys::Event, seed: u32) {
    event_target::<web_sys::HtmlInputElement>(event).set_value(&seed.to_string());
}

/// One button; it stays reachable when it does nothing, so that the focus is not lost.
#[component]
fn Act(
    name: &'static str,
    shape: Signal<&'static str>,
    off: Signal<bool>,
    act: impl Fn() + 'static,
) -> impl IntoView {
    view! {
        <button
            type="button"
            data-action=name
            aria-label=t(&format!("generate-{name}"))
            aria-disabled=move || off.get().to_string()
            on:click=move |_| {
                if !off.get_untracked() {
                    act();
                }
            }
        >
            <svg viewBox="0 0 14 14" aria-hidden="true">
                <path d=move || shape.get()></path>
            </svg>
        </button>
    }
}
