//! A file server for `dist/` on this machine.

use std::env;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use tokio::net::TcpListener;
use tokio::runtime;
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::web;

/// Serves `dist/` on `port` until the person stops it, and opens it in a browser where there is one.
///
/// # Errors
/// If the port is taken.
pub(crate) fn serve(port: u16, open_browser: bool) -> Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await;
        let listener = listener
            .map_err(|error| anyhow!("port {port} cannot be used ({error}); choose another with --port"))?;
        let address = format!("http://localhost:{port}");
        println!("\nCloze is at {address} (Ctrl+C stops it)");
        if open_browser && has_screen() && open::that_detached(&address).is_err() {
            println!("No browser could be opened; open the address yourself.");
        }
        axum::serve(listener, files(&web::folder())).await.context("the server stopped")
    })
}

/// Whether a browser has a screen to open on.
fn has_screen() -> bool {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

/// The files of a folder, which a browser asks for anew each time, since they change with every build.
fn files(folder: &Path) -> Router {
    let anew = SetResponseHeaderLayer::overriding(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Router::new().fallback_service(ServeDir::new(folder)).layer(anew)
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Serves this crate's folder while the tests run.
    fn served() -> Result<SocketAddr, Box<dyn Error>> {
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            runtime
                .block_on(async { axum::serve(listener, files(Path::new(env!("CARGO_MANIFEST_DIR")))).await })
        });
        Ok(address)
    }

    /// What is answered to a request for `url`.
    fn get(address: SocketAddr, url: &str) -> Result<String, Box<dyn Error>> {
        let mut connection = TcpStream::connect(address)?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(connection, "GET {url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok(answer)
    }

    #[test]
    fn only_files_of_the_folder_are_served() -> Result<(), Box<dyn Error>> {
        let address = served()?;
        for (url, found) in [
            ("/Cargo.toml", true),
            ("/Cargo.toml?v=1", true),
            ("/src/main.rs", true),
            ("/", false),
            ("/missing.js", false),
            ("/../Cargo.toml", false),
            ("/src/../../Cargo.toml", false),
            ("/src/%2e%2e/%2e%2e/Cargo.toml", false),
            ("//etc/passwd", false),
        ] {
            let answer = get(address, url)?;
            let status = if found { "HTTP/1.1 200" } else { "HTTP/1.1 404" };
            assert!(answer.starts_with(status), "{url}: {answer}");
            assert!(answer.to_lowercase().contains("cache-control: no-cache"), "{url}: {answer}");
        }
        Ok(())
    }

    #[test]
    fn connections_that_ask_for_nothing_keep_nobody_waiting() -> Result<(), Box<dyn Error>> {
        let address = served()?;
        // A browser opens some before it knows what it will ask.
        let idle: Result<Vec<TcpStream>, _> = (0..8).map(|_| TcpStream::connect(address)).collect();
        let idle = idle?;
        assert!(get(address, "/Cargo.toml")?.contains("name = \"xtask\""));
        drop(idle);
        Ok(())
    }
}
