//! A checkpoint on its way here: which files it has, where they lie, and their bytes.

use std::collections::BTreeMap;
use std::rc::Rc;

use futures_util::future;

use super::Vocabulary;
use super::archive::Archive;
use super::body::{Body, Shared, Wanted};
use super::control::Control;
use super::listing::{Listing, folder};
use super::meter::{Meter, OnProgress};
use super::record::Edition;
use super::shards::Shards;
use super::source::{Repository, Source, is_web_address};
use super::store::Store;
use crate::checkpoint::{CONFIG_FILE, SHARDS_FILE, TOKENIZER_FILE, WEIGHTS_FILE};
use crate::engine::protocol::{Load, Origin, Problem};

/// The address of the Hugging Face hub.
const HUB: &str = "https://huggingface.co/";
/// The reference values beside an embedded model.
const SELF_CHECK_FILE: &str = "selfcheck.json";
/// The weights as PyTorch pickles them.
const PICKLED_FILE: &str = "pytorch_model.bin";

/// A checkpoint whose small files are here and whose weights are arriving.
pub struct Download<'a> {
    /// `config.json`.
    pub config: Vec<u8>,
    /// Its vocabulary.
    pub vocabulary: Vocabulary,
    /// `selfcheck.json`, which lies beside the page's own models.
    pub self_check: Option<Vec<u8>>,
    /// `model.safetensors`.
    pub weights: Weights<'a>,
    /// What becomes of it here.
    pub keeping: Keeping<'a>,
}

/// The weights' file, or several that are read as one.
pub enum Weights<'a> {
    /// `model.safetensors`.
    One(Box<Body<'a>>),
    /// Those that `model.safetensors.index.json` names.
    Several(Box<Shards<'a>>),
}

/// Whether a checkpoint is kept for the next time.
pub struct Keeping<'a> {
    store: Option<Store>,
    edition: Edition,
    shared: Rc<Shared<'a>>,
    origin: Option<Origin>,
    /// Why nothing of it can be kept.
    forbidden: Option<Problem>,
}

/// Where the files of a checkpoint lie.
struct Place {
    base: String,
    edition: Edition,
    /// What the hub told of them.
    listing: Option<Listing>,
}

impl<'a> Download<'a> {
    /// Fetches the small files of what is to be loaded, so that a wrong folder is known at once, and begins with the weights then;
    /// of the page's own models, which are where they should be, at the same time. What is stored of it already is not fetched
    /// again.
    ///
    /// # Errors
    /// `bad-source`; as [`Body::next`]; `only-pytorch` if the weights are there, but as a file that can run code.
    pub async fn begin(
        load: &Load,
        control: Rc<Control>,
        progress: OnProgress<'a>,
    ) -> Result<Download<'a>, Problem> {
        let source = Source::parse(&load.source)?;
        let is_own = matches!(source, Source::Embedded(_));
        // What the reader has need not be kept here once more.
        let (store, forbidden) = match is_own || source == Source::Files {
            true => (None, None),
            false => match Store::open().await {
                Ok(store) => (Some(store), None),
                Err(problem) => (None, Some(problem)),
            },
        };
        let hub = load.hub.as_deref().unwrap_or(HUB);
        if !is_web_address(hub) {
            let detail = format!("\"{hub}\" is no address of a hub: it begins with https://");
            return Err(Problem::new("bad-source", detail).with("source", hub));
        }
        let asking = Asking { control: &control, store: store.as_ref(), hub };
        let place = asking.place(&source, &load.source).await?;
        let (folder, forbidden) = match &store {
            Some(store) => match store.folder(&place.edition).await {
                Ok(folder) => (Some(folder), forbidden),
                Err(problem) => (None, Some(problem)),
            },
            None => (None, forbidden),
        };
        let shared = Rc::new(Shared { control, meter: Meter::new(progress), folder });
        let edition = place.edition.clone();
        let licence = place.listing.as_ref().and_then(|listing| listing.licence.clone());
        let origin = source.origin(hub, licence);
        let own = match source {
            Source::Files => Some(Own::open(&load.files).await?),
            _ => None,
        };
        let files = Files { place, own, shared: Rc::clone(&shared) };

        let self_check =
            async { if is_own { files.small(SELF_CHECK_FILE).await.map(Some) } else { Ok(None) } };
        let small = future::try_join3(files.small(CONFIG_FILE), files.vocabulary(), self_check);
        let ((config, vocabulary, self_check), weights) = match is_own {
            true => future::try_join(small, files.weights()).await?,
            false => (small.await?, files.weights().await?),
        };
        let keeping = Keeping { store, edition, shared, origin, forbidden };
        Ok(Download { config, vocabulary, self_check, weights, keeping })
    }
}

