//! Running other programs: announced, timed, and stopped at the first that fails.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// Where tools are installed that are of no use outside of this repository.
pub(crate) fn tools_folder() -> PathBuf {
    root().join("target").join("tools")
}

/// A command in the repository's root that finds our tools first, then cargo's, then the machine's.
pub(crate) fn command(program: &str) -> Command {
    // Windows finds `npm` only under its full name.
    let program = if cfg!(windows) && program == "npm" { "npm.cmd" } else { program };
    let mut command = Command::new(program);
    command.current_dir(root()).env("PATH", path());
    command
}

/// `PATH`, with the folders in front into which `cargo install` puts programs.
pub(crate) fn path() -> OsString {
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    let ours = [Some(tools_folder()), cargo_home].into_iter().flatten().map(|folder| folder.join("bin"));
    let theirs = env::var_os("PATH").unwrap_or_default();
    env::join_paths(ours.chain(env::split_paths(&theirs))).unwrap_or(theirs)
}

/// The file of the first of `programs` that is on [`path`].
pub(crate) fn find(programs: &[&str]) -> Option<PathBuf> {
    let path = path();
    let candidates = env::split_paths(&path).flat_map(|folder| {
        programs.iter().map(move |program| folder.join(program).with_extension(env::consts::EXE_EXTENSION))
    });
    candidates.into_iter().find(|file| file.is_file())
}

/// Says what begins and how long it usually takes.
pub(crate) fn announce(what: &str, usually: &str) {
    println!("\n── {what} (usually {usually})");
}

/// Runs `work` and says how long it took.
///
/// # Errors
/// Those of `work`, with `what` in front.
pub(crate) fn timed(what: &str, usually: &str, work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    announce(what, usually);
    let start = Instant::now();
    work().with_context(|| format!("{what}: failed"))?;
    let took = start.elapsed();
    println!("── {what}: done in {}", seconds(took));
    Ok(took)
}

/// A duration as a person reads it.
pub(crate) fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        whole => format!("{} min {:02} s", whole / 60, whole % 60),
    }
}

/// Runs a command whose output the person sees.
///
/// # Errors
/// If it cannot be started or ends with anything but success.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    println!("$ {line}");
    let status = command.status().with_context(|| format!("`{line}` could not be started"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// What a command prints, trimmed; none if it cannot be started or fails.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
