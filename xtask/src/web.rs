//! The page in `dist/`: built by Trunk, and for publishing made smaller by `wasm-opt`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use walkdir::WalkDir;

use crate::shell::{self, command, root, run};
use crate::tools;

/// What the page is made of.
const INPUTS: [&str; 7] = ["src", "assets", "www", "Cargo.toml", "Cargo.lock", "Trunk.toml", ".cargo"];

/// The features of wasm that rustc emits. Naming more makes `wasm-opt` write what browsers refuse.
const FEATURES: [&str; 7] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
    "--enable-simd",
];

/// Where the built page lies.
pub(crate) fn folder() -> PathBuf {
    root().join("dist")
}

/// Builds the page into `dist/`.
///
/// # Errors
/// If a tool is missing and cannot be installed, or the build fails.
pub(crate) fn build() -> Result<()> {
    tools::for_web()?;
    shell::timed("Building the page", "10 minutes the first time, then as long as what changed", || {
        run(command("trunk")
            .args(["build", "--release", "--log", "warn"])
            .env("TRUNK_SKIP_VERSION_CHECK", "true")
            // Trunk 0.21 takes the usual NO_COLOR=1 for a malformed option.
            .env_remove("NO_COLOR"))
    })?;
    Ok(())
}

/// Builds the page unless `dist/` is newer than everything it is made of.
///
/// # Errors
/// As [`build`].
pub(crate) fn build_if_stale() -> Result<()> {
    let built = modified(&folder().join("index.html"));
    if built.is_some() && built > newest_input() {
        println!("The page in dist/ is up to date.");
        return Ok(());
    }
    build()
}

/// Builds the page and makes its programs smaller.
///
/// # Errors
/// As [`build`]. That `wasm-opt` is missing or fails is said, and is no error: the page is then larger.
pub(crate) fn dist() -> Result<()> {
    // Trunk writes index.html anew at each build, so a mark that is newer belongs to what lies there now.
    let mark = root().join("target").join("dist-is-optimised");
    let page = modified(&folder().join("index.html"));
    if page.is_some() && page > newest_input() && modified(&mark) > page {
        println!("The optimised page in dist/ is up to date.");
        return Ok(());
    }
    build()?;
    shell::timed("Making the programs smaller with wasm-opt", "1 minute", || {
        match tools::wasm_opt().and_then(|wasm_opt| optimise(&wasm_opt)) {
            Ok(()) => fs::write(&mark, "").context("the mark of an optimised page could not be written"),
            Err(error) => {
                println!("wasm-opt was not used, so the programs stay larger than need be: {error:#}");
                Ok(())
            }
        }
    })?;
    println!(
        "\nThe page is in dist/. Any file server can serve it, from any path; WebGPU needs https or localhost."
    );
    Ok(())
}

fn optimise(wasm_opt: &Path) -> Result<()> {
    for program in programs()? {
        let smaller = root().join("target").join("optimised.wasm");
        // The page was compiled for size already: -Oz would make it smaller, but larger once compressed.
        let page = program.file_name().is_some_and(|name| name.to_string_lossy().starts_with("page"));
        // What the compiler kept apart stays so: `block` in src/models/arithmetic/panels.rs takes twice as long within its
        // caller.
        let flags: &[&str] =
            if page { &["-O1"] } else { &["-O2", "--one-caller-inline-max-function-size", "64"] };
        run(command("node").arg(wasm_opt).args(flags).args(FEATURES).arg(&program).arg("-o").arg(&smaller))?;
        let (before, after) = (fs::metadata(&program)?.len(), fs::metadata(&smaller)?.len());
        println!("{}: {before} bytes, now {after}", program.display());
        fs::rename(&smaller, &program)?;
    }
    Ok(())
}

/// The wasm files in `dist/`.
fn programs() -> Result<Vec<PathBuf>> {
    let files = fs::read_dir(folder())?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    Ok(files
        .into_iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "wasm"))
        .collect())
}

/// When the last of the inputs was changed. Folders count, since removing a file changes only its folder.
pub(crate) fn newest_input() -> Option<SystemTime> {
    let entries = INPUTS.iter().flat_map(|input| WalkDir::new(root().join(input)));
    entries.filter_map(|entry| modified(entry.ok()?.path())).max()
}

pub(crate) fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|meta| meta.modified()).ok()
}
