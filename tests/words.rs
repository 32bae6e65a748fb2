//! The words of the page: every message file is right, every message that is asked for exists, none is there in vain,
//! and no English stands in the code that draws the page.
//!
//! The files are read as text: the page itself exists in the browser only.

#![allow(clippy::unwrap_used, reason = "a test stops where something is amiss")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};
use fluent_syntax::parser;

/// The language that has every message.
const ENGLISH: &str = "en";

/// What may stand in a view as it is: the name of the page, cut around its blank.
const NO_WORDS: [&str; 2] = ["Cl", "ze"];

/// Attributes that a person reads or hears.
const READ_ALOUD: [&str; 6] = ["alt", "aria-label", "aria-roledescription", "label", "placeholder", "title"];

/// A message's variables, those of its attributes included.
type Messages = BTreeMap<String, BTreeSet<String>>;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_under(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_under(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The messages of one language; fails where a file is wrong or a key stands twice.
fn messages(language: &str) -> Messages {
    let mut messages = Messages::new();
    for file in files_under(&root().join("assets/i18n").join(language), "ftl") {
        let text = fs::read_to_string(&file).unwrap();
        let resource =
            parser::parse(text).unwrap_or_else(|(_, errors)| panic!("{}: {errors:?}", file.display()));
        for entry in resource.body {
            let Entry::Message(message) = entry else { continue };
            let mut variables = BTreeSet::new();
            message.value.iter().for_each(|pattern| variables_of(pattern, &mut variables));
            message.attributes.iter().for_each(|attribute| variables_of(&attribute.value, &mut variables));
            let before = messages.insert(message.id.name.clone(), variables);
            assert!(before.is_none(), "{}: {} stands twice", file.display(), message.id.name);
        }
    }
    messages
}

fn variables_of(pattern: &Pattern<String>, variables: &mut BTreeSet<String>) {
    for element in &pattern.elements {
        if let PatternElement::Placeable { expression } = element {
            variables_of_expression(expression, variables);
        }
    }
}

fn variables_of_expression(expression: &Expression<String>, variables: &mut BTreeSet<String>) {
    match expression {
        Expression::Inline(inline) => variables_of_inline(inline, variables),
        Expression::Select { selector, variants } => {
            variables_of_inline(selector, variables);
            variants.iter().for_each(|variant| variables_of(&variant.value, variables));
        }
    }
}

fn variables_of_inline(inline: &InlineExpression<String>, variables: &mut BTreeSet<String>) {
    match inline {
        InlineExpression::VariableReference { id } => {
            variables.insert(id.name.clone());
        }
        InlineExpression::FunctionReference { arguments, .. } => {
            arguments.positional.iter().for_each(|argument| variables_of_inline(argument, variables));
        }
        InlineExpression::Placeable { expression } => variables_of_expression(expression, variables),
        _ => {}
    }
}

/// A piece of Rust source, as far as these tests look at it.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Word(String),
    Sign(char),
}

use Piece::{Sign, Text, Word};

/// Cuts Rust source into pieces; comments and spaces are left out.
fn pieces(source: &str) -> Vec<Piece> {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut pieces = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let start = i;
        match at(i) {
            '/' if at(i + 1) == '/' => {
                while i < chars.len() && at(i) != '\n' {
                    i += 1;
                }
            }
            '"' => {
                i += 1;
                while i < chars.len() && at(i) != '"' {
                    i += if at(i) == '\\' { 2 } else { 1 };
                }
                pieces.push(Text(chars[start + 1..i.min(chars.len())].iter().collect()));
                i += 1;
            }
            '\'' if at(i + 1) == '\\' || at(i + 2) == '\'' => {
                i += if at(i + 1) == '\\' { 3 } else { 2 };
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
            }
            c if c.is_alphanumeric() || c == '_' => {
                // In a view, names of attributes hold hyphens; elsewhere a minus sign has spaces around it.
                while at(i).is_alphanumeric() || at(i) == '_' || (at(i) == '-' && at(i + 1).is_alphanumeric())
                {
                    i += 1;
                }
                pieces.push(Word(chars[start..i].iter().collect()));
            }
            c => {
                if !c.is_whitespace() {
                    pieces.push(Sign(c));
                }
                i += 1;
            }
        }
    }
    pieces
}

