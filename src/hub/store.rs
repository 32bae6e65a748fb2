//! The checkpoints that the browser keeps for this page, in its private file system (OPFS): a folder each, with a record
//! beside the files.
//!
//! Spec: <https://fs.spec.whatwg.org>. A worker may write at any place of a file there, so that a download that broke off
//! goes on where it ended; the Cache API, which is faster, takes answers whole (`benches/storage` measures both).

use std::cell::RefCell;

use futures_channel::oneshot;
use futures_util::lock::Mutex;
use js_sys::{Array, AsyncIterator, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    Blob, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemReadWriteOptions, FileSystemRemoveOptions,
    FileSystemSyncAccessHandle, StorageManager, WorkerGlobalScope,
};

use super::record::{Edition, Record, Stored};
use crate::engine::protocol::{Problem, StoredModel};

/// The folder of all checkpoints.
const FOLDER: &str = "models";
/// The file of a checkpoint's [`Record`].
const RECORD: &str = "record.json";

/// The place for checkpoints.
pub struct Store {
    folder: FileSystemDirectoryHandle,
}

/// The place of one checkpoint.
pub(super) struct Folder {
    handle: FileSystemDirectoryHandle,
    record: RefCell<Record>,
    /// One writes the record at a time.
    writing: Mutex<()>,
    /// Why nothing more is stored.
    trouble: RefCell<Option<Problem>>,
}

/// A file's end, to which what arrives is added.
pub(super) struct Writer(FileSystemSyncAccessHandle);

impl Store {
    /// Opens the place.
    ///
    /// # Errors
    /// `storage-forbidden`, if the browser has none for this page: in some private windows, or outside of https.
    pub async fn open() -> Result<Store, Problem> {
        let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
        // Without https there is none, whatever the types say.
        let storage = Reflect::get(&scope.navigator(), &"storage".into()).unwrap_or_default();
        let forbidden = || Problem::new("storage-forbidden", "the browser lets this page store nothing");
        if storage.is_undefined() {
            return Err(forbidden());
        }
        let storage: StorageManager = storage.unchecked_into();
        let root = handle(storage.get_directory()).await.map_err(|_| forbidden())?;
        let folder = subfolder(&root, FOLDER).await.map_err(|_| forbidden())?;
        Ok(Store { folder })
    }

    /// The place of a checkpoint, made if there is none.
    ///
    /// # Errors
    /// As [`Store::open`], or `storage-full`.
    pub(super) async fn folder(&self, edition: &Edition) -> Result<Folder, Problem> {
        let handle = subfolder(&self.folder, &edition.folder()).await.map_err(|error| trouble(&error))?;
        let mut record = read_record(&handle).await.unwrap_or_default();
        if record.edition != *edition {
            // Nothing of what lies there can be believed.
            record = Record { edition: edition.clone(), ..Record::default() };
        }
        let (writing, trouble) = Default::default();
        Ok(Folder { handle, record: RefCell::new(record), writing, trouble })
    }

    /// What is stored.
    async fn records(&self) -> Vec<(String, FileSystemDirectoryHandle, Record)> {
        let mut records = Vec::new();
        for (name, handle) in entries(&self.folder).await {
            let handle: FileSystemDirectoryHandle = handle.unchecked_into();
            let record = read_record(&handle).await.unwrap_or_default();
            records.push((name, handle, record));
        }
        records
    }

    /// The checkpoints that are stored, wholly or in part, those used last first.
    pub async fn models(&self) -> Vec<StoredModel> {
        let mut records = self.records().await;
        records.sort_by(|(_, _, a), (_, _, b)| b.used.total_cmp(&a.used));
        let mut models = Vec::new();
        // A folder without a record is of a checkpoint that nobody can name, or has just been begun.
        records.retain(|(_, _, record)| !record.edition.source.is_empty());
        for (_, handle, Record { edition, files, whole, .. }) in records {
            let (mut bytes, mut complete) = (0, whole);
            for (name, stored) in &files {
                let length = file(&handle, name).await.map_or(0, |file| file.size() as u64);
                bytes += length;
                complete &= stored.is_whole(length);
            }
            let Edition { source, hub, commit } = edition;
            models.push(StoredModel { source, hub, commit, bytes, complete });
        }
        models
    }

