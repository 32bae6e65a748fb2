//! What a hub tells of a repository before its files are fetched: the commit that a revision stands for, and each file's
//! length and hash.
//!
//! API: <https://huggingface.co/docs/hub/api>, `GET /api/models/{repo_id}/revision/{revision}?blobs=true`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::source::{Repository, with_slash};

/// What a file must be like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its length in bytes.
    pub(super) bytes: Option<u64>,
    /// Its SHA-256 in hexadecimal; hubs tell it of large files.
    pub(super) sha256: Option<String>,
}

/// The files of a repository at one commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    /// The commit.
    pub(super) commit: String,
    /// What lies there, by name.
    pub(super) files: BTreeMap<String, Listed>,
    /// The licence, as its card names it.
    pub(super) licence: Option<String>,
}

impl Listing {
    /// Reads the hub's answer; none if it is something else.
    pub(super) fn parse(answer: &[u8]) -> Option<Listing> {
        #[derive(Deserialize)]
        struct Answer {
            sha: String,
            #[serde(default)]
            siblings: Vec<Sibling>,
            #[serde(default, rename = "cardData")]
            card: serde_json::Value,
        }
        #[derive(Deserialize)]
        struct Sibling {
            rfilename: String,
            size: Option<u64>,
            lfs: Option<Lfs>,
        }
        #[derive(Deserialize)]
        struct Lfs {
            sha256: Option<String>,
            size: Option<u64>,
        }
        let Answer { sha, siblings, card } = serde_json::from_slice(answer).ok()?;
        let is_hash =
            |text: &str, length| text.len() == length && text.chars().all(|c| c.is_ascii_hexdigit());
        if !is_hash(&sha, 40) {
            return None;
        }
        let listed = |Sibling { rfilename, size, lfs }| {
            let (sha256, length) = lfs.map_or((None, None), |lfs: Lfs| (lfs.sha256, lfs.size));
            let sha256 = sha256.filter(|hash| is_hash(hash, 64)).map(|hash| hash.to_ascii_lowercase());
            (rfilename, Listed { bytes: length.or(size), sha256 })
        };
        // A card may name several, or none.
        let licence = card.get("license").and_then(|licence| licence.as_str()).map(str::to_owned);
        Some(Listing { commit: sha, files: siblings.into_iter().map(listed).collect(), licence })
    }

    /// Where a hub gives the listing of a repository.
    pub(super) fn address(hub: &str, Repository { name, revision }: &Repository) -> String {
        format!("{}api/models/{name}/revision/{}?blobs=true", with_slash(hub), escaped(revision))
    }
}

/// The folder of a repository's files at a revision.
pub(super) fn folder(hub: &str, repository: &str, revision: &str) -> String {
    format!("{}{repository}/resolve/{}/", with_slash(hub), escaped(revision))
}

/// A revision as a part of an address: its slashes must not look like folders.
fn escaped(revision: &str) -> String {
    revision.replace('/', "%2F")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hub_s_answer_is_read() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let hash = "A".repeat(64);
        let answer = format!(
            r#"{{"id": "a/b", "sha": "{commit}", "private": false, "cardData": {{"license": "mit"}}, "siblings": [
                {{"rfilename": "config.json", "size": 570, "blobId": "45a2"}},
                {{"rfilename": "model.safetensors", "size": 99, "lfs": {{"sha256": "{hash}", "size": 99, "pointerSize": 134}}}},
                {{"rfilename": "README.md"}}]}}"#
        );
        let listing = Listing::parse(answer.as_bytes()).unwrap_or_default();
        assert_eq!((listing.commit.as_str(), listing.licence.as_deref()), (commit, Some("mit")));
        let files: Vec<_> =
            listing.files.into_iter().map(|(name, file)| (name, file.bytes, file.sha256)).collect();
        assert_eq!(
            files,
            [
                ("README.md".to_owned(), None, None),
                ("config.json".to_owned(), Some(570), None),
                ("model.safetensors".to_owned(), Some(99), Some("a".repeat(64))),
            ]
        );
    }

    #[test]
    fn something_else_is_no_listing() {
        for answer in ["", "<!doctype html>", "[]", "{}", r#"{"sha": "main"}"#, r#"{"sha": "../../etc"}"#] {
            assert_eq!(Listing::parse(answer.as_bytes()), None, "{answer}");
        }
    }

    #[test]
    fn addresses_are_the_hub_s() {
        let repository = Repository { name: "a/b".to_owned(), revision: "refs/pr/1".to_owned() };
        assert_eq!(
            Listing::address("https://hub.example", &repository),
            "https://hub.example/api/models/a/b/revision/refs%2Fpr%2F1?blobs=true"
        );
        assert_eq!(folder("https://hub.example/", "a/b", "main"), "https://hub.example/a/b/resolve/main/");
    }
}