/// Who is asked where a checkpoint lies.
struct Asking<'b> {
    control: &'b Rc<Control>,
    store: Option<&'b Store>,
    hub: &'b str,
}

impl Asking<'_> {
    async fn place(&self, source: &Source, name: &str) -> Result<Place, Problem> {
        let edition = |hub: Option<&str>, commit: Option<String>| Edition {
            source: name.to_owned(),
            hub: hub.map(str::to_owned),
            commit,
        };
        Ok(match source {
            Source::Embedded(folder) => {
                Place { base: format!("models/{folder}/"), edition: edition(None, None), listing: None }
            }
            Source::Url(base) => Place { base: base.clone(), edition: edition(None, None), listing: None },
            Source::Files => Place { base: String::new(), edition: edition(None, None), listing: None },
            Source::Hub(repository) => {
                let (listing, commit) = match (self.listing(repository).await, self.store) {
                    (Ok(listing), _) => {
                        let commit = listing.as_ref().map(|listing| listing.commit.clone());
                        (listing, commit)
                    }
                    // Without a line, what is stored is all there is.
                    (Err(problem), Some(store)) if problem.code == "network" => {
                        let last = store.last_edition(name, self.hub).await;
                        (None, last.ok_or(problem)?.commit)
                    }
                    (Err(problem), _) => return Err(problem),
                };
                let revision = commit.as_ref().unwrap_or(&repository.revision);
                let base = folder(self.hub, &repository.name, revision);
                Place { base, edition: edition(Some(self.hub), commit), listing }
            }
        })
    }

    /// What the hub tells of a repository; nothing, if it is a plain server that has the files and no more.
    async fn listing(&self, repository: &Repository) -> Result<Option<Listing>, Problem> {
        let silent = Meter::new(&|_| {});
        let shared = Shared { control: Rc::clone(self.control), meter: silent, folder: None };
        let address = Listing::address(self.hub, repository);
        let wanted = Wanted { file: repository.name.clone(), address, ..Wanted::default() };
        let answer = async { Body::open(wanted, &Rc::new(shared)).await?.whole().await };
        match answer.await {
            Ok(answer) => Ok(Listing::parse(&answer)),
            Err(problem) if ["http-status", "not-a-model-file"].contains(&problem.code.as_str()) => Ok(None),
            Err(problem) => Err(problem),
        }
    }
}

/// The files of a checkpoint, to be opened.
pub(super) struct Files<'a> {
    place: Place,
    /// Those of the reader's.
    own: Option<Own>,
    shared: Rc<Shared<'a>>,
}

/// Files of the reader's.
enum Own {
    /// Where each lies, by name.
    Loose(BTreeMap<String, String>),
    /// One archive of them.
    Archive(Archive),
}

impl Own {
    async fn open(files: &BTreeMap<String, String>) -> Result<Own, Problem> {
        let mut archives = files.iter().filter(|(name, _)| name.ends_with(".zip"));
        match archives.next() {
            Some((name, address)) if !files.contains_key(CONFIG_FILE) => {
                Ok(Own::Archive(Archive::open(name, address).await?))
            }
            _ => Ok(Own::Loose(files.clone())),
        }
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Own::Loose(files) => files.contains_key(name),
            Own::Archive(archive) => archive.has(name),
        }
    }
}

