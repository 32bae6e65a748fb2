//! Where the chosen word looks: arcs of both models over and under the words of the sentence.

use leptos::prelude::*;

use super::lesson::{Lesson, Model};
use super::panel::list;
use crate::trace::Family;
use crate::ui::attention::{Unit, shares, spoken, units};
use crate::ui::components::arcs::{Arcs, Looks, Side};
use crate::ui::components::prose::{marked, plain};
use crate::ui::format::whole_percent;
use crate::ui::frame::voice::{self, Voice, family_name};
use crate::ui::words::{t, tr};

/// How many of the strongest words the summary names.
const NAMED: usize = 3;

/// The figure with its title and what it cannot show.
#[component]
pub(super) fn WhereItLooks() -> impl IntoView {
    let lesson = expect_context::<Lesson>();
    let looks = Memo::new(move |_| looks(lesson).unwrap_or_default());
    let title = move || {
        let word = looks.with(|looks| looks.words.get(looks.from).cloned()).unwrap_or_default();
        tr("attention-looks", &[("word", plain(&word).into())])
    };
    let voices = move || {
        let shown = looks
            .with(|looks| [(Family::Bert, looks.above.is_some()), (Family::Gpt2, looks.below.is_some())]);
        let both = shown.iter().all(|(_, shown)| *shown);
        let voice = |(family, _): (Family, bool)| {
            let name = family_name(family);
            let says = match family {
                _ if !both => name,
                Family::Bert => tr("attention-above", &[("model", name.into())]),
                Family::Gpt2 => tr("attention-below", &[("model", name.into())]),
            };
            view! { <b data-voice=voice::name(family)><Voice family/>" "{says}</b> }
        };
        shown.into_iter().filter(|(_, shown)| *shown).map(voice).collect_view()
    };
    view! {
        <section data-panel="arcs" aria-labelledby="attention-looks">
            <div class="head">
                <h2 class="lbl" id="attention-looks">{move || marked(&title())}</h2>
                <span class="sp"></span>
                <span class="micro voices">{move || voices()}</span>
            </div>
            <Arcs
                looks
                label=Signal::derive(move || looks.with(summary))
                region=Signal::derive(|| t("attention-looks-region"))
            />
            <p class="micro muted elsewhere">{move || elsewhere(lesson)}</p>
        </section>
    }
}

fn looks(lesson: Lesson) -> Option<Looks> {
    let models: Vec<Model> = lesson.shown().filter(|model| model.query.get().is_some()).collect();
    let first = *models.first()?;
    let second = models.get(1).copied();
    let run = first.run.get()?;
    let other = second.and_then(|model| model.run.get());
    let is_shown =
        |position| first.map.with(|map| map.as_ref().is_some_and(|map| map.shown().contains(&position)));
    let units = units(&run, other.as_deref(), is_shown);
    let query = first.query.get()?;
    let from = units.iter().position(|unit| unit.first.contains(&query))?;
    let side = |model: Model, tokens: fn(&Unit) -> std::ops::Range<usize>| {
        let (map, query) = (model.map.get()?, model.query.get()?);
        let word = model.run.with(|run| Some(spoken(run.as_ref()?.tokens.get(query)?).to_owned()))?;
        let hidden = tr(
            "attention-arcs-hidden",
            &[("model", family_name(model.family).into()), ("word", word.into())],
        );
        let shares = shares(&units, tokens, |position| map.weight(query, position));
        Some(Side { voice: voice::name(model.family), shares, hidden })
    };
    let first_side = side(first, |unit| unit.first.clone());
    let second_side = second.and_then(|model| side(model, |unit| unit.second.clone()));
    let (above, below) =
        if first.family == Family::Bert { (first_side, second_side) } else { (second_side, first_side) };
    Some(Looks { words: units.into_iter().map(|unit| unit.text).collect(), from, above, below })
}

/// The figure in words: what each model's row holds most of.
fn summary(looks: &Looks) -> String {
    let side = |side: &Side| {
        let mut shares: Vec<(usize, f32)> =
            side.shares.iter().enumerate().filter_map(|(at, share)| Some((at, (*share)?))).collect();
        shares.sort_by(|a, b| b.1.total_cmp(&a.1));
        let name = |(at, share): &(usize, f32)| {
            let percent = whole_percent(*share);
            Some(tr(
                "attention-share",
                &[("word", looks.words.get(*at)?.clone().into()), ("percent", percent.into())],
            ))
        };
        let named: Vec<String> = shares.iter().take(NAMED).filter_map(name).collect();
        let key = if side.voice == voice::name(Family::Bert) {
            "attention-summary-above"
        } else {
            "attention-summary-below"
        };
        tr(key, &[("shares", list(&named).unwrap_or_default().into())])
    };
    let word = looks.words.get(looks.from).cloned().unwrap_or_default();
    let sides: Vec<String> = looks.above.iter().chain(&looks.below).map(side).collect();
    tr("attention-summary", &[("word", word.into()), ("sides", sides.join(" ").into())])
}

/// What stands nowhere in the text but holds a part of BERT's row, where two models share the strip.
fn elsewhere(lesson: Lesson) -> Option<String> {
    let models: Vec<Model> = lesson.shown().filter(|model| model.query.get().is_some()).collect();
    let [first, _] = models[..] else { return None };
    let (run, map, query) = (first.run.get()?, first.map.get()?, first.query.get()?);
    let added: Vec<usize> = map
        .shown()
        .iter()
        .copied()
        .filter(|at| run.tokens.get(*at).is_some_and(|token| token.start == token.end))
        .collect();
    let mut pieces: Vec<String> =
        added.iter().filter_map(|at| Some(run.tokens.get(*at)?.piece.clone())).collect();
    pieces.dedup();
    let held: f32 = added.iter().filter_map(|at| map.weight(query, *at)).sum();
    if held < 0.005 {
        // It would read "another 0 %".
        return None;
    }
    let model = family_name(first.family);
    let (pieces, percent) = (list(&pieces)?, whole_percent(held));
    Some(tr(
        "attention-elsewhere",
        &[("model", model.into()), ("pieces", pieces.into()), ("percent", percent.into())],
    ))
}
