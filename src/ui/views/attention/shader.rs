//! What the GPU did for the last run: its dispatches one after the other, and the WGSL that ran.

use futures_util::FutureExt;
use leptos::{html, prelude::*};

use super::lesson::{Lesson, Model};
use crate::engine::protocol::{Answer, Ask, EngineKind, Problem};
use crate::trace::{Dispatch, Dispatches, Family};
use crate::ui::app::App;
use crate::ui::ask::keep_up;
use crate::ui::components::problem::ProblemNote;
use crate::ui::format::{bytes, thousands};
use crate::ui::frame::voice::{self, family_name};
use crate::ui::wgsl;
use crate::ui::words::{self, t, tr};

/// The disclosure. The engine is asked only while it is open.
#[component]
pub(super) fn Shader() -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let details = NodeRef::<html::Details>::new();
    let open = RwSignal::new(false);
    let chosen = RwSignal::new(None::<Family>);
    let of = Memo::new(move |_| {
        let show = lesson.show.get();
        chosen.get().filter(|family| show.shows(*family)).unwrap_or(show.first())
    });
    let choice = move |family: Family| {
        view! {
            <button
                type="button"
                data-voice=voice::name(family)
                aria-pressed=move || (of.get() == family).to_string()
                on:click=move |_| chosen.set(Some(family))
            >
                {family_name(family)}
            </button>
        }
    };
    let choices = move || {
        let families: Vec<Family> = lesson.shown().map(|model| model.family).collect();
        (families.len() > 1).then(|| {
            view! {
                <span class="seg" role="group" aria-label=t("attention-show")>
                    {families.into_iter().map(choice).collect_view()}
                </span>
            }
        })
    };
    // The choices stay, and with them the focus, when another is made.
    let kernels = move || view! { <Kernels model=lesson.model(of.get())/> };
    let content = move || open.get().then(|| view! { {move || choices()} {move || kernels()} });
    view! {
        <details
            class="shader"
            data-shader=""
            node_ref=details
            on:toggle=move |_| open.set(details.get_untracked().is_some_and(|details| details.open()))
        >
            <summary>{t("shader-show")}</summary>
            {move || content()}
        </details>
    }
}

/// The dispatches of one model's last run, or why there are none.
#[component]
fn Kernels(model: Model) -> impl IntoView {
    let app = expect_context::<App>();
    let family = model.family;
    let kernels = RwSignal::new(None::<Dispatches>);
    let problem = RwSignal::new(None::<Problem>);
    let chosen = RwSignal::new(0);
    let status = Memo::new(move |_| app.status.with(|all| all.get(&family).cloned()));
    let on_gpu = Memo::new(move |_| {
        status.with(|status| status.as_ref().is_some_and(|status| status.engine == EngineKind::WebGpu))
    });
    let next = move || {
        model.run.with(Option::is_some).then_some(())?;
        // What a run did is asked when nothing else is computed.
        let rests = !model.busy.get() && !model.measuring.get();
        if !on_gpu.get() || !rests {
            return None;
        }
        let job = async move {
            let answer = app.link().ask(Ask::Kernels { family }).await;
            problem.try_set(answer.as_ref().err().cloned());
            if let Ok(Answer::Kernels { kernels: found }) = answer {
                kernels.try_set(Some(found));
            }
        };
        Some(job.boxed_local())
    };
    let busy = keep_up(app, family, Box::new(next));
    let none = move || {
        let status = status.get().filter(|_| !on_gpu.get())?;
        let name = family_name(family);
        let key = if status.settled { "shader-none" } else { "shader-preparing" };
        let why = status.reason.filter(|_| status.settled).map(|reason| words::problem(&reason).0);
        let why = why.map(|why| format!(" {why}"));
        Some(view! { <p class="shader-none">{tr(key, &[("model", name.into())])}{why}</p> })
    };
    let table = move || {
        let kernels = kernels.get().filter(|_| on_gpu.get())?;
        Some(view! {
            <div class="shader-parts">
                <div class="scroller" tabindex="0" role="region" aria-label=t("shader-region")>
                    {table(&kernels, family, chosen)}
                </div>
                {move || source(&kernels, chosen.get())}
            </div>
        })
    };
    view! {
        <div data-voice=voice::name(family) aria-busy=move || busy.get().to_string()>
            <ProblemNote problem/>
            {move || none()}
            {move || table()}
        </div>
    }
}

fn table(kernels: &Dispatches, family: Family, chosen: RwSignal<usize>) -> impl IntoView + use<> {
    let all = &kernels.dispatches;
    let timed = all.iter().any(|dispatch| dispatch.ms.is_some());
    let time =
        |ms: Option<f64>| timed.then(|| view! { <td class="n">{ms.map(|ms| format!("{ms:.3}"))}</td> });
    let row = |(at, dispatch): (usize, &Dispatch)| {
        view! {
            <tr data-dispatch=at class:sel=move || chosen.get() == at>
                <th scope="row">
                    <button
                        type="button"
                        class="act"
                        aria-pressed=move || (chosen.get() == at).to_string()
                        on:click=move |_| chosen.set(at)
                    >
                        {dispatch.kernel.clone()}
                    </button>
                </th>
                <td>{dispatch.computes.clone()}</td>
                <td class="n">{format!("{} × {}", dispatch.grid[0], dispatch.grid[1])}</td>
                <td class="n">{bytes(dispatch.reads)}</td>
                <td class="n">{bytes(dispatch.writes)}</td>
                {time(dispatch.ms)}
            </tr>
        }
    };
    let caption = tr("shader-caption", &[("model", family_name(family).into()), ("count", all.len().into())]);
    let sum = |of: fn(&Dispatch) -> u64| bytes(all.iter().map(of).sum());
    let columns = ["shader-kernel", "shader-computes", "shader-grid", "shader-reads", "shader-writes"];
    let columns = columns.into_iter().chain(timed.then_some("shader-time"));
    let groups = all.iter().map(|dispatch| u64::from(dispatch.grid[0]) * u64::from(dispatch.grid[1]));
    view! {
        <table class="data">
            <caption>{caption}</caption>
            <thead>
                <tr>{columns.map(|key| view! { <th scope="col">{t(key)}</th> }).collect_view()}</tr>
            </thead>
            <tbody>{all.iter().enumerate().map(row).collect_view()}</tbody>
            <tfoot>
                <tr>
                    <th scope="row" colspan="2">{t("shader-sum")}</th>
                    <td class="n">{thousands(groups.sum::<u64>() as usize)}</td>
                    <td class="n">{sum(|dispatch| dispatch.reads)}</td>
                    <td class="n">{sum(|dispatch| dispatch.writes)}</td>
                    {time(Some(all.iter().filter_map(|dispatch| dispatch.ms).sum()))}
                </tr>
            </tfoot>
        </table>
    }
}

/// The program of the chosen dispatch.
fn source(kernels: &Dispatches, chosen: usize) -> Option<impl IntoView + use<>> {
    let kernel = &kernels.dispatches.get(chosen).or(kernels.dispatches.first())?.kernel;
    let parts = wgsl::parts(kernels.sources.get(kernel)?);
    let parts: Vec<AnyView> = parts
        .into_iter()
        .map(|(comment, text)| {
            let text = text.to_owned();
            if comment { view! { <i>{text}</i> }.into_any() } else { text.into_any() }
        })
        .collect();
    let label = tr("shader-source", &[("kernel", kernel.clone().into())]);
    Some(view! {
        <pre class="wgsl" tabindex="0" role="region" aria-label=label data-wgsl=kernel.clone()><code>{parts}</code></pre>
    })
}
