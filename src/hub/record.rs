//! What is written beside the files of a stored checkpoint, so that nothing half-written or altered is ever used.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::answered::Known;

/// Which version of which checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Edition {
    /// The source's name, as it would be asked for again.
    pub(super) source: String,
    /// The hub that has it, where one does.
    pub(super) hub: Option<String>,
    /// The commit that the files belong to; none where files may change under their address.
    pub(super) commit: Option<String>,
}

impl Edition {
    /// The name of the folder that it is stored in.
    pub(super) fn folder(&self) -> String {
        let Edition { source, hub, commit } = self;
        let parts = [Some(source), hub.as_ref(), commit.as_ref()].map(|part| part.map_or("", String::as_str));
        hex(&Sha256::digest(parts.join("\n")))
    }

    /// Whether the other is the same checkpoint at another commit.
    pub(super) fn replaces(&self, other: &Edition) -> bool {
        self.source == other.source && self.hub == other.hub && self.commit != other.commit
    }
}

/// What is known of a stored checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Which one it is.
    pub(super) edition: Edition,
    /// Its licence, as its card named it.
    #[serde(default)]
    pub(super) licence: Option<String>,
    /// When it was last asked for, in ms since 1970.
    pub(super) used: f64,
    /// Whether all of it had arrived, and nothing was given up since.
    #[serde(default)]
    pub(super) whole: bool,
    /// Its files, by name, as far as they were begun.
    pub(super) files: BTreeMap<String, Stored>,
}

/// What is known of a stored file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stored {
    /// Its length when all of it is there, in bytes.
    pub(super) bytes: Option<u64>,
    /// What named its version when it was fetched.
    pub(super) validator: Option<String>,
    /// The SHA-256 of all of it in hexadecimal, as the hub told it.
    pub(super) sha256: Option<String>,
    /// The CRC-32 of all of it, when all of it had arrived: in a worker it is ten times as fast as the hash.
    pub(super) sum: Option<u32>,
}

impl Stored {
    /// Whether `length` bytes of it are all.
    pub(super) fn is_whole(&self, length: u64) -> bool {
        self.bytes == Some(length)
    }

    /// What the rest of it must agree with.
    pub(super) fn known(&self) -> Known {
        Known { validator: self.validator.clone(), bytes: self.bytes, hashed: self.sha256.is_some() }
    }
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let edition = Edition { source: "hf:a/b".to_owned(), hub: None, commit: Some("1".to_owned()) };
        let stored =
            Stored { bytes: Some(10), validator: Some("\"a\"".to_owned()), sha256: None, sum: Some(7) };
        assert!(stored.is_whole(10) && !stored.is_whole(9) && !Stored::default().is_whole(0));
        assert!(stored.known().can_continue() && !Stored::default().known().can_continue());
        let files = BTreeMap::from([("config.json".to_owned(), stored)]);
        let record = Record { edition, licence: Some("mit".to_owned()), used: 1.5, whole: true, files };
        let text = serde_json::to_string(&record).unwrap_or_default();
        assert_eq!(serde_json::from_str::<Record>(&text).ok(), Some(record));
    }

    #[test]
    fn every_edition_has_a_folder_of_its_own() {
        let of = |source: &str, hub: Option<&str>, commit: Option<&str>| Edition {
            source: source.to_owned(),
            hub: hub.map(str::to_owned),
            commit: commit.map(str::to_owned),
        };
        let editions = [
            of("hf:a/b", Some("https://h/"), Some("1")),
            of("hf:a/b", Some("https://h/"), Some("2")),
            of("hf:a/b", Some("https://g/"), Some("1")),
            of("hf:a/b", None, None),
            of("url:https://h/", None, None),
        ];
        for (index, edition) in editions.iter().enumerate() {
            let folder = edition.folder();
            assert!(folder.len() == 64 && folder.chars().all(|c| c.is_ascii_hexdigit()));
            assert!(editions[..index].iter().all(|other| other.folder() != folder));
        }
        assert!(editions[0].replaces(&editions[1]));
        assert!(!editions[0].replaces(&editions[0]) && !editions[0].replaces(&editions[2]));
    }
}