    /// The edition of a source that was used last; none if nothing of it is stored.
    pub(super) async fn last_edition(&self, source: &str, hub: &str) -> Option<Edition> {
        let records = self.records().await.into_iter().map(|(_, _, record)| record);
        let of_it = records
            .filter(|Record { edition, .. }| edition.source == source && edition.hub.as_deref() == Some(hub));
        Some(of_it.max_by(|a, b| a.used.total_cmp(&b.used))?.edition)
    }

    /// Removes the checkpoints of a source; all of them if none is named.
    pub async fn forget(&self, source: Option<&str>) {
        for (name, _, record) in self.records().await {
            if source.is_none_or(|source| record.edition.source == source) {
                remove(&self.folder, &name).await;
            }
        }
    }

    /// Removes what `edition` replaces.
    pub(super) async fn forget_older(&self, edition: &Edition) {
        for (name, _, record) in self.records().await {
            if edition.replaces(&record.edition) {
                remove(&self.folder, &name).await;
            }
        }
    }
}

impl Folder {
    /// What is stored of a file: what is known of it, and its bytes so far.
    pub(super) async fn stored(&self, name: &str) -> Option<(Stored, Blob)> {
        let stored = self.record.borrow().files.get(name).cloned()?;
        Some((stored, file(&self.handle, name).await?))
    }

    /// Which files are recorded.
    pub(super) fn has(&self, name: &str) -> bool {
        self.record.borrow().files.contains_key(name)
    }

    /// Begins to write behind the first `at` bytes of a file; none where that cannot be.
    pub(super) async fn writer(&self, name: &str, at: u64) -> Option<Writer> {
        if self.trouble.borrow().is_some() {
            return None;
        }
        let opened = async {
            let options = FileSystemGetFileOptions::new();
            options.set_create(true);
            let file: FileSystemFileHandle =
                handle(self.handle.get_file_handle_with_options(name, &options)).await?;
            let writer = open(file).await?;
            writer.0.truncate_with_f64(at as f64)?;
            Ok(writer)
        };
        self.or_trouble(opened.await)
    }

    /// Notes what is known of a file.
    pub(super) async fn note(&self, name: &str, stored: Stored) {
        {
            let mut record = self.record.borrow_mut();
            record.whole &= stored.sum.is_some();
            record.files.insert(name.to_owned(), stored);
        }
        self.write_record().await;
    }

    /// Notes that the checkpoint is in use, all of it, and its licence where that is known; gives the one that is noted.
    pub(super) async fn note_use(&self, licence: Option<String>) -> Option<String> {
        let noted = {
            let mut record = self.record.borrow_mut();
            record.used = js_sys::Date::now();
            record.whole = true;
            record.licence = licence.or(record.licence.take());
            record.licence.clone()
        };
        self.write_record().await;
        noted
    }

    async fn write_record(&self) {
        let _one_at_a_time = self.writing.lock().await;
        let text = serde_json::to_string(&*self.record.borrow()).unwrap_or_default();
        let Some(mut writer) = self.writer(RECORD, 0).await else { return };
        if let Err(problem) = writer.write(&Uint8Array::from(text.as_bytes())) {
            self.refuse(problem);
        }
    }

    /// Forgets a file.
    pub(super) async fn forget(&self, name: &str) {
        let known = {
            let mut record = self.record.borrow_mut();
            record.whole = false;
            record.files.remove(name).is_some()
        };
        if known {
            remove(&self.handle, name).await;
            self.write_record().await;
        }
    }

    /// Forgets everything.
    pub(super) async fn clear(&self) {
        let names: Vec<String> = self.record.borrow().files.keys().cloned().collect();
        for name in names {
            self.forget(&name).await;
        }
    }

    /// Nothing more is stored here, and why.
    pub(super) fn refuse(&self, problem: Problem) {
        self.trouble.borrow_mut().get_or_insert(problem);
    }

