//! What the other commands need on this machine, installed where it is missing.
//!
//! Programs that are bound to one version (`wasm-bindgen`, `trunk`, `wasm-opt`) go to `target/tools` unless the
//! machine has that version already, so that nobody's own tools are replaced.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::{announce, command, find, output, root, run, tools_folder};

const WASM: &str = "wasm32-unknown-unknown";

/// Installs what building the page needs: the wasm32 target, `wasm-bindgen` and `trunk`.
///
/// # Errors
/// If something is missing and cannot be installed.
pub(crate) fn for_web() -> Result<()> {
    wasm_target()?;
    // Trunk downloads a wasm-bindgen of its own unless it finds the very version of Cargo.lock.
    cargo_program("wasm-bindgen", "wasm-bindgen-cli", &locked_version("wasm-bindgen")?, "3 minutes")?;
    cargo_program("trunk", "trunk", &tool_version("trunk")?, "5 minutes")
}

/// Installs what checking the sources needs: rustfmt, clippy and the wasm32 target.
///
/// # Errors
/// If something is missing and cannot be installed.
pub(crate) fn for_lints() -> Result<()> {
    wasm_target()?;
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if output(command("cargo").args([subcommand, "--version"])).is_none() {
            announce(&format!("Installing {component}"), "seconds");
            run(command("rustup").args(["component", "add", component]))
                .with_context(|| format!("{component} is missing, and rustup could not install it"))?;
        }
    }
    Ok(())
}

/// Installs what the native tests need: a Vulkan adapter. Where there is no graphics driver, Mesa's computes on the CPU.
///
/// # Errors
/// If there is none and none can be installed.
pub(crate) fn for_native() -> Result<()> {
    if !cfg!(target_os = "linux") || vulkan() {
        return Ok(());
    }
    let missing = "Vulkan is missing; install a graphics driver, or Mesa's for machines without one";
    distribution(
        "a Vulkan driver that computes on the CPU",
        &["mesa-vulkan-drivers", "libvulkan1"],
        missing,
    )?;
    if vulkan() { Ok(()) } else { bail!(missing) }
}

/// Whether Vulkan's loader and a driver for it are there.
fn vulkan() -> bool {
    let named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].iter().any(|name| env::var_os(name).is_some());
    let folders = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
    let driver =
        folders.iter().any(|folder| fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some()));
    let libraries = output(command("/sbin/ldconfig").arg("-p")).unwrap_or_default();
    (named || driver) && libraries.contains("libvulkan.so.1")
}

/// Installs what the tests in a browser need: Chromium and the packages of `tests/browser`. Gives Chromium's path.
///
/// # Errors
/// If something is missing and cannot be installed.
pub(crate) fn for_browser() -> Result<PathBuf> {
    node()?;
    npm_packages(&root().join("tests/browser"), "the packages of the browser tests")?;
    chromium()
}

/// Installs what comparing Cloze with its peer needs besides: onnxruntime-web, and a Python that exports models. Gives
/// the paths of Chromium and of that Python.
///
/// # Errors
/// If something is missing and cannot be installed.
pub(crate) fn for_peers() -> Result<(PathBuf, PathBuf)> {
    let chromium = for_browser()?;
    npm_packages(&root().join("benches/peers"), "onnxruntime-web")?;
    Ok((chromium, python()?))
}

/// Installs `wasm-opt` as npm has it. Distributions' versions are not used: Debian 12's writes modules that do not
/// load.
///
/// # Errors
/// If node is missing or npm cannot install it.
pub(crate) fn wasm_opt() -> Result<PathBuf> {
    node()?;
    let version = tool_version("binaryen")?;
    let package = tools_folder().join("node_modules/binaryen");
    let manifest = fs::read_to_string(package.join("package.json")).unwrap_or_default();
    if !manifest.contains(&format!("\"version\": \"{version}\"")) {
        announce(&format!("Installing wasm-opt {version}"), "10 seconds");
        fs::create_dir_all(tools_folder())?;
        let prefix = tools_folder();
        run(command("npm")
            .args(["install", "--no-save", "--no-audit", "--no-fund", "--prefix"])
            .arg(prefix)
            .arg(format!("binaryen@{version}")))?;
    }
    Ok(package.join("bin/wasm-opt"))
}

