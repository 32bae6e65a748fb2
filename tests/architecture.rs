//! The invariants of `src/lib.rs`, read off the sources: which module names which crate and which other module.

#![allow(clippy::expect_used, reason = "a test stops where something is amiss")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A source file without its comments and without its tests.
struct Source {
    /// Its path below `src`.
    path: String,
    /// The module of `src/lib.rs` that it belongs to; `bin` for the programs.
    module: String,
    code: String,
}

impl Source {
    /// Whether it names a path that begins with `name`.
    fn names(&self, name: &str) -> bool {
        let whole = |at: usize| {
            let before = self.code[..at].chars().next_back();
            let after = self.code[at + name.len()..].trim_start();
            let part = |c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '-';
            !before.is_some_and(part) && (after.starts_with("::") || after.starts_with(';'))
        };
        self.code.match_indices(name).any(|(at, _)| whole(at))
    }

    /// The modules of this crate that it names by `crate::…`.
    fn modules(&self) -> BTreeSet<&str> {
        let ident =
            |text: &'_ str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        let after_crate =
            self.code.match_indices("crate::").map(|(at, found)| &self.code[at + found.len()..]);
        let mut modules = BTreeSet::new();
        for path in after_crate {
            let Some(list) = path.strip_prefix('{') else {
                modules.insert(&path[..ident(path)]);
                continue;
            };
            let mut depth = 0;
            let mut begins = true;
            for (at, c) in list.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => begins = true,
                    c if begins && c.is_alphabetic() => {
                        modules.insert(&list[at..at + ident(&list[at..])]);
                        begins = false;
                    }
                    _ => {}
                }
            }
        }
        modules
    }
}

fn sources() -> Vec<Source> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&folder, &mut paths);
    paths.sort();
    let in_tests = |path: &Path| path.parent().is_some_and(|folder| folder.ends_with("tests"));
    paths.retain(|path| !path.ends_with("tests.rs") && !in_tests(path));
    let sources = paths.into_iter().map(|file| {
        let path =
            file.strip_prefix(&folder).expect("it lies below src").to_string_lossy().replace('\\', "/");
        let first = path.split('/').next().unwrap_or_default();
        let module = if first == "main.rs" { "bin" } else { first.trim_end_matches(".rs") };
        let text = fs::read_to_string(&file).expect("a source is readable");
        let text = text.split("mod tests {").next().unwrap_or_default();
        let code = text
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n");
        Source { module: module.to_owned(), path, code }
    });
    sources.collect()
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder is readable") {
        let path = entry.expect("an entry is readable").path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The sources that name one of `crates`, by path; none of them may lie outside of `allowed`.
fn only(allowed: &[&str], crates: &[&str]) {
    for source in sources().iter().filter(|source| !allowed.contains(&source.module.as_str())) {
        for name in crates {
            assert!(!source.names(name), "src/{} names {name}; only {allowed:?} may", source.path);
        }
    }
}

#[test]
fn the_sources_are_found() {
    let modules: BTreeSet<String> = sources().into_iter().map(|source| source.module).collect();
    for module in
        ["bin", "checkpoint", "engine", "gpu", "hub", "lesson", "models", "tokenization", "trace", "ui"]
    {
        assert!(modules.contains(module), "src/{module} is missing: update this test with the code map");
    }
    let sources = sources();
    let source = |path: &str| sources.iter().find(|source| source.path == path).expect("it is there");
    assert!(
        source("ui/app.rs").names("leptos") && source("models/bert.rs").names("burn"),
        "names are not found"
    );
    assert!(source("engine/cpu.rs").modules().contains("models"), "modules are not found");
}

/// Invariant 1.
#[test]
fn leptos_stays_in_the_page_and_the_browser_at_the_edges() {
    only(&["ui"], &["leptos"]);
    only(&["ui", "hub", "bin"], &["web_sys", "js_sys", "gloo", "wasm_bindgen", "wasm_bindgen_futures"]);
}

/// Invariant 2, and its like for the other crates: each is named where its subject is.
#[test]
fn each_crate_is_named_where_its_subject_is() {
    only(&["models", "engine"], &["burn"]);
    only(&["gpu"], &["wgpu"]);
    only(&["tokenization"], &["tokenizers"]);
    only(&["checkpoint"], &["safetensors"]);
    only(&["ui"], &["fluent_bundle", "unic_langid"]);
}

/// Arrows point down only; the messages in `engine::protocol` are plain data that all but `trace` may name.
#[test]
fn arrows_point_down() {
    for (module, below) in [
        ("trace", &[][..]),
        ("lesson", &["trace"]),
        ("tokenization", &["trace"]),
        ("hub", &["checkpoint"]),
        ("checkpoint", &["trace"]),
        ("models", &["checkpoint", "trace"]),
        ("gpu", &["checkpoint", "trace"]),
        ("engine", &["checkpoint", "gpu", "hub", "lesson", "models", "tokenization", "trace"]),
        ("ui", &["lesson", "trace"]),
    ] {
        for source in sources().iter_mut().filter(|source| source.module == module) {
            if module != "trace" {
                source.code = source.code.replace("crate::engine::protocol", "");
            }
            for other in source.modules().into_iter().filter(|other| *other != module) {
                assert!(
                    below.contains(&other),
                    "src/{} names {other}, which is not below {module}",
                    source.path
                );
            }
        }
    }
}

/// Invariant 4: `models` does no I/O, and neither does anything else outside of `hub` and the programs; `hub`
/// knows the names of a checkpoint's files, but no tensors.
#[test]
fn only_the_hub_fetches() {
    only(&["hub", "bin"], &["std::fs", "std::net", "std::io", "std::process"]);
    for source in sources().iter().filter(|source| source.module == "hub") {
        for name in ["burn", "half", "safetensors"] {
            assert!(!source.names(name), "src/{} names {name}", source.path);
        }
        for name in ["checkpoint::load", "checkpoint::Checkpoint", "Tensor"] {
            assert!(!source.code.contains(name), "src/{} names {name}", source.path);
        }
    }
}

/// Invariant 5: each engine reads tensors back in one place, which reads what was asked for. The CPU's linear maps take their
/// input out of its tensor, too: it lies in the same memory.
#[test]
fn tensors_are_read_back_in_one_place() {
    let readers = ["models/recorder.rs", "models/dense.rs", "gpu/device.rs"];
    for source in sources().iter().filter(|source| !readers.contains(&source.path.as_str())) {
        for call in ["into_data", "to_data", "into_scalar", "Transaction", "map_async"] {
            assert!(!source.code.contains(call), "src/{} reads a tensor back by {call}", source.path);
        }
    }
}

/// Invariant 6, beside the lints of `Cargo.toml`: nothing outside of the tests is written to panic.
#[test]
fn nothing_is_written_to_panic() {
    for source in sources() {
        for call in ["panic!(", "unreachable!(", "unimplemented!(", "todo!(", ".unwrap()", ".expect("] {
            assert!(!source.code.contains(call), "src/{} may panic by {call}", source.path);
        }
    }
}
