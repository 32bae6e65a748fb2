//! The model bar: which models compute, where, whether their numbers are right, and how long a run takes. A statement
//! whose facts are not known is left out.

use leptos::prelude::*;

use super::voice::{self, Voice};
use crate::engine::protocol::{Act, EngineKind, EngineStatus, Origin, Problem};
use crate::trace::Family;
use crate::ui::app::{App, Progress};
use crate::ui::format;
use crate::ui::state::{State, View};
use crate::ui::words::{self, t, tr};

/// The bar, with the line of a download under it.
#[component]
pub(super) fn ModelBar(
    /// Opens the sheet of models.
    models: RwSignal<bool>,
) -> impl IntoView {
    let open = models;
    let app = expect_context::<App>();
    let families = Memo::new(move |_| app.state.with(State::families));
    let known = Memo::new(move |_| {
        let status = app.status.get();
        families.get().iter().filter_map(|family| status.get(family).cloned()).collect::<Vec<_>>()
    });
    let why_open = RwSignal::new(false);
    let both = move || families.get().len() > 1;
    let models = move || {
        families.get().iter().map(|&family| view! { <Model family short=both() open/> }).collect_view()
    };
    let computing = move || {
        let known = known.get();
        match known.as_slice() {
            [] => app
                .progress
                .with(Option::is_none)
                .then(|| view! { <span>{t("bar-where-none")}</span> }.into_any()),
            [one, other] if same_place(one, other) => {
                Some(view! { <span>{place(one, true)}</span><Checks status=known.clone()/> }.into_any())
            }
            _ => Some(known.iter().map(one_model).collect_view().into_any()),
        }
    };
    let why = Memo::new(move |_| {
        let reason = known.with(|known| known.iter().find_map(|status| status.reason.clone()))?;
        Some(words::problem(&reason))
    });
    let explained = move || why.get().map(|(sentence, line)| view! { {sentence}" "{line} });
    view! {
        <section class="model" aria-label=t("bar-label")>
            <div class="wrap">
                <div class="model-facts" role="status" data-model-bar="">
                    {models}
                    {move || computing()}
                </div>
                <Show when=move || why.with(Option::is_some)>
                    <button
                        type="button"
                        class="link"
                        aria-expanded=move || why_open.get().to_string()
                        on:click=move |_| why_open.update(|open| *open = !*open)
                    >
                        {t("bar-why")}
                    </button>
                </Show>
                <span class="sp"></span>
                <Download/>
                <Time/>
            </div>
            <Show when=move || why_open.get() && why.with(Option::is_some)>
                <p class="wrap model-why">{move || explained()}</p>
            </Show>
        </section>
    }
}

/// One model's voice, name and sizes.
#[component]
fn Model(family: Family, short: bool, open: RwSignal<bool>) -> impl IntoView {
    let app = expect_context::<App>();
    let card = Memo::new(move |_| app.status.with(|status| Some(status.get(&family)?.model.clone())));
    let name = move || match card.get() {
        Some(card) => voice::model_name(&card),
        None => app.state.with(|state| voice::expected_name(family, state.models.of(family))),
    };
    let shape = move || {
        let card = card.get()?;
        let values = [
            ("layers", card.layers.into()),
            ("heads", card.heads.into()),
            ("millions", format::millions(card.parameters).into()),
        ];
        Some(tr(if short { "bar-shape-small" } else { "bar-shape" }, &values))
    };
    let kept = move || {
        let status = app.status.with(|status| status.get(&family).cloned()).filter(|_| !short)?;
        let words = tr("bar-kept", &[("type", status.weights.name().into())]);
        let measured = status.effect.map(|effect| {
            let values = [("same", effect.same_best.into()), ("positions", effect.positions.into())];
            view! { <span data-effect="" title=voice::effect(status.weights, &effect)>{tr("bar-effect", &values)}</span> }
        });
        Some(view! { {words}{measured} })
    };
    // The page's own are told of in the sheet.
    let origin = Memo::new(move |_| {
        let status = app.status.with(|status| status.get(&family).cloned())?;
        status.origin.filter(|_| voice::address(&status.model.source).is_some())
    });
    let card_link = move || {
        let Origin { page, licence } = origin.get()?;
        let words = licence.unwrap_or_else(|| t("models-card"));
        Some(
            view! { <a class="link" href=page target="_blank" rel="noopener" title=t("models-card")>{words}</a> },
        )
    };
    view! {
        <span class="model-name" data-voice=voice::name(family)>
            <Voice family/>
            <button type="button" class="model-pick" aria-haspopup="dialog" data-models="" title=move || name() on:click=move |_| open.set(true)>
                <b>{move || name()}</b>
            </button>
            <span class="opt">{move || shape()}{move || kept()}</span>
            {move || card_link()}
        </span>
    }
}

fn one_model(status: &EngineStatus) -> impl IntoView + use<> {
    view! {
        <span data-voice=voice::name(status.model.family)>{place(status, false)}</span>
        <Checks status=vec![status.clone()]/>
    }
}

/// Whether one sentence says where both compute.
fn same_place(one: &EngineStatus, other: &EngineStatus) -> bool {
    let place = |s: &EngineStatus| (s.engine, s.settled, s.adapter.clone(), s.software, s.reason.clone());
    place(one) == place(other)
}

