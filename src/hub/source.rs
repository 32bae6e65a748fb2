//! The names of checkpoints: `bert`, `gpt`, `url:<base>/`.

use crate::engine::protocol::Problem;

/// A checkpoint that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A model that lies beside the page, by its folder's name.
    Embedded(&'static str),
    /// A folder with `config.json`, `tokenizer.json` and `model.safetensors`; the address ends with `/`.
    Url(String),
}

impl Source {
    /// Reads a source's name.
    ///
    /// # Errors
    /// `bad-source`, with what would be understood.
    pub fn parse(name: &str) -> Result<Source, Problem> {
        let refuse = |why: &str| {
            let known = "Use \"bert\", \"gpt\", or \"url:\" and the https address of a folder";
            Err(Problem::new("bad-source", format!("\"{name}\" {why}. {known}.")).with("source", name))
        };
        match name {
            "bert" => return Ok(Source::Embedded("bert")),
            "gpt" => return Ok(Source::Embedded("gpt")),
            _ => {}
        }
        let Some(address) = name.strip_prefix("url:") else {
            return refuse("is no model that this page knows");
        };
        let web = address.starts_with("https://") || address.starts_with("http://");
        if !web || address.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return refuse("holds no web address");
        }
        let slash = if address.ends_with('/') { "" } else { "/" };
        Ok(Source::Url(format!("{address}{slash}")))
    }

    /// The folder's address, relative to the page for its own models.
    pub fn base(&self) -> String {
        match self {
            Source::Embedded(folder) => format!("models/{folder}/"),
            Source::Url(base) => base.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood_or_refused_with_a_sentence() {
        for (name, base) in [
            ("bert", "models/bert/"),
            ("gpt", "models/gpt/"),
            ("url:https://a.example/m", "https://a.example/m/"),
            ("url:http://localhost:1/m/", "http://localhost:1/m/"),
        ] {
            assert_eq!(Source::parse(name).map(|source| source.base()), Ok(base.to_owned()));
        }
        for name in
            ["", "BERT", "url:", "url:ftp://a/", "url:javascript:alert(1)", "hf:a/b", "url:https://a b/"]
        {
            let problem = Source::parse(name).unwrap_err();
            assert_eq!(problem.code, "bad-source");
            assert!(problem.detail.contains("Use \"bert\""));
        }
    }
}
