//! What a server says before it sends a file, and whether what follows belongs to what is there of it already.
//!
//! RFC 9110: range requests (section 14), validators (8.8), `Retry-After` (10.2.3).

use std::time::Duration;

/// What tells that a file is still the one of which a part is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Its `ETag`, or else its `Last-Modified`.
    pub(super) validator: Option<String>,
    /// Its length in bytes.
    pub(super) bytes: Option<u64>,
    /// Whether its hash is known, so that a wrong part would be found at the end.
    pub(super) hashed: bool,
}

impl Known {
    /// Whether the rest of it may be fetched later: another file would be noticed.
    pub(super) fn can_continue(&self) -> bool {
        self.validator.is_some() || self.hashed
    }
}

/// The head of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answered {
    /// The HTTP status.
    pub(super) status: u16,
    /// Bytes of the whole file, where they are told.
    pub(super) bytes: Option<u64>,
    /// What names this version of the file.
    pub(super) validator: Option<String>,
    /// Whether it is a web page.
    pub(super) is_page: bool,
    /// Which byte of the file comes first, in an answer to a range request.
    first: Option<u64>,
    /// Bytes that follow now.
    length: Option<u64>,
    retry_after: Option<Duration>,
}

/// What to do with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The file comes from its beginning.
    Begins,
    /// The rest comes that was asked for.
    Continues,
    /// It is not the file of which a part is there: begin anew.
    Changed,
    /// Ask again, after this time if the server names one.
    Later(Option<Duration>),
    /// It gives no such file.
    Refuses,
}

impl Answered {
    /// Reads the status and the headers; of those that the server does not expose, nothing is known.
    pub(super) fn read(status: u16, header: &dyn Fn(&str) -> Option<String>) -> Answered {
        let number = |text: &str| text.trim().parse::<u64>().ok();
        // Lengths count compressed bytes where there is an encoding, and a tag may name the compressed file.
        let encoded = header("content-encoding").is_some_and(|encoding| encoding != "identity");
        let plain = |name: &str| header(name).filter(|_| !encoded);
        let length = plain("content-length").as_deref().and_then(number);
        let range = plain("content-range");
        let range = range.as_deref().and_then(|range| range.strip_prefix("bytes ")?.split_once('/'));
        let first = range.and_then(|(range, _)| number(range.split('-').next()?));
        let bytes = match status {
            206 => range.and_then(|(_, total)| number(total)),
            _ => length,
        };
        Answered {
            status,
            bytes,
            validator: plain("etag").or_else(|| plain("last-modified")),
            is_page: header("content-type").is_some_and(|kind| kind.starts_with("text/html")),
            first,
            length,
            retry_after: header("retry-after").as_deref().and_then(number).map(Duration::from_secs),
        }
    }

    /// What to do with the answer to a request for everything from byte `from` on.
    pub(super) fn verdict(&self, from: u64, known: &Known) -> Verdict {
        match self.status {
            200 if from == 0 || self.is_of(known) => Verdict::Begins,
            206 if self.begins_at(from, known) && self.is_of(known) => Verdict::Continues,
            200 | 206 | 416 => Verdict::Changed,
            // What a server does not know how to answer it will not know later.
            501 => Verdict::Refuses,
            408 | 429 | 500..=599 => Verdict::Later(self.retry_after),
            _ => Verdict::Refuses,
        }
    }

    /// Whether nothing is said of the file, in an answer to a request of this form.
    pub(super) fn refuses(&self) -> bool {
        self.verdict(0, &Known::default()) == Verdict::Refuses
    }

    /// Whether all of the file that is known is what the server would send now. A server that names no version, or is out of
    /// order, says nothing of that: then the file is taken for another, or for the same.
    pub(super) fn is_still(&self, known: &Known) -> bool {
        match self.verdict(0, &Known::default()) {
            Verdict::Begins => self.validator.is_some() && self.is_of(known),
            Verdict::Later(_) => true,
            _ => false,
        }
    }

    /// Whether this is the file that is known.
    fn is_of(&self, known: &Known) -> bool {
        let same_length = self.bytes.is_none() || known.bytes.is_none() || self.bytes == known.bytes;
        let same = match (&self.validator, &known.validator) {
            (Some(now), Some(before)) => now == before,
            _ => known.hashed,
        };
        same && same_length
    }

