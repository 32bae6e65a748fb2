//! Files in a zip archive of the reader's: where each lies in it, and its bytes as the browser unpacks them. The archive is
//! never in memory as a whole.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, FileReaderSync, ReadableStream, ReadableWritablePair, Response, WorkerGlobalScope};
use zip::{CompressionMethod, ZipArchive};

use crate::engine::protocol::Problem;

#[wasm_bindgen]
extern "C" {
    /// The browser's unpacker (<https://compression.spec.whatwg.org>), a pair of streams.
    type DecompressionStream;

    #[wasm_bindgen(constructor, catch)]
    fn new(format: &str) -> Result<DecompressionStream, JsValue>;
}

/// How the browser calls what zip archives are packed by.
const DEFLATE: &str = "deflate-raw";

/// An archive whose directory was read.
pub(super) struct Archive {
    blob: Blob,
    files: BTreeMap<String, Packed>,
}

/// Where a file lies in it.
struct Packed {
    /// Its first byte, and how many follow.
    start: u64,
    packed: u64,
    /// Its length once it is unpacked.
    bytes: u64,
    is_deflated: bool,
    /// How many folders it lies in.
    depth: usize,
}

impl Archive {
    /// Reads the directory of the archive at an address.
    ///
    /// # Errors
    /// `bad-archive`, if it is none, or one that is packed in another way than browsers can undo.
    pub(super) async fn open(name: &str, address: &str) -> Result<Archive, Problem> {
        let bad = |reason: String| {
            let detail =
                format!("{name} cannot be unpacked ({reason}). Unpack it yourself, and take the files.");
            Problem::new("bad-archive", detail).with("file", name).with("reason", reason)
        };
        let unread = |error: JsValue| bad(format!("{error:?}"));
        let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
        let response = JsFuture::from(scope.fetch_with_str(address)).await.map_err(unread)?;
        let blob = response.unchecked_into::<Response>().blob().map_err(unread)?;
        let blob: Blob = JsFuture::from(blob).await.map_err(unread)?.unchecked_into();
        let reader = FileReaderSync::new().map_err(unread)?;
        let inside = Reading { blob: blob.clone(), reader, at: 0 };
        let mut archive = ZipArchive::new(inside).map_err(|error| bad(error.to_string()))?;
        let mut files: BTreeMap<String, Packed> = BTreeMap::new();
        for index in 0..archive.len() {
            let file = archive.by_index_raw(index).map_err(|error| bad(error.to_string()))?;
            let path = file.name().map_err(|error| bad(error.to_string()))?.into_owned();
            let Some(name) = path.rsplit('/').next().filter(|name| !name.is_empty()) else { continue };
            let is_deflated = match file.compression() {
                CompressionMethod::Stored => false,
                CompressionMethod::DEFLATE => true,
                other => return Err(bad(format!("{name} is packed by {other}"))),
            };
            if file.encrypted() {
                return Err(bad(format!("{name} is encrypted")));
            }
            let depth = path.matches('/').count();
            let Some(start) = file.data_start() else { return Err(bad(format!("{name} lies nowhere"))) };
            let (packed, bytes) = (file.compressed_size(), file.size());
            let now = Packed { start, packed, bytes, is_deflated, depth };
            // Of two with the same name the one that lies less deep counts.
            if files.get(name).is_none_or(|known| depth < known.depth) {
                files.insert(name.to_owned(), now);
            }
        }
        Ok(Archive { blob, files })
    }

    /// Whether it holds a file of this name, in whichever folder.
    pub(super) fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// A file, unpacked as it is read, and its length.
    pub(super) fn stream(&self, name: &str) -> Option<(ReadableStream, u64)> {
        let Packed { start, packed, bytes, is_deflated, .. } = self.files.get(name)?;
        let part = self.blob.slice_with_f64_and_f64(*start as f64, (start + packed) as f64).ok()?;
        let stream = part.stream();
        if !is_deflated {
            return Some((stream, *bytes));
        }
        let inflate: ReadableWritablePair = DecompressionStream::new(DEFLATE).ok()?.unchecked_into();
        Some((stream.pipe_through(&inflate), *bytes))
    }
}

/// The bytes of a file of the browser's, read where they are wanted.
struct Reading {
    blob: Blob,
    reader: FileReaderSync,
    at: u64,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let failed = |_| io::Error::other("the file cannot be read");
        let end = self.at.saturating_add(buffer.len() as u64).min(self.blob.size() as u64);
        if end <= self.at {
            return Ok(0);
        }
        let part = self.blob.slice_with_f64_and_f64(self.at as f64, end as f64).map_err(failed)?;
        let bytes = Uint8Array::new(&self.reader.read_as_array_buffer(&part).map_err(failed)?.into());
        let length = bytes.length() as usize;
        bytes.copy_to(buffer.get_mut(..length).ok_or_else(|| failed(JsValue::NULL))?);
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for Reading {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::End(by) => (self.blob.size() as u64, by),
            SeekFrom::Current(by) => (self.at, by),
        };
        let outside = || io::Error::new(io::ErrorKind::InvalidInput, "a place before the file");
        self.at = from.checked_add_signed(by).ok_or_else(outside)?;
        Ok(self.at)
    }
}
