//! Fetching a checkpoint's files in a browser's worker, reporting progress in bytes.

use std::cell::Cell;
use std::rc::Rc;

use futures_util::future;
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStreamDefaultReader, Response, WorkerGlobalScope};

use super::Source;
use crate::checkpoint::{CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE};
use crate::engine::protocol::Problem;

/// The reference values beside an embedded model.
const SELF_CHECK_FILE: &str = "selfcheck.json";

/// A file, bytes that arrived so far of all files, and bytes expected in all, where the server says so.
pub type OnProgress<'a> = &'a dyn Fn(&str, u64, Option<u64>);

/// A checkpoint whose small files are here and whose weights are arriving.
pub struct Download<'a> {
    /// `config.json`.
    pub config: Vec<u8>,
    /// `tokenizer.json`.
    pub tokenizer: Vec<u8>,
    /// `selfcheck.json`, which lies beside the page's own models.
    pub self_check: Option<Vec<u8>>,
    /// `model.safetensors`.
    pub weights: Body<'a>,
}

impl<'a> Download<'a> {
    /// Fetches the small files of `source`, so that a wrong folder is known at once, and begins with the weights.
    ///
    /// # Errors
    /// `network` (nothing answered), `http-status` (it answered with an error), `not-a-model-file` (it answered with a
    /// web page), `truncated` (less arrived than was announced); each names the file and the address.
    pub async fn begin(source: &Source, progress: OnProgress<'a>) -> Result<Download<'a>, Problem> {
        let base = source.base();
        let meter = Meter { progress, arrived: Rc::default() };
        let fetch = async |file: &'static str| Body::open(&base, file, &meter).await?.whole().await;
        let self_check = async {
            match source {
                Source::Embedded(_) => fetch(SELF_CHECK_FILE).await.map(Some),
                Source::Url(_) => Ok(None),
            }
        };
        let small = future::try_join3(fetch(CONFIG_FILE), fetch(TOKENIZER_FILE), self_check);
        let (config, tokenizer, self_check) = small.await?;
        let weights = Body::open(&base, WEIGHTS_FILE, &meter).await?;
        Ok(Download { config, tokenizer, self_check, weights })
    }
}

/// Counts what arrives.
#[derive(Clone)]
struct Meter<'a> {
    progress: OnProgress<'a>,
    /// Bytes of all files so far.
    arrived: Rc<Cell<u64>>,
}

/// A file that is arriving.
pub struct Body<'a> {
    file: &'static str,
    address: String,
    reader: Option<ReadableStreamDefaultReader>,
    announced: Option<u64>,
    arrived: u64,
    meter: Meter<'a>,
}

impl<'a> Body<'a> {
    async fn open(base: &str, file: &'static str, meter: &Meter<'a>) -> Result<Body<'a>, Problem> {
        let address = format!("{base}{file}");
        let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
        let response = JsFuture::from(scope.fetch_with_str(&address)).await;
        let named = |code: &str, detail: String| named(file, &address, code, detail);
        let response: Response = response
            .map_err(|_| named("network", format!("nothing answered at {address}")))?
            .unchecked_into();
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
        let announced = announced.and_then(|length| length.parse().ok());
        let reader = response.body().map(|body| body.get_reader().unchecked_into());
        Ok(Body { file, address, reader, announced, arrived: 0, meter: meter.clone() })
    }

    /// The length of the file, where the server says so.
    pub fn announced(&self) -> Option<u64> {
        self.announced
    }

    /// The next piece; none at the end.
    ///
    /// # Errors
    /// `truncated`, if the file breaks off, or ends where more or less was announced.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        let Some(reader) = &self.reader else { return self.end() };
        let part = JsFuture::from(reader.read()).await.map_err(|_| {
            let detail = format!("{} broke off after {} bytes", self.address, self.arrived);
            named(self.file, &self.address, "truncated", detail).with("loaded", self.arrived)
        })?;
        if Reflect::get(&part, &"done".into()).is_ok_and(|done| done.is_truthy()) {
            return self.end();
        }
        let piece = Reflect::get(&part, &"value".into()).ok().and_then(|value| value.dyn_into().ok());
        let Some(piece): Option<Uint8Array> = piece else { return self.end() };
        let length = u64::from(piece.length());
        self.arrived += length;
        let before = self.meter.arrived.get();
        self.meter.arrived.set(before + length);
        let others = before + length - self.arrived;
        (self.meter.progress)(self.file, before + length, self.announced.map(|announced| others + announced));
        Ok(Some(piece.to_vec()))
    }

    fn end(&self) -> Result<Option<Vec<u8>>, Problem> {
        let Body { file, address, arrived, .. } = self;
        match self.announced {
            Some(expected) if expected != *arrived => {
                let detail = format!("{address} is {arrived} bytes long where {expected} were announced");
                let problem = named(file, address, "truncated", detail);
                Err(problem.with("loaded", arrived).with("total", expected))
            }
            _ => Ok(None),
        }
    }

    /// All of it.
    ///
    /// # Errors
    /// As [`Body::next`].
    pub async fn whole(&mut self) -> Result<Vec<u8>, Problem> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.next().await? {
            bytes.extend(piece);
        }
        Ok(bytes)
    }
}

fn named(file: &str, address: &str, code: &str, detail: String) -> Problem {
    Problem::new(code, detail).with("file", file).with("url", address)
}