/// Every source file of the page, in pieces.
fn page() -> Vec<(PathBuf, Vec<Piece>)> {
    sources("src/ui")
}

fn sources(folder: &str) -> Vec<(PathBuf, Vec<Piece>)> {
    let files = files_under(&root().join(folder), "rs");
    files.into_iter().map(|file| (file.clone(), pieces(&fs::read_to_string(&file).unwrap()))).collect()
}

/// The calls of `function` whose first argument is a text: that text, and the pieces up to the call's end.
fn calls<'a>(pieces: &'a [Piece], functions: &[&str]) -> Vec<(&'a str, &'a [Piece])> {
    let mut calls = Vec::new();
    for (i, window) in pieces.windows(3).enumerate() {
        let [Word(name), Sign('('), Text(first)] = window else { continue };
        if functions.contains(&name.as_str()) {
            let rest = &pieces[i + 3..];
            let mut depth = 1;
            let end = rest.iter().position(|piece| {
                depth += match piece {
                    Sign('(') => 1,
                    Sign(')') => -1,
                    _ => 0,
                };
                depth == 0
            });
            calls.push((first.as_str(), &rest[..end.unwrap_or(rest.len())]));
        }
    }
    calls
}

/// The names in `, &[("name", value), …]`, the rest of a call; none where values are gathered elsewhere.
fn given(rest: &[Piece]) -> Option<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    if rest.is_empty() {
        return Some(names);
    }
    let [Sign(','), Sign('&'), Sign('['), list @ ..] = rest else { return None };
    let mut depth = 0;
    let mut begins = true;
    for (i, piece) in list.iter().enumerate() {
        if depth == 0 && begins && *piece != Sign(']') {
            let [Sign('('), Text(name), ..] = &list[i..] else { return None };
            names.insert(name.clone());
        }
        begins = depth == 0 && *piece == Sign(',');
        depth += match piece {
            Sign('(' | '[' | '{') => 1,
            Sign(')' | ']' | '}') => -1,
            _ => 0,
        };
    }
    Some(names)
}

#[test]
fn message_files_are_right_and_no_language_has_messages_of_its_own() {
    let english = messages(ENGLISH);
    assert!(english.len() > 100);
    for folder in fs::read_dir(root().join("assets/i18n")).unwrap() {
        let language = folder.unwrap().file_name().into_string().unwrap();
        for (key, variables) in messages(&language) {
            let known =
                english.get(&key).unwrap_or_else(|| panic!("{language}: {key} is no message of English"));
            assert!(
                variables.is_subset(known),
                "{language}: {key} asks for {variables:?}, given is {known:?}"
            );
        }
    }
}

#[test]
fn every_message_that_is_asked_for_exists_and_gets_its_variables() {
    let messages = messages(ENGLISH);
    for (file, pieces) in page() {
        let file = file.display();
        for (key, rest) in calls(&pieces, &["t", "tr"]) {
            let variables = messages.get(key).unwrap_or_else(|| panic!("{file}: there is no message {key}"));
            if let Some(given) = given(rest) {
                assert!(variables.is_subset(&given), "{file}: {key} needs {variables:?}, gets {given:?}");
            }
        }
        for window in pieces.windows(3) {
            if let [Word(name), Sign('='), Text(key)] = window
                && name == "key"
            {
                assert!(messages.contains_key(key), "{file}: there is no message {key}");
            }
        }
    }
}

#[test]
fn no_message_is_there_in_vain() {
    let mut texts = BTreeSet::new();
    for (_, pieces) in sources("src") {
        texts.extend(
            pieces.into_iter().filter_map(|piece| if let Text(text) = piece { Some(text) } else { None }),
        );
    }
    // Some keys are put together while the page runs: `problem-{code}`, where the code is a text too.
    let templates: Vec<(&str, &str)> = texts
        .iter()
        .filter_map(|text| {
            let ((before, rest), (_, after)) = (text.split_once('{')?, text.rsplit_once('}')?);
            (before.ends_with('-') && !rest.contains(['{', ' ']) && !after.contains(' '))
                .then_some((before, after))
        })
        .collect();
    let put_together = |key: &str| {
        let middle = |(before, after): &(&str, &str)| key.strip_prefix(before)?.strip_suffix(after);
        templates.iter().filter_map(middle).any(|middle| texts.contains(middle))
    };
    let unused: Vec<_> =
        messages(ENGLISH).into_keys().filter(|key| !texts.contains(key) && !put_together(key)).collect();
    assert!(unused.is_empty(), "nobody says {unused:?}");
}