/// Where a model computes, and, where there is room, the true reason if it is not the GPU.
fn place(status: &EngineStatus, both: bool) -> impl IntoView + use<> {
    let adapter = status.adapter.as_deref().unwrap_or_default();
    let on_gpu = status.engine == EngineKind::WebGpu;
    let because = |problem: &Problem| {
        let reason = tr("bar-because", &[("reason", words::problem(problem).0.into())]);
        view! { <span class="opt">{reason}</span> }
    };
    let key = match (on_gpu, both) {
        (true, true) if status.software => "bar-both-software",
        (true, false) if status.software => "bar-where-software",
        (true, true) if adapter.is_empty() => "bar-both-gpu-unnamed",
        (true, false) if adapter.is_empty() => "bar-where-gpu-unnamed",
        (true, true) => "bar-both-gpu",
        (true, false) => "bar-where-gpu",
        (false, true) => "bar-both-cpu",
        (false, false) => "bar-where-cpu",
    };
    let reason = status.reason.as_ref().filter(|_| !on_gpu).map(because);
    view! { {tr(key, &[("adapter", adapter.into())])} {reason} }
}

/// What the self-checks found.
#[component]
fn Checks(status: Vec<EngineStatus>) -> impl IntoView {
    let failed = status.iter().find_map(|s| s.self_check.filter(|check| !check.ok));
    let passed = status.iter().all(|s| s.self_check.is_some_and(|check| check.ok));
    let largest =
        status.iter().filter_map(|s| s.self_check).map(|check| check.max_abs_diff).fold(0.0, f32::max);
    if let Some(check) = failed {
        let diff = format::scientific(check.max_abs_diff);
        let sentence = tr("bar-check-failed", &[("diff", diff.into())]);
        return view! { <span class="check-failed"><b aria-hidden="true">"!"</b>" "{sentence}</span> }
            .into_any();
    }
    if passed && !status.is_empty() {
        let both = status.len() > 1;
        let words = if both { t("bar-both-passed") } else { t("bar-check-passed") };
        let largest = format::scientific(largest);
        let differs = (!both).then(|| tr("bar-check-differs", &[("diff", largest.into())]));
        return view! {
            <span><b class="ok" aria-hidden="true">"✓"</b>" "{words}<span class="opt">{differs}</span></span>
        }
        .into_any();
    }
    let running = status.iter().any(|s| !s.settled);
    let key = if running { "bar-check-running" } else { "bar-check-none" };
    view! { <span class="opt">{t(key)}</span> }.into_any()
}

/// How long the last runs took. Outside the status region, since it changes with every run.
#[component]
fn Time() -> impl IntoView {
    let app = expect_context::<App>();
    let words = move || {
        let (families, view) = app.state.with(|state| (state.families(), state.view));
        let times = app.times.get();
        let ms = |family: &Family| Some(format!("{:.0}", times.get(family)?.max(1.0)));
        match families.iter().filter_map(ms).collect::<Vec<_>>().as_slice() {
            [first, second] => Some(tr(
                "bar-time-both",
                &[("first", first.as_str().into()), ("second", second.as_str().into())],
            )),
            [one] => {
                let key = if view == View::Generate { "bar-time-token" } else { "bar-time" };
                Some(tr(key, &[("ms", one.as_str().into())]))
            }
            _ => None,
        }
    };
    view! { <span class="opt model-time" data-time="">{move || words()}</span> }
}

/// How far a download has come, in words and as a line.
#[component]
fn Download() -> impl IntoView {
    let app = expect_context::<App>();
    let words = move || {
        let Progress { source, loaded, total, per_second, reason } = app.progress.get()?;
        let is_own = voice::address(&source).is_none();
        let model = voice::source_name(&source);
        let key = if total.is_some() { "bar-downloading" } else { "bar-downloading-unknown" };
        let total = total.unwrap_or_default() as f64;
        let loaded = loaded as f64;
        let mut words =
            tr(key, &[("model", model.into()), ("loaded", loaded.into()), ("total", total.into())]);
        if let Some(speed) = per_second.filter(|_| !app.paused.get()) {
            let left = ((total - loaded) / speed).ceil();
            let key = if total > loaded && left < 1e5 { "bar-speed-left" } else { "bar-speed" };
            words += &tr(key, &[("speed", speed.into()), ("left", format::duration(left).into())]);
        }
        // Before it has come, so that whoever hoped for the GPU can choose another.
        if let Some(reason) = reason.filter(|_| !is_own) {
            let (sentence, line) = words::problem(&reason);
            words += &tr("bar-because", &[("reason", [sentence, line.unwrap_or_default()].join(" ").into())]);
        }
        Some(words)
    };
    let share = move || {
        let Progress { loaded, total, .. } = app.progress.get()?;
        Some(format!("scale:{:.3} 1", loaded as f64 / total.filter(|total| *total > 0)? as f64))
    };
    // The page's own models are here before anybody could give them up.
    let foreign = Memo::new(move |_| {
        let source = app.progress.with(|progress| Some(progress.as_ref()?.source.clone()))?;
        voice::address(&source).is_some().then_some(source)
    });
    let act = move |act| {
        if let Some(source) = foreign.get_untracked() {
            app.act(source, act);
        }
    };
    let toggle = move |_| act(if app.paused.get_untracked() { Act::Resume } else { Act::Pause });
    view! {
        <span class="download" data-download="">{move || words()}</span>
        <Show when=move || foreign.with(Option::is_some)>
            <button type="button" class="link" on:click=toggle>
                {move || t(if app.paused.get() { "bar-resume" } else { "bar-pause" })}
            </button>
            <button type="button" class="link" on:click=move |_| act(Act::Cancel)>{t("bar-cancel")}</button>
        </Show>
        <span class="download-line" aria-hidden="true" style=move || share() class:shown=move || app.progress.with(Option::is_some)></span>
    }
}