    /// Why not everything is stored.
    pub(super) fn trouble(&self) -> Option<Problem> {
        self.trouble.borrow().clone()
    }

    fn or_trouble<T>(&self, outcome: Result<T, JsValue>) -> Option<T> {
        outcome.map_err(|error| self.refuse(trouble(&error))).ok()
    }
}

impl Writer {
    /// Adds a piece.
    ///
    /// # Errors
    /// `storage-full`.
    pub(super) fn write(&mut self, piece: &Uint8Array) -> Result<(), Problem> {
        let options = FileSystemReadWriteOptions::new();
        let written = self.0.get_size().and_then(|at| {
            options.set_at(at);
            self.0.write_with_js_u8_array_and_options(piece, &options)
        });
        match written {
            Ok(written) if written as u32 == piece.length() => Ok(()),
            Ok(_) => Err(Problem::new("storage-full", "the browser has no room for this model")),
            Err(error) => Err(trouble(&error)),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What the browser says when it does not store.
fn trouble(error: &JsValue) -> Problem {
    let text = |key: &str| Reflect::get(error, &key.into()).ok().and_then(|value| value.as_string());
    match text("name").as_deref() {
        Some("QuotaExceededError") => Problem::new("storage-full", "the browser has no room for this model"),
        // Another tab writes the same file.
        Some("NoModificationAllowedError") => {
            Problem::new("storage-busy", "another page is storing this model")
        }
        _ => Problem::new("storage-forbidden", text("message").unwrap_or_default()),
    }
}

/// Opens a file for writing. Whoever waits for it may be given up with a download; the file is closed again then, which would
/// be open to nobody otherwise.
async fn open(file: FileSystemFileHandle) -> Result<Writer, JsValue> {
    let (sender, receiver) = oneshot::channel();
    spawn_local(async move {
        let opened = handle(file.create_sync_access_handle()).await.map(Writer);
        // A writer that reaches nobody closes its file.
        let _ = sender.send(opened);
    });
    receiver.await.unwrap_or_else(|_| Err(JsValue::UNDEFINED))
}

async fn handle<T: JsCast>(promise: Promise) -> Result<T, JsValue> {
    JsFuture::from(promise).await.map(JsCast::unchecked_into)
}

async fn subfolder(of: &FileSystemDirectoryHandle, name: &str) -> Result<FileSystemDirectoryHandle, JsValue> {
    let options = FileSystemGetDirectoryOptions::new();
    options.set_create(true);
    handle(of.get_directory_handle_with_options(name, &options)).await
}

/// The bytes of a file as they are now.
async fn file(folder: &FileSystemDirectoryHandle, name: &str) -> Option<Blob> {
    let file: FileSystemFileHandle = handle(folder.get_file_handle(name)).await.ok()?;
    handle(file.get_file()).await.ok()
}

/// What is known of a folder; nothing where its record was never written, or was not written to its end.
async fn read_record(folder: &FileSystemDirectoryHandle) -> Option<Record> {
    let text = JsFuture::from(file(folder, RECORD).await?.text()).await.ok()?;
    serde_json::from_str(&text.as_string()?).ok()
}

/// Removes a file or a folder. What cannot be removed, another page is using.
async fn remove(folder: &FileSystemDirectoryHandle, name: &str) {
    let options = FileSystemRemoveOptions::new();
    options.set_recursive(true);
    let _ = JsFuture::from(folder.remove_entry_with_options(name, &options)).await;
}

/// What lies in a folder, by name.
async fn entries(folder: &FileSystemDirectoryHandle) -> Vec<(String, JsValue)> {
    let iterator: AsyncIterator = folder.entries();
    let mut entries = Vec::new();
    while let Ok(next) = iterator.next() {
        let Ok(next) = JsFuture::from(next).await else { break };
        let value = Reflect::get(&next, &"value".into()).unwrap_or_default();
        let Ok(pair) = value.dyn_into::<Array>() else { break };
        entries.push((pair.get(0).as_string().unwrap_or_default(), pair.get(1)));
    }
    entries
}
