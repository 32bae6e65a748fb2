//! How a model is called and marked: colour, sign and name always appear together.

use leptos::prelude::*;

use crate::engine::protocol::RoundingEffect;
use crate::trace::{Architecture, Family, ModelCard, WeightType};
use crate::ui::format;
use crate::ui::words::{t, tr};

/// The name of a family's voice in `data-voice`, which gives the colours.
pub(in crate::ui) fn name(family: Family) -> &'static str {
    match family {
        Family::Bert => "bert",
        Family::Gpt2 => "gpt",
    }
}

/// A family's sign: BERT reads both ways, GPT to the right.
#[component]
pub(in crate::ui) fn Voice(
    /// Whose.
    family: Family,
) -> impl IntoView {
    let (sign, label) = match family {
        Family::Bert => ("↔", "bar-sign-bert"),
        Family::Gpt2 => ("→", "bar-sign-gpt"),
    };
    view! { <span class="dir" role="img" aria-label=t(label)>{sign}</span> }
}

/// How each of the two is called on the screen.
pub(in crate::ui) fn family_name(family: Family) -> String {
    t(match family {
        Family::Bert => "model-name-bert",
        Family::Gpt2 => "model-name-gpt",
    })
}

/// A model's name on the screen: its architecture's, and where it comes from if it is not the page's own.
pub(in crate::ui) fn model_name(model: &ModelCard) -> String {
    let name = match model.architecture {
        Architecture::Bert | Architecture::Gpt2 => family_name(model.family),
        Architecture::DistilBert => t("model-name-distilbert"),
        Architecture::Roberta => t("model-name-roberta"),
        Architecture::GptNeo => t("model-name-gpt-neo"),
    };
    name_from(name, &model.source)
}

/// The name of a model that is not there yet.
pub(super) fn expected_name(family: Family, source: &str) -> String {
    name_from(family_name(family), source)
}

fn name_from(name: String, source: &str) -> String {
    match address(source) {
        Some(address) => tr("model-name-from", &[("name", name.into()), ("source", address.into())]),
        None => name,
    }
}

/// What is being loaded, before its family is known.
pub(super) fn source_name(source: &str) -> String {
    match (source, address(source)) {
        (_, Some(address)) => address.to_owned(),
        ("gpt", None) => t("model-name-gpt"),
        _ => t("model-name-bert"),
    }
}

/// Where a source is, if it is not the page's own, as short as it can be said.
pub(super) fn address(source: &str) -> Option<&str> {
    if let Some(name) = source.strip_prefix("hf:").or_else(|| source.strip_prefix("files:")) {
        return Some(name);
    }
    let base = source.strip_prefix("url:")?;
    let base = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://")).unwrap_or(base);
    Some(base.trim_end_matches('/'))
}

/// What it changes that a model's weights are kept as `weights`.
pub(super) fn effect(weights: WeightType, effect: &RoundingEffect) -> String {
    let RoundingEffect { positions, same_best, max_abs_diff } = *effect;
    let diff =
        if max_abs_diff < 0.01 { format::scientific(max_abs_diff) } else { format!("{max_abs_diff:.2}") };
    let values = [
        ("type", weights.name().into()),
        ("same", same_best.into()),
        ("positions", positions.into()),
        ("diff", diff.into()),
    ];
    tr("models-effect", &values)
}
