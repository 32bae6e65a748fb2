//! Everything that is tested, in the order in which mistakes are cheapest to find.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::shell::{command, root, run, seconds, timed};
use crate::{tools, web};

/// Tells that all cases of the kernels' tests and all references with rounded weights were recorded, and when.
const RECORDED: &str = "recorded";

/// The longest that a file of browser tests may take: four times the slowest one here.
const LONGEST_FILE: Duration = Duration::from_secs(15 * 60);

/// A part of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Format,
    Lint,
    Native,
    Web,
    Browser,
}

impl Step {
    const ALL: [Step; 5] = [Step::Format, Step::Lint, Step::Native, Step::Web, Step::Browser];

    fn name(self) -> &'static str {
        match self {
            Step::Format => "format",
            Step::Lint => "lint",
            Step::Native => "native",
            Step::Web => "web",
            Step::Browser => "browser",
        }
    }

    /// What it does, and how long that usually takes.
    fn describe(self) -> (&'static str, &'static str) {
        match self {
            Step::Format => ("Checking the sources' format", "a second"),
            Step::Lint => {
                ("Looking for lints, natively and in the wasm programs", "7 minutes the first time")
            }
            Step::Native => ("Native tests", "8 minutes the first time, then 1 minute"),
            Step::Web => ("The page as `cargo xtask serve` serves it", "10 minutes the first time"),
            Step::Browser => ("Tests in headless Chromium", "9 minutes"),
        }
    }

    fn run(self) -> Result<()> {
        match self {
            Step::Format => {
                tools::for_lints()?;
                run(command("cargo").args(["fmt", "--all", "--check"]))
                    .context("the sources are not formatted; `cargo fmt --all` does it")
            }
            Step::Lint => {
                tools::for_lints()?;
                let page = vec!["--features", "page", "--bin", "page"];
                let workers = vec!["--features", "engine", "--bin", "engine", "--bin", "cpu"];
                lint(&["--workspace", "--all-targets"])?;
                for program in [page, workers] {
                    let wasm = ["--target", "wasm32-unknown-unknown", "--lib", "--no-default-features"];
                    lint(&[&wasm[..], &program[..]].concat())?;
                }
                Ok(())
            }
            Step::Native => {
                tools::for_native()?;
                recording(&["--workspace"])
            }
            Step::Web => web::build_if_stale(),
            Step::Browser => browser(),
        }
    }
}

impl FromStr for Step {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Step> {
        let Some(step) = Step::ALL.into_iter().find(|step| step.name() == name) else {
            let names = Step::ALL.map(Step::name).join(", ");
            bail!("there is no test step \"{name}\"; the steps are {names}");
        };
        Ok(step)
    }
}

/// Runs the named steps, or all of them if none is named, and stops at the first that fails.
///
/// # Errors
/// What the step that failed says.
pub(crate) fn run_all(steps: &[Step]) -> Result<()> {
    let mut times = Vec::new();
    for step in Step::ALL.into_iter().filter(|step| steps.is_empty() || steps.contains(step)) {
        let (what, usually) = step.describe();
        times.push((step, timed(what, usually, || step.run())?));
    }
    println!();
    for (step, time) in times {
        println!("{:>8}  passed in {}", step.name(), seconds(time));
    }
    Ok(())
}

fn lint(selection: &[&str]) -> Result<()> {
    run(command("cargo").arg("clippy").args(selection).args(["--", "-D", "warnings"]))
}

/// Runs native tests; those of the kernels leave their cases for a browser, and that of rounded weights its references.
fn recording(selection: &[&str]) -> Result<()> {
    let folder = kernel_cases();
    let described = || format!("{} could not be made anew", folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(described)?;
    }
    fs::create_dir_all(&folder).with_context(described)?;
    let mut tests = command("cargo");
    tests.arg("test").args(selection).env("CLOZE_KERNELS", &folder);
    if env::var_os("XDG_RUNTIME_DIR").is_none() {
        // Without it Mesa warns on every device that it could not draw on a screen.
        tests.env("XDG_RUNTIME_DIR", env::temp_dir());
    }
    run(&mut tests)?;
    fs::write(folder.join(RECORDED), "").context("the mark of what was recorded could not be written")
}

/// Where the cases of the kernels' tests are kept, and in a folder of its own there what rounded weights compute.
fn kernel_cases() -> PathBuf {
    root().join("target").join("kernels")
}

fn browser() -> Result<()> {
    let newest = web::newest_input().max(web::modified(&root().join("tests/goldens.rs")));
    if web::modified(&kernel_cases().join(RECORDED)) < newest {
        tools::for_native()?;
        let those = ["--lib", "--test", "goldens", "--", "gpu::kernels", "rounded_weights_compute"];
        timed("Recording what Chromium is compared with", "2 minutes", || recording(&those))?;
    }
    let chromium = tools::for_browser()?;
    // One after the other: they share two cores with a GPU made of software. A file that never ends, or leaves something open,
    // fails with its name, and the others have their turn.
    let runner = ["--test", "--test-concurrency=1", "--test-reporter=spec", "--test-force-exit"];
    let limit = format!("--test-timeout={}", LONGEST_FILE.as_millis());
    run(command("node").args(runner).arg(limit).args(browser_tests()?).env("CHROMIUM", chromium))
}

fn browser_tests() -> Result<Vec<PathBuf>> {
    let folder = root().join("tests/browser");
    let files = fs::read_dir(&folder).with_context(|| format!("{} could not be read", folder.display()))?;
    let mut files = files.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.to_string_lossy().ends_with(".test.mjs"));
    files.sort();
    Ok(files)
}