    /// Whether the answer starts at byte `from`. The header that says so may not be exposed; then the lengths must add up.
    fn begins_at(&self, from: u64, known: &Known) -> bool {
        match (self.first, self.length, known.bytes) {
            (Some(first), _, _) => first == from,
            (None, Some(length), Some(bytes)) => from + length == bytes,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, headers: &[(&str, &str)]) -> Answered {
        let header = |name: &str| {
            headers.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Answered::read(status, &header)
    }

    fn known(validator: Option<&str>, bytes: Option<u64>, hashed: bool) -> Known {
        Known { validator: validator.map(str::to_owned), bytes, hashed }
    }

    #[test]
    fn an_answer_is_judged_by_what_is_known_of_the_file() {
        let a = known(Some("\"a\""), Some(100), false);
        let hashed = known(None, Some(100), true);
        let nothing = Known::default();
        let (tag, range) = (("etag", "\"a\""), ("content-range", "bytes 40-99/100"));
        for (status, headers, from, known, verdict) in [
            (200, &[("content-length", "100"), tag][..], 0, &nothing, Verdict::Begins),
            (200, &[], 0, &a, Verdict::Begins),
            (206, &[range, tag], 40, &a, Verdict::Continues),
            (206, &[range, ("etag", "\"b\"")], 40, &a, Verdict::Changed),
            (206, &[range], 40, &a, Verdict::Changed),
            (206, &[range], 40, &hashed, Verdict::Continues),
            (206, &[("content-range", "bytes 30-99/100"), tag], 40, &a, Verdict::Changed),
            (206, &[("content-range", "bytes 40-119/120"), tag], 40, &a, Verdict::Changed),
            // A server that exposes no more than it must.
            (206, &[("content-length", "60"), tag], 40, &a, Verdict::Continues),
            (206, &[("content-length", "61"), tag], 40, &a, Verdict::Changed),
            (206, &[tag], 40, &a, Verdict::Changed),
            // A server that knows no ranges sends everything.
            (200, &[("content-length", "100"), tag], 40, &a, Verdict::Begins),
            (200, &[("content-length", "100"), ("etag", "\"b\"")], 40, &a, Verdict::Changed),
            (416, &[("content-range", "bytes */30")], 40, &a, Verdict::Changed),
            (429, &[("retry-after", "7")], 0, &a, Verdict::Later(Some(Duration::from_secs(7)))),
            (503, &[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")], 0, &a, Verdict::Later(None)),
            (404, &[], 0, &a, Verdict::Refuses),
            (501, &[], 0, &a, Verdict::Refuses),
            (401, &[], 40, &a, Verdict::Refuses),
        ] {
            assert_eq!(
                answered(status, headers).verdict(from, known),
                verdict,
                "{status} {headers:?} from {from}"
            );
        }
    }

    #[test]
    fn a_whole_file_is_current_while_its_validator_is() {
        let a = known(Some("\"a\""), Some(100), true);
        for (status, headers, is_still) in [
            (200, &[("etag", "\"a\"")][..], true),
            (200, &[("etag", "\"b\"")], false),
            (200, &[("etag", "\"a\""), ("content-length", "101")], false),
            (200, &[("content-length", "100")], false),
            (503, &[], true),
            (404, &[], false),
        ] {
            assert_eq!(answered(status, headers).is_still(&a), is_still, "{status} {headers:?}");
        }
        assert!(!answered(200, &[]).is_still(&Known::default()));
    }

    #[test]
    fn a_server_that_only_sends_files_says_so() {
        for (status, refuses) in [(405, true), (501, true), (403, true), (200, false), (503, false)] {
            assert_eq!(answered(status, &[]).refuses(), refuses, "{status}");
        }
    }

    #[test]
    fn a_compressed_answer_tells_no_length() {
        let headers = [("content-encoding", "gzip"), ("content-length", "30"), ("etag", "\"a\"")];
        assert_eq!(answered(200, &headers), Answered { status: 200, ..Answered::default() });
    }

    #[test]
    fn a_date_stands_in_for_a_tag() {
        let date = "Wed, 21 Oct 2026 07:28:00 GMT";
        assert_eq!(answered(200, &[("last-modified", date)]).validator.as_deref(), Some(date));
        assert!(!Known::default().can_continue());
        assert!(known(Some(date), None, false).can_continue() && known(None, None, true).can_continue());
    }
}
