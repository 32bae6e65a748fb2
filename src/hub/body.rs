//! A file that is arriving: what is stored of it first, then the rest from its server, however often the line is cut.

use std::rc::Rc;
use std::time::Duration;

use js_sys::Uint8Array;
use sha2::{Digest, Sha256};
use web_sys::{Blob, ReadableStream};

use super::answered::{Answered, Known, Verdict};
use super::control::Control;
use super::fetch::{Part, Pieces, fetch};
use super::meter::Meter;
use super::record::{Stored, hex};
use super::store::{Folder, Writer};
use crate::engine::protocol::Problem;

/// How often in a row a server is asked again without anything having come.
const TRIES: u32 = 4;
/// The rest before the first of these; each is twice as long as the one before.
const FIRST_REST: Duration = Duration::from_millis(250);
/// The longest rest that a server may ask for. One that asks for more is busy.
const LONGEST_REST: Duration = Duration::from_secs(20);

/// What all files of a download share.
pub(super) struct Shared<'a> {
    pub control: Rc<Control>,
    pub meter: Meter<'a>,
    /// Where they are stored; none for the page's own, which the browser keeps with the page.
    pub folder: Option<Folder>,
}

/// Which file is wanted.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Its name in the folder.
    pub file: String,
    pub address: String,
    /// Whether another file may come to lie under its address.
    pub may_change: bool,
    /// Its length, where it is known before.
    pub bytes: Option<u64>,
    /// Its SHA-256 in hexadecimal, where it is known before.
    pub sha256: Option<String>,
}

/// A file that is arriving.
pub struct Body<'a> {
    shared: Rc<Shared<'a>>,
    wanted: Wanted,
    /// What the rest must agree with.
    known: Known,
    /// What is stored, as far as it was not yet given out.
    stored: Option<Pieces>,
    network: Option<Pieces>,
    writer: Option<Writer>,
    /// Bytes that were given out.
    arrived: u64,
    /// Bytes that come once more, from a server that knows no ranges.
    again: u64,
    tries: u32,
    /// Of what was given out: what the store compares, and what the hub told, where it told of one.
    sum: crc32fast::Hasher,
    hash: Option<Sha256>,
    /// The sum that the store has.
    stored_sum: Option<u32>,
}