#[test]
fn every_problem_has_its_sentence_and_every_sentence_its_problem() {
    let messages = messages(ENGLISH);
    let mut codes = BTreeSet::new();
    let mut values = BTreeSet::from(["detail".to_owned()]);
    for (file, pieces) in sources("src") {
        for (code, _) in calls(&pieces, &["new", "problem", "named", "of_file"]) {
            let is_code = code.contains('-') && code.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            let before = messages.contains_key(&format!("problem-{code}"));
            assert!(!is_code || before, "{}: there is no message problem-{code}", file.display());
            codes.insert(code.to_owned());
        }
        values.extend(calls(&pieces, &["with"]).into_iter().map(|(name, _)| name.to_owned()));
    }
    for (key, variables) in &messages {
        let Some(code) = key.strip_prefix("problem-") else { continue };
        assert!(codes.contains(code) || code == "internal", "nothing has the problem {code}");
        assert!(variables.is_subset(&values), "{key} asks for {variables:?}");
    }
}

#[test]
fn every_panel_of_an_embed_has_its_name() {
    let panels = cloze::ui::state::View::ALL.into_iter().flat_map(|(_, view)| view.panels());
    let asked: BTreeSet<String> = panels.map(|panel| format!("share-panel-{panel}")).collect();
    let named = messages(ENGLISH).into_keys().filter(|key| key.starts_with("share-panel-")).collect();
    assert_eq!(asked, named);
}

#[test]
fn no_words_stand_in_views() {
    let messages = messages(ENGLISH);
    for (file, pieces) in page() {
        for words in words_in_views(&pieces) {
            let known = messages.contains_key(&words) || NO_WORDS.contains(&words.as_str());
            assert!(known, "{}: \"{words}\" belongs into a message file", file.display());
        }
    }
}

/// The texts that a person would read or hear as they stand in a view: its text nodes, and attributes read aloud. A
/// view inside another's braces is a view of its own.
fn words_in_views(pieces: &[Piece]) -> Vec<String> {
    let mut found = Vec::new();
    for (start, window) in pieces.windows(3).enumerate() {
        let [Word(name), Sign('!'), Sign('{')] = window else { continue };
        if name != "view" {
            continue;
        }
        let mut depth = 1;
        for i in start + 3..pieces.len() {
            match &pieces[i] {
                Sign('{') => depth += 1,
                Sign('}') => depth -= 1,
                Text(text) if depth == 1 && has_word(text) => {
                    let after_arrow = pieces[i - 2] == Sign('=') && pieces[i - 1] == Sign('>');
                    let node = matches!(pieces[i - 1], Sign('{' | '}' | '>') | Text(_)) && !after_arrow;
                    let aloud = pieces[i - 1] == Sign('=')
                        && matches!(&pieces[i - 2], Word(name) if READ_ALOUD.contains(&name.as_str()));
                    if node || aloud {
                        found.push(text.clone());
                    }
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

/// Two letters in a row, escapes such as `\u{2002}` aside; one alone is a key or a sign.
fn has_word(text: &str) -> bool {
    let mut letters = 0;
    let mut escaped = false;
    for c in text.chars() {
        escaped = (c == '\\') || (escaped && c != '}');
        letters = if c.is_alphabetic() && !escaped { letters + 1 } else { 0 };
        if letters == 2 {
            return true;
        }
    }
    false
}

#[test]
fn the_scanner_finds_words_and_lets_signs_pass() {
    let found = words_in_views(&pieces(
        r#"view! {
            <p class="fine" title="Bad title">"Bad text"</p> // "comment"
            <p aria-label=move || tr("fine-key", &[("n", 1.into())])>{t("fine-key")}" bad "<kbd>"M"</kbd>"\u{2002}"</p>
            {move || { x.then(|| view! { <i>"nested"</i> }) }}
            <b class:on=move || a > b data-x="fine">{match c { 'x' => "fine", '"' => "fine" }}</b>
        }"#,
    ));
    assert_eq!(found, ["Bad title", "Bad text", " bad ", "nested"]);
}
