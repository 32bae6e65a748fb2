//! A file server for `dist/` on this machine.

use std::env;
use std::fs::File;
use std::path::{Component, Path, PathBuf};
use std::thread;

use anyhow::{Result, anyhow};
use tiny_http::{Header, Method, Request, Response, Server};

use crate::web;

/// A browser asks for a handful of files at once.
const THREADS: usize = 4;

/// Serves `dist/` on `port` until the person stops it, and opens it in a browser where there is one.
///
/// # Errors
/// If the port is taken.
pub(crate) fn serve(port: u16, open_browser: bool) -> Result<()> {
    let server = Server::http(("127.0.0.1", port))
        .map_err(|error| anyhow!("port {port} cannot be used ({error}); choose another with --port"))?;
    let address = format!("http://localhost:{port}");
    println!("\nCloze is at {address} (Ctrl+C stops it)");
    if open_browser && has_screen() && open::that_detached(&address).is_err() {
        println!("No browser could be opened; open the address yourself.");
    }
    let folder = web::folder();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| server.incoming_requests().for_each(|request| answer(&folder, request)));
        }
    });
    Ok(())
}

/// Whether a browser has a screen to open on.
fn has_screen() -> bool {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

fn answer(folder: &Path, request: Request) {
    let file = match request.method() {
        Method::Get | Method::Head => {
            path_in(folder, request.url()).and_then(|path| Some((File::open(&path).ok()?, path)))
        }
        _ => None,
    };
    let outcome = match file {
        Some((file, path)) => {
            let kind = mime_guess::from_path(&path).first_or_octet_stream();
            let headers = [("Content-Type", kind.as_ref()), ("Cache-Control", "no-cache")];
            let headers =
                headers.into_iter().filter_map(|(name, value)| Header::from_bytes(name, value).ok());
            request.respond(headers.fold(Response::from_file(file), Response::with_header))
        }
        None => request.respond(Response::from_string("There is no such file.\n").with_status_code(404)),
    };
    // A browser that went away meanwhile is nobody to tell.
    drop(outcome);
}

/// The file that a request's address means; none if it leads out of the folder or is no file.
fn path_in(folder: &Path, url: &str) -> Option<PathBuf> {
    let name = url.split(['?', '#']).next()?.trim_start_matches('/');
    let name = Path::new(if name.is_empty() { "index.html" } else { name });
    let plain = name.components().all(|component| matches!(component, Component::Normal(_)));
    let path = folder.join(name);
    (plain && path.is_file()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_folder_are_served() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (url, found) in [
            ("/Cargo.toml", Some("Cargo.toml")),
            ("/Cargo.toml?v=1#part", Some("Cargo.toml")),
            ("/src/main.rs", Some("src/main.rs")),
            ("/src", None),
            ("/", None),
            ("/missing.js", None),
            ("/../Cargo.toml", None),
            ("/src/../../Cargo.toml", None),
            ("//etc/passwd", None),
            ("/./src/main.rs", None),
        ] {
            assert_eq!(path_in(folder, url), found.map(|name| folder.join(name)), "{url}");
        }
    }
}
