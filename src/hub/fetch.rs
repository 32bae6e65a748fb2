//! Fetching a checkpoint's files in a browser's worker, reporting progress in bytes.

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStreamDefaultReader, Response, WorkerGlobalScope};

use super::{Files, Source};
use crate::checkpoint::{CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE};
use crate::engine::protocol::Problem;

/// The reference values beside an embedded model.
const SELF_CHECK_FILE: &str = "selfcheck.json";

/// Bytes that arrived so far, of all files; bytes expected in all, where the server says so.
pub type OnProgress<'a> = &'a dyn Fn(&str, u64, Option<u64>);

/// Fetches the files of `source`, the small ones first, so that a wrong folder is known at once.
///
/// # Errors
/// `network` (nothing answered), `http-status` (it answered with an error), `not-a-model-file` (it answered with a
/// web page), `truncated` (less arrived than was announced); each names the file and the address.
pub async fn fetch(source: &Source, progress: OnProgress<'_>) -> Result<Files, Problem> {
    let base = source.base();
    let mut meter = Meter { progress, before: 0 };
    let config = meter.fetch(&base, CONFIG_FILE).await?;
    let tokenizer = meter.fetch(&base, TOKENIZER_FILE).await?;
    let weights = meter.fetch(&base, WEIGHTS_FILE).await?;
    let self_check = match source {
        Source::Embedded(_) => Some(meter.fetch(&base, SELF_CHECK_FILE).await?),
        Source::Url(_) => None,
    };
    Ok(Files { config, tokenizer, weights, self_check })
}

struct Meter<'a> {
    progress: OnProgress<'a>,
    /// Bytes of the files that are here already.
    before: u64,
}

impl Meter<'_> {
    async fn fetch(&mut self, base: &str, file: &str) -> Result<Vec<u8>, Problem> {
        let address = format!("{base}{file}");
        let named =
            |code: &str, detail: String| Problem::new(code, detail).with("file", file).with("url", &address);
        let offline = |_| named("network", format!("nothing answered at {address}"));

        let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
        let response = JsFuture::from(scope.fetch_with_str(&address)).await.map_err(offline)?;
        let response: Response = response.unchecked_into();
        if !response.ok() {
            let status = response.status();
            return Err(named("http-status", format!("{address} answered with status {status}"))
                .with("status", status));
        }
        let header = |name: &str| response.headers().get(name).ok().flatten();
        if header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            return Err(named("not-a-model-file", format!("{address} is a web page, not {file}")));
        }
        // The announced length counts compressed bytes where there is an encoding; then it tells nothing.
        let announced = if header("content-encoding").is_some() { None } else { header("content-length") };
        let announced: Option<u64> = announced.and_then(|length| length.parse().ok());

        let mut bytes = Vec::new();
        if let Some(body) = response.body() {
            let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
            loop {
                let part = JsFuture::from(reader.read()).await.map_err(|_| {
                    let detail = format!("{address} broke off after {} bytes", bytes.len());
                    named("truncated", detail).with("loaded", bytes.len())
                })?;
                if Reflect::get(&part, &"done".into()).is_ok_and(|done| done.is_truthy()) {
                    break;
                }
                let Ok(chunk) =
                    Reflect::get(&part, &"value".into()).and_then(|value| value.dyn_into::<Uint8Array>())
                else {
                    break;
                };
                let from = bytes.len();
                bytes.resize(from + chunk.length() as usize, 0);
                chunk.copy_to(&mut bytes[from..]);
                let loaded = self.before + bytes.len() as u64;
                (self.progress)(file, loaded, announced.map(|length| self.before + length));
            }
        }
        if announced.is_some_and(|length| length != bytes.len() as u64) {
            let expected = announced.unwrap_or_default();
            let detail = format!("{address} is {} bytes long where {expected} were announced", bytes.len());
            return Err(named("truncated", detail).with("loaded", bytes.len()).with("total", expected));
        }
        self.before += bytes.len() as u64;
        Ok(bytes)
    }
}
