//! The names of checkpoints: `bert`, `gpt`, `hf:<owner>/<name>[@<revision>]`, `url:<base>/`, `files:<name>`.

use crate::engine::protocol::{Origin, Problem};

/// The licence of the page's own models, as their cards say.
const OWN_LICENCE: &str = "cc-by-sa-4.0";

/// The revision of a repository that is meant where none is named.
const MAIN: &str = "main";

/// A checkpoint that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A model that lies beside the page, by its folder's name.
    Embedded(&'static str),
    /// A repository of a hub.
    Hub(Repository),
    /// A folder with the files of a checkpoint; the address ends with `/`.
    Url(String),
    /// Files of the reader's.
    Files,
}

/// A repository of a hub, at a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// `<owner>/<name>`; the oldest models have no owner.
    pub name: String,
    /// A branch, a tag or a commit.
    pub revision: String,
}

impl Source {
    /// Reads a source's name.
    ///
    /// # Errors
    /// `bad-source`, with what would be understood.
    pub fn parse(name: &str) -> Result<Source, Problem> {
        let refuse = |why: &str| {
            let known = "Use \"bert\", \"gpt\", \"hf:\" and a model's name on the Hugging Face hub, or \"url:\" and the https \
                         address of a folder";
            Err(Problem::new("bad-source", format!("\"{name}\" {why}. {known}.")).with("source", name))
        };
        match name {
            "bert" => return Ok(Source::Embedded("bert")),
            "gpt" => return Ok(Source::Embedded("gpt")),
            _ => {}
        }
        if let Some(repository) = name.strip_prefix("hf:") {
            return match Repository::parse(repository) {
                Some(repository) => Ok(Source::Hub(repository)),
                None => refuse("names no model of a hub"),
            };
        }
        if name.starts_with("files:") {
            return Ok(Source::Files);
        }
        let Some(address) = name.strip_prefix("url:") else {
            return refuse("is no model that this page knows");
        };
        if !is_web_address(address) {
            return refuse("holds no web address");
        }
        Ok(Source::Url(with_slash(address)))
    }
}

impl Source {
    /// Where people read about it, with the licence that its hub told of.
    pub fn origin(&self, hub: &str, licence: Option<String>) -> Option<Origin> {
        match self {
            Source::Embedded(folder) => Some(Origin {
                page: format!("models/{folder}/README.md"),
                licence: Some(OWN_LICENCE.to_owned()),
            }),
            Source::Hub(Repository { name, .. }) => {
                Some(Origin { page: format!("{}{name}", with_slash(hub)), licence })
            }
            Source::Url(_) | Source::Files => None,
        }
    }
}

impl Repository {
    fn parse(text: &str) -> Option<Repository> {
        let (name, revision) = text.split_once('@').unwrap_or((text, MAIN));
        let plain = |part: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            !part.is_empty() && part.chars().all(known) && !part.chars().all(|c| c == '.')
        };
        let parts: Vec<&str> = name.split('/').collect();
        let named = parts.len() <= 2 && parts.iter().all(|part| plain(part));
        let (name, revision) = (name.to_owned(), revision.to_owned());
        (named && revision.split('/').all(plain)).then_some(Repository { name, revision })
    }
}

/// Whether it is an address that a browser fetches.
pub(super) fn is_web_address(address: &str) -> bool {
    let web = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"));
    web.is_some_and(|rest| !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || c.is_control()))
}

/// A folder's address.
pub(super) fn with_slash(address: &str) -> String {
    let slash = if address.ends_with('/') { "" } else { "/" };
    format!("{address}{slash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood() {
        let url = |base: &str| Source::Url(base.to_owned());
        let hub = |name: &str, revision: &str| {
            Source::Hub(Repository { name: name.to_owned(), revision: revision.to_owned() })
        };
        for (name, source) in [
            ("bert", Source::Embedded("bert")),
            ("gpt", Source::Embedded("gpt")),
            ("url:https://a.example/m", url("https://a.example/m/")),
            ("url:http://localhost:1/m/", url("http://localhost:1/m/")),
            ("hf:gpt2", hub("gpt2", "main")),
            ("hf:google-bert/bert-base-uncased", hub("google-bert/bert-base-uncased", "main")),
            ("hf:roneneldan/TinyStories-1M@refs/pr/8", hub("roneneldan/TinyStories-1M", "refs/pr/8")),
            ("hf:prajjwal1/bert-tiny@6f75de8b60a9f8a2", hub("prajjwal1/bert-tiny", "6f75de8b60a9f8a2")),
        ] {
            assert_eq!(Source::parse(name), Ok(source));
        }
    }

    #[test]
    fn what_names_no_model_is_refused_with_a_sentence() {
        for name in [
            "",
            "BERT",
            "url:",
            "url:https://",
            "url:ftp://a/",
            "url:javascript:alert(1)",
            "url:https://a b/",
            "hf:",
            "hf:a/b/c",
            "hf:/b",
            "hf:a/",
            "hf:../..",
            "hf:a/b@",
            "hf:a/b@../main",
            "hf:a/b?c",
            "hf:a b/c",
        ] {
            let Err(problem) = Source::parse(name) else { panic!("{name} was understood") };
            assert_eq!(problem.code, "bad-source");
            assert!(problem.detail.contains("Use \"bert\""));
        }
    }
}