impl<'a> Body<'a> {
    /// Opens a file, as far as it is stored; its server is asked for the rest.
    ///
    /// # Errors
    /// `network` (nothing answered), `http-status` (it answered with an error), `not-allowed` (it wants a login), `busy`
    /// (it asks for a longer rest than anybody waits), `not-a-model-file` (it answered with a web page), `cancelled`; each
    /// names the file and the address.
    pub(super) async fn open(wanted: Wanted, shared: &Rc<Shared<'a>>) -> Result<Body<'a>, Problem> {
        let mut body = Body::new(wanted, shared);
        body.hash = body.wanted.sha256.is_some().then(Sha256::new);
        let before = match &body.shared.folder {
            Some(folder) => folder.stored(&body.wanted.file).await,
            None => None,
        };
        match before {
            Some((stored, blob)) => body.go_on(stored, blob).await?,
            None => body.begin().await?,
        }
        body.shared.meter.announce(&body.wanted.file, body.known.bytes);
        Ok(body)
    }

    /// A file that comes as a stream of the browser's.
    pub(super) fn of_stream(wanted: Wanted, stream: &ReadableStream, shared: &Rc<Shared<'a>>) -> Body<'a> {
        shared.meter.announce(&wanted.file, wanted.bytes);
        let mut body = Body::new(wanted, shared);
        body.network = Some(Pieces::of(stream));
        body
    }

    fn new(wanted: Wanted, shared: &Rc<Shared<'a>>) -> Body<'a> {
        let known = Known { validator: None, bytes: wanted.bytes, hashed: wanted.sha256.is_some() };
        Body {
            shared: Rc::clone(shared),
            wanted,
            known,
            stored: None,
            network: None,
            writer: None,
            arrived: 0,
            again: 0,
            tries: 0,
            sum: crc32fast::Hasher::new(),
            hash: None,
            stored_sum: None,
        }
    }

    /// The length of the file, where it is known.
    pub fn announced(&self) -> Option<u64> {
        self.known.bytes
    }

    /// Uses what is stored, if it is still the file that is wanted.
    async fn go_on(&mut self, stored: Stored, blob: Blob) -> Result<(), Problem> {
        let length = blob.size() as u64;
        let agrees = |ours: &Option<String>, theirs: &Option<String>| {
            ours.is_none() || theirs.is_none() || ours == theirs
        };
        let is_wanted = agrees(&self.wanted.sha256, &stored.sha256)
            && self.wanted.bytes.is_none_or(|bytes| stored.bytes == Some(bytes));
        if !is_wanted {
            self.forget().await;
            return self.begin().await;
        }
        if stored.is_whole(length) {
            if !self.wanted.may_change || self.is_current(&stored.known()).await? {
                self.known = stored.known();
                self.stored_sum = stored.sum;
                // Its hash was compared when it came.
                self.hash = self.hash.take().filter(|_| stored.sum.is_none());
                self.stored = Some(Pieces::of(&blob.stream()));
                return Ok(());
            }
        } else if length > 0 && stored.known().can_continue() {
            self.known = stored.known();
            self.connect(length).await?;
            // A server that knows no ranges sends everything; then nothing stored is needed.
            if self.again == 0 {
                self.stored = Some(Pieces::of(&blob.stream()));
            } else {
                self.again = 0;
                self.begin_writing().await;
            }
            return Ok(());
        }
        self.forget().await;
        self.begin().await
    }

    /// Whether the server still has the file that is stored.
    async fn is_current(&self, stored: &Known) -> Result<bool, Problem> {
        let answer = match self.ask(Part::Head).await? {
            Some(answer) if !answer.0.refuses() => Some(answer),
            // Storage services with signed addresses, and small servers, may know nothing but GET.
            _ => self.ask(Part::From(0)).await?,
        };
        // Without a line, what is here is all there is.
        Ok(answer.is_none_or(|(answered, _)| answered.is_still(stored)))
    }

    /// Fetches the file from its beginning.
    async fn begin(&mut self) -> Result<(), Problem> {
        self.connect(0).await?;
        self.begin_writing().await;
        Ok(())
    }

    async fn begin_writing(&mut self) {
        let Some(folder) = &self.shared.folder else { return };
        let Known { validator, bytes, .. } = self.known.clone();
        let sha256 = self.wanted.sha256.clone();
        folder.note(&self.wanted.file, Stored { bytes, validator, sha256, sum: None }).await;
        self.writer = folder.writer(&self.wanted.file, 0).await;
    }

    /// Asks the server for everything from byte `from` on, as often as it makes sense.
    async fn connect(&mut self, from: u64) -> Result<(), Problem> {
        let mut from = from;
        loop {
            let (answered, pieces) = match self.ask(Part::From(from)).await? {
                Some(answer) => answer,
                // A server that never answered will not answer now.
                None if self.arrived == 0 => return Err(self.unreachable()),
                None => {
                    self.rest(None).await?;
                    continue;
                }
            };
            match answered.verdict(from, &self.known) {
                verdict @ (Verdict::Begins | Verdict::Continues) => {
                    if answered.is_page {
                        let detail =
                            format!("{} is a web page, not {}", self.wanted.address, self.wanted.file);
                        return Err(self.problem("not-a-model-file", detail));
                    }
                    self.again = if verdict == Verdict::Begins { from } else { 0 };
                    self.known.bytes = self.wanted.bytes.or(answered.bytes).or(self.known.bytes);
                    self.known.validator = answered.validator.or(self.known.validator.take());
                    self.network = pieces;
                    return Ok(());
                }
                Verdict::Later(rest) => self.rest(rest.or(Some(Duration::ZERO))).await?,
                // Nothing of the other file was given out.
                Verdict::Changed if self.arrived == 0 && from > 0 => {
                    self.forget().await;
                    self.known = Known {
                        validator: None,
                        bytes: self.wanted.bytes,
                        hashed: self.wanted.sha256.is_some(),
                    };
                    from = 0;
                }
                Verdict::Changed => {
                    self.forget().await;
                    let detail = format!("{} became another file while it arrived", self.wanted.address);
                    return Err(self.problem("file-changed", detail));
                }
                Verdict::Refuses => return Err(self.refusal(answered.status)),
            }
        }
    }

    /// Asks the server once; none if nothing answers.
    async fn ask(&self, part: Part) -> Result<Option<(Answered, Option<Pieces>)>, Problem> {
        fetch(&self.wanted.address, part, self.shared.folder.is_some(), &self.shared.control).await
    }

    /// Rests before the server is asked again; longer if it asks for that.
    async fn rest(&mut self, asked: Option<Duration>) -> Result<(), Problem> {
        self.tries += 1;
        if self.tries > TRIES || asked.is_some_and(|asked| asked > LONGEST_REST) {
            return Err(match asked {
                Some(asked) => {
                    let detail = format!("the server of {} is busy; try again later", self.wanted.address);
                    self.problem("busy", detail).with("seconds", asked.as_secs())
                }
                None => self.cut(),
            });
        }
        let rest = FIRST_REST * 2_u32.pow(self.tries - 1);
        self.shared.control.rest(rest.max(asked.unwrap_or_default())).await
    }

    /// The next piece; none at the end.
    ///
    /// # Errors
    /// As [`Body::open`]; `truncated`, if the file breaks off again and again, or ends too soon; `hash-differs`, if it is
    /// not the expected one; `file-changed`, if another file came to lie there.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        loop {
            self.shared.control.pass().await?;
            if let Some(stored) = &self.stored {
                match stored.next().await {
                    Ok(Some(piece)) => return Ok(Some(self.take(&piece, false))),
                    Ok(None) => {
                        self.stored = None;
                        if self.is_missing_some()
                            && let Some(folder) = &self.shared.folder
                        {
                            self.writer = folder.writer(&self.wanted.file, self.arrived).await;
                        }
                        continue;
                    }
                    Err(_) => {
                        self.forget().await;
                        return Err(self.differs());
                    }
                }
            }
            let Some(network) = &self.network else {
                if self.is_missing_some() && self.known.can_continue() {
                    self.connect(self.arrived).await?;
                    continue;
                }
                return self.end().await;
            };
            match network.next().await {
                Ok(Some(piece)) => {
                    self.tries = 0;
                    let skipped = self.again.min(u64::from(piece.length()));
                    self.again -= skipped;
                    let piece = piece.subarray(skipped as u32, piece.length());
                    if piece.length() > 0 {
                        return Ok(Some(self.take(&piece, true)));
                    }
                }
                Ok(None) if !self.is_missing_some() => self.network = None,
                Ok(None) | Err(_) => {
                    self.network = None;
                    self.shared.control.pass().await?;
                    if !self.known.can_continue() {
                        self.forget().await;
                        return Err(self.cut());
                    }
                    self.rest(None).await?;
                }
            }
        }
    }

    /// Whether more is to come, as far as that is known.
    fn is_missing_some(&self) -> bool {
        self.known.bytes.is_some_and(|bytes| self.arrived < bytes)
    }

    /// Lets the server go, if the rest can be asked for when it is wanted.
    pub(super) fn sleep(&mut self) {
        if self.known.bytes.is_some() && self.known.can_continue() {
            self.network = None;
        }
    }

    /// Lets the rest be on its way again.
    ///
    /// # Errors
    /// As [`Body::open`].
    pub(super) async fn wake(&mut self) -> Result<(), Problem> {
        let is_awake = self.network.is_some() || self.stored.is_some();
        if is_awake || !self.is_missing_some() { Ok(()) } else { self.connect(self.arrived).await }
    }

    /// Gives a piece out.
    fn take(&mut self, piece: &Uint8Array, from_network: bool) -> Vec<u8> {
        if from_network
            && let Some(writer) = &mut self.writer
            && let Err(problem) = writer.write(piece)
        {
            self.writer = None;
            if let Some(folder) = &self.shared.folder {
                folder.refuse(problem);
            }
        }
        let bytes = piece.to_vec();
        self.arrived += bytes.len() as u64;
        if self.shared.folder.is_some() {
            self.sum.update(&bytes);
        }
        if let Some(hash) = &mut self.hash {
            hash.update(&bytes);
        }
        self.shared.meter.count(&self.wanted.file, bytes.len() as u64, from_network);
        bytes
    }

    /// Looks whether what has arrived is the file.
    async fn end(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        if let Some(bytes) = self.known.bytes.filter(|bytes| *bytes != self.arrived) {
            self.forget().await;
            return Err(if self.arrived > bytes { self.differs() } else { self.cut() });
        }
        let Some(folder) = &self.shared.folder else { return Ok(None) };
        let sum = self.sum.clone().finalize();
        let hash = self.hash.take().map(|hash| hex(&hash.finalize()));
        let other_hash = hash.is_some() && hash != self.wanted.sha256;
        if other_hash || self.stored_sum.is_some_and(|stored| stored != sum) {
            self.forget().await;
            return Err(self.differs());
        }
        if folder.trouble().is_some() {
            // There may be room for something smaller.
            self.forget().await;
        } else if self.stored_sum.is_none() {
            self.writer = None;
            let (bytes, validator) = (Some(self.arrived), self.known.validator.clone());
            let stored = Stored { bytes, validator, sha256: self.wanted.sha256.clone(), sum: Some(sum) };
            folder.note(&self.wanted.file, stored).await;
            self.stored_sum = Some(sum);
        }
        Ok(None)
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

    /// Nothing of it is used again.
    async fn forget(&mut self) {
        self.writer = None;
        if let Some(folder) = &self.shared.folder {
            folder.forget(&self.wanted.file).await;
        }
    }

    fn problem(&self, code: &str, detail: String) -> Problem {
        let Wanted { file, address, .. } = &self.wanted;
        Problem::new(code, detail).with("file", file).with("url", address)
    }

    fn unreachable(&self) -> Problem {
        self.problem("network", format!("nothing answered at {}", self.wanted.address))
    }

    fn refusal(&self, status: u16) -> Problem {
        let detail = format!("{} answered with status {status}", self.wanted.address);
        let problem = match status {
            401 | 403 => self.problem("not-allowed", detail),
            _ => self.problem("http-status", detail),
        };
        problem.with("status", status)
    }

    fn cut(&self) -> Problem {
        let Body { wanted: Wanted { address, .. }, arrived, .. } = self;
        let of = self.known.bytes.map_or(String::new(), |bytes| format!(" of {bytes}"));
        let problem = self.problem("truncated", format!("{address} broke off after {arrived}{of} bytes"));
        let problem = problem.with("loaded", arrived);
        match self.known.bytes {
            Some(total) => problem.with("total", total),
            None => problem,
        }
    }

    fn differs(&self) -> Problem {
        let detail =
            format!("what came from {} is not the expected file; it was deleted", self.wanted.address);
        self.problem("hash-differs", detail)
    }
}
