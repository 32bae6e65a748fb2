//! What is known of the model that answers: where it is from, its sizes, and how good it is.

use js_sys::Reflect;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::super::voice::{self, Voice};
use super::load;
use crate::engine::protocol::{Ask, EngineKind, EngineStatus};
use crate::trace::{Family, WeightType};
use crate::ui::app::App;
use crate::ui::format;
use crate::ui::words::{t, tr};

/// A figure of a model's evaluation: where it lies in `eval.json`, the message that names it, and whether it is a share.
type Figure = (&'static str, &'static str, bool);

const OF_BERT: [Figure; 4] = [
    ("held_out/mlm_top1/value", "models-mlm-top1", true),
    ("held_out/mlm_top5/value", "models-mlm-top5", true),
    ("held_out/nsp_accuracy/value", "models-nsp", true),
    ("probe/shares/all/top5/value", "models-probe", true),
];
const OF_GPT: [Figure; 3] = [
    ("held_out/loss/value", "models-loss", false),
    ("held_out/perplexity", "models-perplexity", false),
    ("held_out/perplexity_per_byte", "models-perplexity-byte", false),
];

/// One model.
#[component]
pub(super) fn Card(
    /// Whose.
    family: Family,
) -> impl IntoView {
    let app = expect_context::<App>();
    let status = Memo::new(move |_| app.status.with(|all| all.get(&family).cloned()));
    let facts = move || {
        let status = status.get()?;
        let model = &status.model;
        let values = [
            ("layers", model.layers.into()),
            ("heads", model.heads.into()),
            ("hidden", model.hidden.into()),
            ("vocabulary", format::thousands(model.vocabulary).into()),
            ("positions", model.positions.into()),
            ("parameters", format::thousands(model.parameters).into()),
            ("type", status.weights.name().into()),
        ];
        let origin = status.origin.as_ref().map(|origin| {
            let licence =
                origin.licence.as_ref().map(|name| tr("models-under", &[("licence", name.as_str().into())]));
            view! {
                " "
                <a class="link" href=origin.page.clone() target="_blank" rel="noopener">{t("models-card")}</a>
                {licence}
            }
        });
        Some(view! {
            <p>{tr("models-facts", &values)}{origin}</p>
            {(status.engine == EngineKind::WebGpu).then(|| view! { <Types status=status.clone()/> })}
            <Rounding family status=status.clone()/>
            {voice::address(&model.source).is_none().then(|| view! { <Figures family/> })}
        })
    };
    let name = move || status.with(|status| Some(voice::model_name(&status.as_ref()?.model)));
    view! {
        <section class="share-part model-card" data-voice=voice::name(family) data-model-card="">
            <h3><Voice family/>" "{name}</h3>
            {facts}
        </section>
    }
}

/// The types in which a GPU can keep a model's weights: choosing one loads it anew.
#[component]
fn Types(status: EngineStatus) -> impl IntoView {
    let app = expect_context::<App>();
    let busy = RwSignal::new(false);
    let source = StoredValue::new(status.model.source);
    let choice = |weights: WeightType| {
        let choose = move |_| {
            busy.set(true);
            leptos::task::spawn_local(async move {
                load(app, source.get_value(), Some(weights)).await;
                busy.try_set(false);
            });
        };
        view! {
            <button
                type="button"
                aria-pressed=(weights == status.weights).to_string()
                disabled=move || busy.get()
                data-weights=weights.name()
                on:click=choose
            >
                {weights.name()}
            </button>
        }
    };
    view! {
        <p class="model-types">
            {t("models-keep-as")}
            " "
            <span class="seg" role="group" aria-label=t("models-keep-as")>{WeightType::ALL.map(choice).collect_view()}</span>
        </p>
    }
}

/// What the type of the weights changes, or the button that measures it. Nothing where they are kept in full.
#[component]
fn Rounding(family: Family, status: EngineStatus) -> impl IntoView {
    let app = expect_context::<App>();
    let busy = RwSignal::new(false);
    let measure = move |_| {
        busy.set(true);
        leptos::task::spawn_local(async move {
            if let Err(problem) = app.link().ask(Ask::Measure { family }).await {
                app.failure.set(Some(problem));
            }
            busy.try_set(false);
        });
    };
    if let Some(effect) = status.effect {
        return view! { <p data-effect="">{voice::effect(status.weights, &effect)}</p> }.into_any();
    }
    // The page's own are compared below; a model on the CPU is in full.
    let is_own = voice::address(&status.model.source).is_none();
    let full = is_own || status.engine == EngineKind::Cpu || status.weights == WeightType::F32;
    (!full)
        .then(|| {
            let words = tr("models-measure", &[("type", status.weights.name().into())]);
            view! {
                <p>
                    <button type="button" class="button" disabled=move || busy.get() data-measure="" on:click=measure>{words}</button>
                    " "
                    <span role="status">{move || busy.get().then(|| t("models-measuring"))}</span>
                </p>
            }
        })
        .into_any()
}

/// How good one of the page's own models is with its weights in each type, of which it has the last.
#[component]
fn Figures(family: Family) -> impl IntoView {
    let found = RwSignal::new_local(None::<JsValue>);
    leptos::task::spawn_local(async move {
        found.try_set(evaluation(family).await);
    });
    let figures: &[Figure] = match family {
        Family::Bert => &OF_BERT,
        Family::Gpt2 => &OF_GPT,
    };
    let row = |file: &JsValue, (place, name, is_share): Figure| {
        let inner = |of: JsValue, key: &str| Reflect::get(&of, &key.into()).ok();
        let value = |weights: WeightType| {
            let of_type = inner(inner(file.clone(), "evaluations")?, weights.name())?;
            let value = place.split('/').try_fold(of_type, inner)?.as_f64()?;
            Some(if is_share { format::percent(value) } else { format!("{value:.2}") })
        };
        let values =
            WeightType::ALL.map(|weights| value(weights).map(|value| view! { <td class="num">{value}</td> }));
        view! { <tr><th scope="row">{t(name)}</th>{values.into_iter().collect_view()}</tr> }
    };
    let table = move || {
        let file = found.get()?;
        let rows = figures.iter().map(|figure| row(&file, *figure)).collect_view();
        let types =
            WeightType::ALL.map(|weights| view! { <th scope="col" class="num">{weights.name()}</th> });
        Some(view! {
            <table class="models">
                <thead>
                    <tr>
                        <th scope="col">{t("models-figures")}</th>
                        {types.into_iter().collect_view()}
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        })
    };
    view! { {table} }
}

/// The figures that lie beside a model.
async fn evaluation(family: Family) -> Option<JsValue> {
    let address = format!("models/{}/eval.json", voice::name(family));
    let response = JsFuture::from(window().fetch_with_str(&address)).await.ok()?;
    let json = response.dyn_into::<web_sys::Response>().ok()?.json().ok()?;
    JsFuture::from(json).await.ok()
}