fn wasm_target() -> Result<()> {
    let libraries = output(command("rustc").args(["--print", "target-libdir", "--target", WASM]));
    if libraries.is_some_and(|folder| Path::new(&folder).is_dir()) {
        return Ok(());
    }
    announce(&format!("Installing Rust's target {WASM}"), "10 seconds");
    run(command("rustup").args(["target", "add", WASM]))
        .with_context(|| format!("Rust's target {WASM} is missing, and rustup could not install it"))
}

/// Installs `program` of crate `package` unless exactly `version` is there.
fn cargo_program(program: &str, package: &str, version: &str, usually: &str) -> Result<()> {
    let installed = output(command(program).arg("--version"));
    if installed.is_some_and(|line| line.split_whitespace().nth(1) == Some(version)) {
        return Ok(());
    }
    announce(&format!("Installing {program} {version}"), usually);
    let folder = tools_folder();
    let install = |locked: bool| {
        let mut install = command("cargo");
        install.args(["install", package, "--version", &format!("={version}"), "--force"]);
        if package == "trunk" {
            // Its default features are an update check and TLS, for downloads that we make needless.
            install.arg("--no-default-features");
        }
        if locked {
            install.arg("--locked");
        }
        install
            .arg("--root")
            .arg(&folder)
            .env("CARGO_TARGET_DIR", folder.join("build"))
            // They run for seconds and are compiled once: compile time counts more than speed.
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "2");
        run(&mut install)
    };
    if let Err(error) = install(true) {
        // A mirror can lag behind the versions that the crate locked.
        println!("{error:#}; once more, with the versions that this machine's registry has");
        install(false)?;
    }
    fs::remove_dir_all(folder.join("build")).context("the build folder of the tools could not be removed")
}

/// The version of crate `name` in `Cargo.lock`.
fn locked_version(name: &str) -> Result<String> {
    let lock = toml_file("Cargo.lock")?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let package = packages.into_iter().flatten().find(|package| text(package, "name") == Some(name));
    let version = package.and_then(|package| text(package, "version"));
    version.map(str::to_owned).with_context(|| format!("Cargo.lock has no {name}"))
}

/// The version of a tool in `[workspace.metadata.tools]` of `Cargo.toml`.
fn tool_version(name: &str) -> Result<String> {
    let manifest = toml_file("Cargo.toml")?;
    let tools = ["workspace", "metadata", "tools"].iter().try_fold(&manifest, |value, key| value.get(key));
    let version = tools.and_then(|tools| text(tools, name));
    version.map(str::to_owned).with_context(|| format!("Cargo.toml has no workspace.metadata.tools.{name}"))
}

fn toml_file(name: &str) -> Result<toml::Value> {
    let text = fs::read_to_string(root().join(name)).with_context(|| format!("{name} could not be read"))?;
    text.parse::<toml::Table>().map(toml::Value::Table).with_context(|| format!("{name} is not TOML"))
}

fn text<'a>(table: &'a toml::Value, key: &str) -> Option<&'a str> {
    table.get(key)?.as_str()
}

/// The oldest Node whose test runner ends although a test left something open.
const OLDEST_NODE: [u32; 2] = [20, 14];

/// Makes sure that node is there and new enough.
fn node() -> Result<()> {
    let version = output(command("node").arg("--version"));
    let [oldest, minor] = OLDEST_NODE;
    match version.as_deref().and_then(release) {
        Some(release) if release >= OLDEST_NODE => Ok(()),
        Some(_) => {
            bail!("Node {} is too old; install Node {oldest}.{minor} or newer", version.unwrap_or_default())
        }
        None => bail!("Node is missing; install Node {oldest}.{minor} or newer, with npm"),
    }
}

/// The first two numbers of a version such as `v20.14.0`.
fn release(version: &str) -> Option<[u32; 2]> {
    let mut numbers = version.trim_start_matches('v').split('.').map(str::parse);
    Some([numbers.next()?.ok()?, numbers.next()?.ok()?])
}

