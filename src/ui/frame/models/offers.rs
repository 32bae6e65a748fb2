//! Models that are worth a look, with what they cost.

use leptos::prelude::*;

use super::super::voice;
use crate::trace::Family;
use crate::ui::words::{t, tr};

/// A model that can be had.
struct Offer {
    source: &'static str,
    family: Family,
    name: &'static str,
    /// Layers, heads in each.
    shape: [usize; 2],
    /// Bytes to download.
    bytes: f64,
    /// None where its card names none.
    licence: &'static str,
    /// The message that says what it shows best.
    shows: &'static str,
}

/// From the smallest to the largest of each family. A revision that is named is the one that the hub's converter to safetensors
/// made.
const OFFERS: [Offer; 11] = [
    Offer {
        source: "bert",
        family: Family::Bert,
        name: "Cloze BERT",
        shape: [6, 8],
        bytes: 7.5e6,
        licence: "CC BY-SA 4.0",
        shows: "models-shows-own-bert",
    },
    Offer {
        source: "gpt",
        family: Family::Gpt2,
        name: "Cloze GPT",
        shape: [6, 8],
        bytes: 7.4e6,
        licence: "CC BY-SA 4.0",
        shows: "models-shows-own-gpt",
    },
    Offer {
        source: "hf:google/bert_uncased_L-2_H-128_A-2",
        family: Family::Bert,
        name: "BERT tiny",
        shape: [2, 2],
        bytes: 17.7e6,
        licence: "Apache 2.0",
        shows: "models-shows-tiny",
    },
    Offer {
        source: "hf:gaunernst/bert-mini-uncased",
        family: Family::Bert,
        name: "BERT mini",
        shape: [4, 4],
        bytes: 45.1e6,
        licence: "Apache 2.0",
        shows: "models-shows-mini",
    },
    Offer {
        source: "hf:gaunernst/bert-small-uncased@refs/pr/1",
        family: Family::Bert,
        name: "BERT small",
        shape: [4, 8],
        bytes: 116e6,
        licence: "Apache 2.0",
        shows: "models-shows-small",
    },
    Offer {
        source: "hf:distilbert/distilbert-base-uncased",
        family: Family::Bert,
        name: "DistilBERT",
        shape: [6, 12],
        bytes: 268e6,
        licence: "Apache 2.0",
        shows: "models-shows-distilbert",
    },
    Offer {
        source: "hf:google-bert/bert-base-uncased",
        family: Family::Bert,
        name: "BERT base",
        shape: [12, 12],
        bytes: 440e6,
        licence: "Apache 2.0",
        shows: "models-shows-bert",
    },
    Offer {
        source: "hf:FacebookAI/roberta-base",
        family: Family::Bert,
        name: "RoBERTa base",
        shape: [12, 12],
        bytes: 499e6,
        licence: "MIT",
        shows: "models-shows-roberta",
    },
    Offer {
        source: "hf:roneneldan/TinyStories-8M@refs/pr/1",
        family: Family::Gpt2,
        name: "TinyStories 8M",
        shape: [8, 16],
        bytes: 112e6,
        licence: "",
        shows: "models-shows-stories",
    },
    Offer {
        source: "hf:distilbert/distilgpt2",
        family: Family::Gpt2,
        name: "DistilGPT-2",
        shape: [6, 12],
        bytes: 353e6,
        licence: "Apache 2.0",
        shows: "models-shows-distilgpt2",
    },
    Offer {
        source: "hf:openai-community/gpt2",
        family: Family::Gpt2,
        name: "GPT-2 small",
        shape: [12, 12],
        bytes: 548e6,
        licence: "MIT",
        shows: "models-shows-gpt2",
    },
];

/// The list.
#[component]
pub(super) fn Offers(
    /// Loads a source.
    load: Callback<String>,
) -> impl IntoView {
    let row = move |offer: &'static Offer| {
        let [layers, heads] = offer.shape;
        let size = tr("models-size", &[("bytes", offer.bytes.into())]);
        view! {
            <tr>
                <th scope="row" data-voice=voice::name(offer.family)>
                    <voice::Voice family=offer.family/>
                    " "
                    <button type="button" class="link" on:click=move |_| load.run(offer.source.to_owned()) data-offer=offer.source>
                        {offer.name}
                    </button>
                    <span class="small muted">{t(offer.shows)}</span>
                </th>
                <td class="wide">{format!("{layers} × {heads}")}</td>
                <td class="num">{size}</td>
                <td>{if offer.licence.is_empty() { t("models-licence-none") } else { offer.licence.to_owned() }}</td>
            </tr>
        }
    };
    view! {
        <section class="share-part">
            <h3>{t("models-offers")}</h3>
            <table class="models">
                <thead>
                    <tr>
                        <th scope="col">{t("models-model")}</th>
                        <th scope="col" class="wide">{t("models-shape")}</th>
                        <th scope="col" class="num">{t("models-download")}</th>
                        <th scope="col">{t("models-licence")}</th>
                    </tr>
                </thead>
                <tbody>{OFFERS.iter().map(row).collect_view()}</tbody>
            </table>
        </section>
    }
}
