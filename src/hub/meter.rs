//! How a download stands: bytes so far, bytes in all, and how many come in a second.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use web_time::Instant;

/// The time over which speed is measured.
const WINDOW: Duration = Duration::from_secs(3);
/// Speed is told when it was measured over so much time at least.
const ENOUGH: Duration = Duration::from_millis(300);

/// How a download stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing<'a> {
    /// The file that is arriving.
    pub file: &'a str,
    /// Bytes that are here, of all files together.
    pub loaded: u64,
    /// Bytes expected in all, where they are known.
    pub total: Option<u64>,
    /// Bytes that came over the network in a second, lately; none while too little is known.
    pub per_second: Option<f64>,
}

/// Told at every piece that arrives.
pub type OnProgress<'a> = &'a dyn Fn(&Standing<'_>);

/// Counts what arrives.
pub(super) struct Meter<'a> {
    progress: OnProgress<'a>,
    loaded: Cell<u64>,
    /// The length of each file, where it is known.
    lengths: RefCell<BTreeMap<String, Option<u64>>>,
    /// What came over the network lately: when, and how many bytes had come by then.
    fetched: RefCell<VecDeque<(Instant, u64)>>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(progress: OnProgress<'a>) -> Meter<'a> {
        Meter { progress, loaded: Cell::new(0), lengths: RefCell::default(), fetched: RefCell::default() }
    }

    /// A file is part of the download.
    pub(super) fn announce(&self, file: &str, bytes: Option<u64>) {
        self.lengths.borrow_mut().insert(file.to_owned(), bytes);
    }

    /// So many bytes of a file are here.
    pub(super) fn count(&self, file: &str, bytes: u64, from_network: bool) {
        let loaded = self.loaded.get() + bytes;
        self.loaded.set(loaded);
        if from_network {
            self.note(Instant::now(), bytes);
        }
        let total = self.lengths.borrow().values().copied().sum();
        (self.progress)(&Standing { file, loaded, total, per_second: self.per_second() });
    }

    fn note(&self, now: Instant, bytes: u64) {
        let mut fetched = self.fetched.borrow_mut();
        let before = fetched.back().map_or(0, |(_, bytes)| *bytes);
        fetched.push_back((now, before + bytes));
        while fetched.front().is_some_and(|(then, _)| now.duration_since(*then) > WINDOW) {
            fetched.pop_front();
        }
    }

    fn per_second(&self) -> Option<f64> {
        let fetched = self.fetched.borrow();
        let ((first, before), (last, bytes)) = (fetched.front()?, fetched.back()?);
        let time = last.duration_since(*first);
        (time >= ENOUGH).then(|| (bytes - before) as f64 / time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_told_when_every_length_is_known() {
        let told = RefCell::new(Vec::new());
        let progress = |standing: &Standing<'_>| told.borrow_mut().push((standing.loaded, standing.total));
        let meter = Meter::new(&progress);
        meter.announce("a", Some(10));
        meter.announce("b", None);
        meter.count("a", 10, true);
        meter.announce("b", Some(20));
        meter.count("b", 5, false);
        assert_eq!(*told.borrow(), [(10, None), (15, Some(30))]);
    }

    #[test]
    fn speed_is_that_of_the_last_seconds() {
        let meter = Meter::new(&|_| {});
        let start = Instant::now();
        meter.note(start, 1_000_000);
        assert_eq!(meter.per_second(), None);
        for tenth in 1..100 {
            meter.note(start + Duration::from_millis(100 * tenth), 50);
        }
        let speed = meter.per_second().unwrap_or_default();
        assert!((speed - 500.0).abs() < 1.0, "{speed}");
    }
}
