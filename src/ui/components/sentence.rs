//! The sentence that a model reads: large, and edited in place.
//!
//! The field is a plain textarea, so that input methods, pasting, undoing and screen readers work as everywhere. What
//! is seen is its text drawn again in the same place, line for line, with blanks and other marks; the field's own
//! letters are transparent.

use std::ops::Range;

use leptos::{ev, html, prelude::*};

/// A part of a sentence that looks different.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::ui) struct Mark {
    /// Which part, in bytes. Marks are in order and do not overlap.
    pub span: Range<usize>,
    /// How it looks: a class of the style sheets. It must not change the width of the letters.
    pub class: &'static str,
    /// What is written over it instead of its letters; they show themselves if this is empty.
    pub label: String,
}

/// A sentence that can be edited.
#[component]
pub(in crate::ui) fn Sentence(
    /// The sentence.
    #[prop(into)]
    text: Signal<String>,
    /// Takes what was typed.
    on_change: Callback<String>,
    /// What the field is called.
    #[prop(into)]
    label: Signal<String>,
    /// The parts that look different.
    #[prop(optional, into)]
    marks: Signal<Vec<Mark>>,
    /// Takes the place of the caret, in bytes, when the reader moves it.
    #[prop(optional, into)]
    on_caret: Option<Callback<usize>>,
    /// Another class beside `sentence`.
    #[prop(optional)]
    class: &'static str,
    /// What follows the sentence in the same line, for the eye alone.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let field = NodeRef::<html::Textarea>::new();
    let report_caret = move || {
        let caret = field.get_untracked().and_then(|field| field.selection_start().ok().flatten());
        if let (Some(on_caret), Some(caret)) = (on_caret, caret) {
            on_caret.run(text.with_untracked(|text| byte_of_utf16(text, caret as usize)));
        }
    };
    let on_keydown = move |event: ev::KeyboardEvent| match event.key().as_str() {
        // A line break would end nothing here; one that is pasted stays.
        "Enter" if !event.is_composing() => event.prevent_default(),
        "Escape" => {
            if let Some(field) = field.get_untracked() {
                // Nothing is lost where a browser cannot take the focus away.
                let _ = field.blur();
            }
        }
        _ => {}
    };
    view! {
        <div class=format!("sentence {class}")>
            <div class="sentence-text" aria-hidden="true"><SentenceText text marks/>{children.map(|children| children())}"\u{200b}"</div>
            <textarea
                node_ref=field
                data-sentence=""
                rows="1"
                spellcheck="false"
                autocomplete="off"
                autocapitalize="off"
                aria-label=move || label.get()
                prop:value=move || text.get()
                on:input=move |event| on_change.run(event_target_value(&event))
                on:keydown=on_keydown
                on:keyup=move |_| report_caret()
                on:click=move |_| report_caret()
            ></textarea>
        </div>
    }
}

/// A sentence with its marks, not editable.
#[component]
pub(in crate::ui) fn SentenceText(
    /// The sentence.
    #[prop(into)]
    text: Signal<String>,
    /// The parts that look different.
    #[prop(into)]
    marks: Signal<Vec<Mark>>,
) -> impl IntoView {
    let parts = Memo::new(move |_| text.with(|text| marks.with(|marks| parts(text, marks))));
    move || {
        let part = |(words, mark): (String, Option<Mark>)| match mark {
            None => words.into_any(),
            Some(Mark { class, label, .. }) => {
                let label = (!label.is_empty()).then_some(label);
                view! { <span class=class data-label=label>{words}</span> }.into_any()
            }
        };
        parts.get().into_iter().map(part).collect_view()
    }
}

/// The text cut at its marks; marks that lie outside it are left out.
fn parts(text: &str, marks: &[Mark]) -> Vec<(String, Option<Mark>)> {
    let mut parts = Vec::new();
    let mut from = 0;
    for mark in marks {
        let (Some(before), Some(within)) = (text.get(from..mark.span.start), text.get(mark.span.clone()))
        else {
            continue;
        };
        parts.push((before.to_owned(), None));
        parts.push((within.to_owned(), Some(mark.clone())));
        from = mark.span.end;
    }
    parts.push((text.get(from..).unwrap_or_default().to_owned(), None));
    parts
}

/// A place that the browser counts in UTF-16 units, in bytes.
fn byte_of_utf16(text: &str, units: usize) -> usize {
    let mut seen = 0;
    for (at, character) in text.char_indices() {
        if seen >= units {
            return at;
        }
        seen += character.len_utf16();
    }
    text.len()
}
