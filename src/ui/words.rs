//! Every word a person reads, from the Fluent files in `assets/i18n`.

use std::borrow::Cow;
use std::cell::OnceCell;

use fluent_bundle::{FluentArgs, FluentBundle, FluentResource, FluentValue};
use fluent_langneg::{NegotiationStrategy, negotiate_languages};
use unic_langid::{CharacterDirection, LanguageIdentifier};

use crate::engine::protocol::Problem;

/// A language's tag and its message files.
type Language = (&'static str, [&'static str; 7]);

/// The message files of the folder `assets/i18n/$tag`.
macro_rules! language {
    ($tag:literal) => {
        (
            $tag,
            [
                include_str!(concat!("../../assets/i18n/", $tag, "/frame.ftl")),
                include_str!(concat!("../../assets/i18n/", $tag, "/mask.ftl")),
                include_str!(concat!("../../assets/i18n/", $tag, "/attention.ftl")),
                include_str!(concat!("../../assets/i18n/", $tag, "/generate.ftl")),
                include_str!(concat!("../../assets/i18n/", $tag, "/embed.ftl")),
                include_str!(concat!("../../assets/i18n/", $tag, "/models.ftl")),
                include_str!(concat!("../../assets/i18n/", $tag, "/problems.ftl")),
            ],
        )
    };
}

/// The languages there are: a folder and a line each. The first has every message and stands in where another has
/// none.
const LANGUAGES: [Language; 1] = [language!("en")];

type Bundle = FluentBundle<FluentResource>;

thread_local! {
    static BUNDLE: OnceCell<Bundle> = const { OnceCell::new() };
}

/// Chooses the language for as long as the page lives, the first of `wanted` (BCP 47) that there is; gives its tag and
/// whether it is written from right to left.
pub(super) fn choose(wanted: &[String]) -> (String, bool) {
    let tags: Vec<LanguageIdentifier> = LANGUAGES.iter().filter_map(|(tag, _)| tag.parse().ok()).collect();
    let wanted: Vec<LanguageIdentifier> = wanted.iter().filter_map(|tag| tag.parse().ok()).collect();
    let chosen = negotiate_languages(&wanted, &tags, tags.first(), NegotiationStrategy::Lookup);
    let chosen = chosen.first().map(|tag| (*tag).clone()).unwrap_or_default();
    let rtl = chosen.character_direction() == CharacterDirection::RTL;
    let tag = chosen.to_string();
    BUNDLE.with(|cell| {
        // It can only be full already if something was said before, and nothing is.
        let _ = cell.set(bundle(chosen));
    });
    (tag, rtl)
}

fn bundle(language: LanguageIdentifier) -> Bundle {
    let tag = language.to_string();
    let mut bundle = FluentBundle::new(vec![language]);
    // The marks that keep directions apart would land in copied text and in attributes.
    bundle.set_use_isolating(false);
    // A name that is taken would be refused; this is the only one.
    let _ = bundle.add_function("MB", |values, _| megabytes(values));
    let files = |(_, files): &Language| *files;
    let fallback = LANGUAGES.first().map(files);
    let own = LANGUAGES.iter().skip(1).find(|(known, _)| *known == tag).map(files);
    for file in fallback.into_iter().chain(own).flatten() {
        let resource = FluentResource::try_new(file.to_owned()).unwrap_or_else(|(resource, _)| resource);
        bundle.add_resource_overriding(resource);
    }
    bundle
}

/// `MB($bytes)`: a number of bytes in megabytes, with a decimal below ten.
fn megabytes(values: &[FluentValue<'_>]) -> FluentValue<'static> {
    let Some(FluentValue::Number(bytes)) = values.first() else { return FluentValue::Error };
    let megabytes = bytes.value / 1e6;
    let decimals = usize::from(megabytes < 10.0);
    format!("{megabytes:.decimals$}").into()
}

fn with_bundle<T>(read: impl FnOnce(&Bundle) -> T) -> T {
    BUNDLE.with(|cell| read(cell.get_or_init(|| bundle(LanguageIdentifier::default()))))
}

/// The message `key`. A key that does not exist shows itself; a test keeps that from happening.
pub(super) fn t(key: &str) -> String {
    tr(key, &[])
}

/// The message `key` with its variables filled in.
pub(super) fn tr(key: &str, values: &[(&str, Value<'_>)]) -> String {
    let mut args = FluentArgs::with_capacity(values.len());
    for (name, value) in values {
        args.set(Cow::Borrowed(*name), value.clone());
    }
    let words = with_bundle(|bundle| {
        let pattern = bundle.get_message(key)?.value()?;
        Some(bundle.format_pattern(pattern, Some(&args), &mut Vec::new()).into_owned())
    });
    words.unwrap_or_else(|| key.to_owned())
}

/// What went wrong, as a sentence, and a line that says what to do where there is more to say.
pub(super) fn problem(problem: &Problem) -> (String, Option<String>) {
    let mut args = FluentArgs::with_capacity(problem.args.len() + 1);
    for (name, value) in &problem.args {
        args.set(name.as_str(), FluentValue::try_number(value));
    }
    args.set("detail", problem.detail.as_str());
    with_bundle(|bundle| {
        let format = |pattern| bundle.format_pattern(pattern, Some(&args), &mut Vec::new()).into_owned();
        let message = bundle
            .get_message(&format!("problem-{}", problem.code))
            .or_else(|| bundle.get_message("problem-internal"));
        let sentence = message.as_ref().and_then(|message| message.value()).map(format);
        let line = message.and_then(|message| message.get_attribute("line")).map(|line| format(line.value()));
        (sentence.unwrap_or_else(|| problem.detail.clone()), line)
    })
}

/// A number or a text to fill in.
pub(super) type Value<'a> = FluentValue<'a>;
