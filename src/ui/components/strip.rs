//! Tokens as chips: special tokens, masks, and the pieces of one word joined.

use leptos::prelude::*;

use crate::trace::Token;
use crate::ui::figure::Word;
use crate::ui::state::is_mask;

/// A piece as it is printed: the `##` of a continuation and the leading space of a GPT piece in grey.
pub(in crate::ui) fn piece(text: &str) -> impl IntoView + use<> {
    let (mark, rest) = match (text.strip_prefix("##"), text.strip_prefix(' ')) {
        (Some(rest), _) if !rest.is_empty() => (Some("##"), rest),
        (_, Some(rest)) => (Some("·"), rest),
        _ => (None, text),
    };
    let rest = rest.to_owned();
    view! { {mark.map(|mark| view! { <span class="pp">{mark}</span> })} {rest} }
}

/// The classes of a token's chip: `sp` special, `mk` mask, `w0`, `wm` and `w1` the first, a middle and the last piece
/// of a word of several.
pub(in crate::ui) fn chip_class(token: &Token, index: usize, word: Option<&Word>) -> &'static str {
    if token.special {
        return if is_mask(token) { "chip mk" } else { "chip sp" };
    }
    match word.map(|word| &word.tokens) {
        Some(tokens) if tokens.len() > 1 && index == tokens.start => "chip w0",
        Some(tokens) if tokens.len() > 1 && index + 1 == tokens.end => "chip w1",
        Some(tokens) if tokens.len() > 1 => "chip wm",
        _ => "chip",
    }
}

/// The tokens of an input in one row that wraps.
#[component]
pub(in crate::ui) fn Chips(
    /// The tokens.
    #[prop(into)]
    tokens: Signal<Vec<Token>>,
    /// Their words.
    #[prop(into)]
    words: Signal<Vec<Word>>,
    /// What the list is called.
    #[prop(into)]
    label: Signal<String>,
) -> impl IntoView {
    let chips = move |word: &Word| {
        let chip = |index: usize, token: &Token| {
            let class = chip_class(token, index, Some(word));
            view! { <span role="listitem" class=class data-token=index>{piece(&token.piece)}</span> }
        };
        let pieces = tokens.with(|tokens| {
            let pieces = tokens.iter().enumerate().skip(word.tokens.start).take(word.tokens.len());
            pieces.map(|(index, token)| chip(index, token)).collect_view()
        });
        view! { <span class="pair" role="presentation">{pieces}</span> }
    };
    view! {
        <div class="toks" role="list" aria-label=move || label.get()>
            {move || words.with(|words| words.iter().map(chips).collect_view())}
        </div>
    }
}