impl<'a> Files<'a> {
    /// Opens a file.
    pub(super) async fn open(&self, name: &str) -> Result<Body<'a>, Problem> {
        let Place { base, edition, listing } = &self.place;
        let absent = || {
            let detail = format!("{name} is not among the files: take all files of the model's folder");
            Problem::new("file-absent", detail).with("file", name)
        };
        let address = match &self.own {
            None => format!("{base}{name}"),
            Some(Own::Loose(files)) => files.get(name).cloned().ok_or_else(absent)?,
            Some(Own::Archive(archive)) => {
                let (stream, bytes) = archive.stream(name).ok_or_else(absent)?;
                let wanted = Wanted { file: name.to_owned(), bytes: Some(bytes), ..Wanted::default() };
                return Ok(Body::of_stream(wanted, &stream, &self.shared));
            }
        };
        let listed =
            listing.as_ref().and_then(|listing| listing.files.get(name)).cloned().unwrap_or_default();
        let wanted = Wanted {
            file: name.to_owned(),
            address,
            may_change: edition.commit.is_none(),
            bytes: listed.bytes,
            sha256: listed.sha256,
        };
        Body::open(wanted, &self.shared).await
    }

    async fn small(&self, name: &str) -> Result<Vec<u8>, Problem> {
        self.open(name).await?.whole().await
    }

    /// Whether a file is there, as far as that is known without asking for it.
    fn has(&self, name: &str) -> Option<bool> {
        let stored = self.shared.folder.as_ref().is_some_and(|folder| folder.has(name));
        if stored {
            return Some(true);
        }
        if let Some(own) = &self.own {
            return Some(own.has(name));
        }
        Some(self.place.listing.as_ref()?.files.contains_key(name))
    }

    /// A file that need not be there.
    async fn optional(&self, name: &str) -> Result<Option<Vec<u8>>, Problem> {
        if self.has(name) == Some(false) {
            return Ok(None);
        }
        match self.small(name).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(problem) if is_missing(&problem) => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// The vocabulary, in whichever form it is there.
    async fn vocabulary(&self) -> Result<Vocabulary, Problem> {
        if let Some(bytes) = self.optional(TOKENIZER_FILE).await? {
            return Ok(Vocabulary::Tokenizer(bytes));
        }
        let settings = || self.optional("tokenizer_config.json");
        if let Some(vocab) = self.optional("vocab.txt").await? {
            return Ok(Vocabulary::Pieces { vocab, settings: settings().await? });
        }
        if let Some(vocab) = self.optional("vocab.json").await?
            && let Some(merges) = self.optional("merges.txt").await?
        {
            return Ok(Vocabulary::Merges { vocab, merges, settings: settings().await? });
        }
        let detail = "there is neither tokenizer.json, nor vocab.txt, nor vocab.json with merges.txt";
        Err(Problem::new("no-tokenizer", detail).with("url", &self.place.base))
    }

    /// Opens the weights, in whichever form they are there.
    async fn weights(&self) -> Result<Weights<'a>, Problem> {
        let in_parts = self.has(WEIGHTS_FILE) != Some(true) && self.has(SHARDS_FILE) == Some(true);
        let whole = match in_parts {
            false => self.open(WEIGHTS_FILE).await,
            true => Err(Problem::new("file-absent", "").with("file", WEIGHTS_FILE)),
        };
        let absent = match whole {
            Ok(body) => return Ok(Weights::One(Box::new(body))),
            Err(problem) if is_missing(&problem) => problem,
            Err(problem) => return Err(problem),
        };
        match self.open(SHARDS_FILE).await {
            Ok(mut index) => {
                let index = index.whole().await?;
                return Ok(Weights::Several(Box::new(Shards::open(self, &index).await?)));
            }
            Err(problem) if is_missing(&problem) => {}
            Err(problem) => return Err(problem),
        }
        let pickled = match self.has(PICKLED_FILE) {
            Some(known) => known,
            None => self.open(PICKLED_FILE).await.is_ok(),
        };
        if !pickled {
            return Err(absent);
        }
        let detail = "there is pytorch_model.bin, but no model.safetensors. Files of PyTorch can run code, so they are not \
                      opened: convert it to safetensors first";
        Err(Problem::new("only-pytorch", detail).with("url", &self.place.base))
    }
}

/// Whether the server has no such file.
fn is_missing(problem: &Problem) -> bool {
    problem.code == "file-absent" || problem.args.get("status").is_some_and(|status| status == "404")
}

impl Weights<'_> {
    /// The length of the file, where it is known.
    pub fn announced(&self) -> Option<u64> {
        match self {
            Weights::One(body) => body.announced(),
            Weights::Several(shards) => Some(shards.announced()),
        }
    }

    /// The next piece; none at the end.
    ///
    /// # Errors
    /// As [`Body::next`].
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        match self {
            Weights::One(body) => body.next().await,
            Weights::Several(shards) => shards.next().await,
        }
    }
}

impl Keeping<'_> {
    /// The checkpoint is in use: what it replaces goes. Gives where it is from, and why it is not kept for the next time, if
    /// it is not.
    pub async fn keep(&self) -> (Option<Origin>, Option<Problem>) {
        let mut origin = self.origin.clone();
        let Some(folder) = &self.shared.folder else { return (origin, self.forbidden.clone()) };
        let licence = folder.note_use(origin.as_ref().and_then(|origin| origin.licence.clone())).await;
        if let Some(origin) = &mut origin {
            origin.licence = licence;
        }
        if folder.trouble().is_none()
            && let Some(store) = &self.store
        {
            store.forget_older(&self.edition).await;
        }
        (origin, folder.trouble())
    }

    /// What an engine made of the files, as it is. Those that it refused for what they hold are not used again.
    ///
    /// # Errors
    /// The engine's.
    pub async fn judged<T>(&self, outcome: Result<T, Problem>) -> Result<T, Problem> {
        if let (Err(problem), Some(folder)) = (&outcome, &self.shared.folder)
            && problem.is_of_a_file()
        {
            folder.clear().await;
        }
        outcome
    }
}
