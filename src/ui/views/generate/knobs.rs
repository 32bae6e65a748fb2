//! Temperature, top-k and top-p: a slider each, and a field for the value.

use leptos::prelude::*;
use web_sys::HtmlInputElement;

use super::player::Player;
use crate::engine::protocol::Sampling;
use crate::ui::state::{HIGHEST_TEMPERATURE, MOST_TOP_K};
use crate::ui::words::t;

/// What one slider moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Knob {
    Temperature,
    TopK,
    TopP,
}

impl Knob {
    const ALL: [Knob; 3] = [Knob::Temperature, Knob::TopK, Knob::TopP];

    /// Its name in message keys and `data-knob`.
    fn name(self) -> &'static str {
        match self {
            Knob::Temperature => "temperature",
            Knob::TopK => "top-k",
            Knob::TopP => "top-p",
        }
    }

    /// The ends of the slider and its step. Top-k has one place more than it counts: all.
    fn range(self) -> (f64, f64, f64) {
        match self {
            Knob::Temperature => (0.0, f64::from(HIGHEST_TEMPERATURE), 0.05),
            Knob::TopK => (1.0, MOST_TOP_K as f64 + 1.0, 1.0),
            Knob::TopP => (0.0, 1.0, 0.01),
        }
    }

    /// Where the slider stands.
    fn position(self, sampling: Sampling) -> String {
        match self {
            Knob::Temperature => sampling.temperature.to_string(),
            Knob::TopK if sampling.top_k == 0 => (MOST_TOP_K + 1).to_string(),
            Knob::TopK => sampling.top_k.to_string(),
            Knob::TopP => sampling.top_p.to_string(),
        }
    }

    /// The value as it is read.
    fn shown(self, sampling: Sampling) -> String {
        match self {
            Knob::Temperature => format!("{:.2}", sampling.temperature),
            Knob::TopK if sampling.top_k == 0 => t("generate-all"),
            Knob::TopK => sampling.top_k.to_string(),
            Knob::TopP => format!("{:.2}", sampling.top_p),
        }
    }

    /// Takes what was typed or slid to; what is beyond an end goes to that end. Whether it was a value.
    fn set(self, sampling: &mut Sampling, typed: &str) -> bool {
        let typed = typed.trim().replace(',', ".");
        if self == Knob::TopK && typed == t("generate-all") {
            sampling.top_k = 0;
            return true;
        }
        let (least, most, _) = self.range();
        let Some(value) = typed.parse::<f64>().ok().filter(|value| !value.is_nan()) else { return false };
        let value = value.clamp(least, most);
        match self {
            Knob::Temperature => sampling.temperature = value as f32,
            Knob::TopK => sampling.top_k = if value > MOST_TOP_K as f64 { 0 } else { value.round() as usize },
            Knob::TopP => sampling.top_p = value as f32,
        }
        true
    }
}

/// The three sliders.
#[component]
pub(super) fn Knobs() -> impl IntoView {
    view! { <div class="knobs">{Knob::ALL.map(|knob| view! { <Slider knob/> }).collect_view()}</div> }
}

#[component]
fn Slider(knob: Knob) -> impl IntoView {
    let player = expect_context::<Player>();
    let sampling = Memo::new(move |_| player.read(|state| state.sampling));
    let set = move |event: &web_sys::Event| {
        let typed = event_target_value(event);
        let taken = player.change(|state| knob.set(&mut state.sampling, &typed)) == Some(true);
        // The field shows the value that counts, also where it did not change.
        let field = event_target::<HtmlInputElement>(event);
        if !taken || field.type_() != "range" {
            // A field that is removed tells of its last change too.
            if let Some(sampling) = sampling.try_get_untracked() {
                field.set_value(&knob.shown(sampling));
            }
        }
    };
    let greedy = move || knob == Knob::Temperature && sampling.get().temperature == 0.0;
    let (least, most, step) = knob.range();
    let name = knob.name();
    view! {
        <div class="knob">
            <label for=format!("generate-{name}-range")>{t(&format!("generate-{name}"))}</label>
            <input
                type="text"
                inputmode="decimal"
                autocomplete="off"
                data-knob=name
                aria-label=t(&format!("generate-{name}-typed"))
                prop:value=move || knob.shown(sampling.get())
                on:change=move |event| set(&event)
            />
            <input
                type="range"
                id=format!("generate-{name}-range")
                min=least.to_string()
                max=most.to_string()
                step=step.to_string()
                aria-valuetext=move || if greedy() { t("generate-greedy") } else { knob.shown(sampling.get()) }
                prop:value=move || knob.position(sampling.get())
                on:input=move |event| set(&event)
            />
            <span class="micro muted" aria-hidden="true">{move || greedy().then(|| t("generate-greedy"))}</span>
        </div>
    }
}