/// Installs the packages that the folder's `package-lock.json` names, unless they are newer than it.
fn npm_packages(folder: &Path, what: &str) -> Result<()> {
    let modified = |file: &str| fs::metadata(folder.join(file)).and_then(|meta| meta.modified()).ok();
    if modified("node_modules/.package-lock.json") >= modified("package-lock.json") {
        return Ok(());
    }
    announce(&format!("Installing {what}"), "5 seconds");
    run(command("npm").arg("ci").current_dir(folder))
}

/// A Python with the packages of `benches/peers/requirements.txt`, in an environment of its own. One that has them
/// already can be named by the variable `PYTHON`.
fn python() -> Result<PathBuf> {
    if let Some(path) = env::var_os("PYTHON") {
        return Ok(path.into());
    }
    let requirements = root().join("benches/peers/requirements.txt");
    let folder = tools_folder().join("python");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let mark = folder.join("requirements.txt");
    if fs::read(&mark).is_ok_and(|installed| fs::read(&requirements).is_ok_and(|wanted| wanted == installed))
    {
        return Ok(python);
    }
    announce("Installing PyTorch, transformers and onnxruntime", "5 minutes");
    let environment = || run(command("python3").args(["-m", "venv"]).arg(&folder));
    if environment().is_err() {
        let missing = "Python is missing, or its venv; install Python 3.11 or newer";
        distribution("Python", &["python3", "python3-venv"], missing)?;
        environment().context(missing)?;
    }
    let pip = || {
        let mut pip = command(&python.to_string_lossy());
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        pip
    };
    // PyTorch's own registry has a build without CUDA, a tenth as large. Where it cannot be reached, the other will do.
    let wanted = fs::read_to_string(&requirements)?;
    let torch = wanted.lines().find(|line| line.starts_with("torch==")).context("no torch is required")?;
    let small = ["--retries", "0", "--timeout", "10", "--index-url", "https://download.pytorch.org/whl/cpu"];
    if output(pip().args(small).arg(torch)).is_none() {
        println!("PyTorch's own registry cannot be reached; its usual build is downloaded, some gigabytes");
    }
    run(pip().arg("-r").arg(&requirements))?;
    fs::copy(&requirements, &mark).context("the mark of an installed Python could not be written")?;
    Ok(python)
}

/// Chromium's path; installed from Debian's packages where there is none.
fn chromium() -> Result<PathBuf> {
    if let Some(path) = env::var_os("CHROMIUM") {
        return Ok(path.into());
    }
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
    let app = PathBuf::from("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome");
    let installed = || find(&names).or_else(|| app.is_file().then(|| app.clone()));
    if let Some(path) = installed() {
        return Ok(path);
    }
    let missing = "Chromium is missing; install it, or give the path of a Chromium or Chrome in CHROMIUM";
    distribution("Chromium and fonts", &["chromium", "fonts-noto-core"], missing)?;
    installed().context(missing)
}

/// Installs packages of a distribution that has `apt-get`; elsewhere `missing` says what to do.
fn distribution(what: &str, packages: &[&str], missing: &'static str) -> Result<()> {
    if find(&["apt-get"]).is_none() {
        bail!(missing);
    }
    announce(&format!("Installing {what} from the distribution's packages"), "1 minute");
    let root_user = output(command("id").arg("-u")).as_deref() == Some("0");
    let apt = || if root_user { command("apt-get") } else { with_sudo() };
    run(apt().arg("update")).context(missing)?;
    run(apt().args(["install", "-y", "--no-install-recommends"]).args(packages)).context(missing)
}

fn with_sudo() -> std::process::Command {
    let mut sudo = command("sudo");
    sudo.arg("apt-get");
    sudo
}

#[cfg(test)]
mod tests {
    use super::{OLDEST_NODE, release};

    #[test]
    fn releases_are_compared_number_by_number() {
        for (version, is_new_enough) in [
            ("v20.20.2", true),
            ("v20.14.0", true),
            ("v20.9.1", false),
            ("v18.20.0", false),
            ("v22.0.0", true),
        ] {
            assert_eq!(
                release(version).is_some_and(|release| release >= OLDEST_NODE),
                is_new_enough,
                "{version}"
            );
        }
        assert_eq!(release("nightly"), None);
    }
}
