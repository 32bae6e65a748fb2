//! One request to a server, and the pieces of what it sends.

use js_sys::{Array, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    ReadableStream, ReadableStreamDefaultReader, RequestCache, RequestInit, Response, WorkerGlobalScope,
};

use super::answered::Answered;
use super::control::Control;
use crate::engine::protocol::Problem;

/// What a server is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// What it would say before it sends the file.
    Head,
    /// The file, from this byte on.
    From(u64),
}

/// Asks the server once; none if nothing answers. What it sends is not fetched any longer than its pieces are held.
///
/// The browser's own cache is left alone where `is_stored` says that the file is kept elsewhere.
///
/// # Errors
/// `cancelled`.
pub(super) async fn fetch(
    address: &str,
    part: Part,
    is_stored: bool,
    control: &Control,
) -> Result<Option<(Answered, Option<Pieces>)>, Problem> {
    control.pass().await?;
    let options = RequestInit::new();
    options.set_signal(control.signal().as_ref());
    if is_stored {
        options.set_cache(RequestCache::NoStore);
    }
    match part {
        Part::Head => options.set_method("HEAD"),
        Part::From(0) => {}
        Part::From(byte) => {
            let range = Array::of2(&"range".into(), &format!("bytes={byte}-").into());
            options.set_headers(&Array::of1(&range));
        }
    }
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let Ok(response) = JsFuture::from(scope.fetch_with_str_and_init(address, &options)).await else {
        control.pass().await?;
        return Ok(None);
    };
    let response: Response = response.unchecked_into();
    let header = |name: &str| response.headers().get(name).ok().flatten();
    let answered = Answered::read(response.status(), &header);
    Ok(Some((answered, response.body().as_ref().map(Pieces::of))))
}

/// The pieces of a stream of the browser's.
pub(super) struct Pieces(ReadableStreamDefaultReader);

impl Pieces {
    pub(super) fn of(stream: &ReadableStream) -> Pieces {
        Pieces(stream.get_reader().unchecked_into())
    }

    /// The next piece; none at the end.
    ///
    /// # Errors
    /// What the browser says of a line that was cut.
    pub(super) async fn next(&self) -> Result<Option<Uint8Array>, JsValue> {
        let part = JsFuture::from(self.0.read()).await?;
        if Reflect::get(&part, &"done".into())?.is_truthy() {
            return Ok(None);
        }
        Reflect::get(&part, &"value".into())?.dyn_into().map(Some)
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        // Nobody waits for the rest, so that the browser need not fetch it. A stream that broke refuses even that.
        let cancelled = JsFuture::from(self.0.cancel());
        spawn_local(async move { drop(cancelled.await) });
    }
}
