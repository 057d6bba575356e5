//! `runtime_env_overrides.json`: variables an operator sets for every child, with five placeholders.
//!
//! One JSON object of strings. A placeholder is a word in braces and is replaced as it stands, without any other rule; braces
//! around anything else are plain text. Names that would hand a secret to an agent, load code into it or change what the
//! engine relies on are refused, and every error names the key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The five placeholders.
pub const PLACEHOLDERS: [&str; 5] = ["repo_dir", "runtime_dir", "cache_dir", "data_dir", "tmp_dir"];

/// Names that are refused as they stand: they load code, or decide which code is found.
const FORBIDDEN: [&str; 11] = [
    "PATH",
    "BASH_ENV",
    "ENV",
    "PROMPT_COMMAND",
    "NODE_OPTIONS",
    "PYTHONSTARTUP",
    "PERL5OPT",
    "RUBYOPT",
    "JAVA_TOOL_OPTIONS",
    "AGENTPR_CHILD_OF_RUN",
    "AGENTPR_LAUNCH_NUMBER",
];

/// Names with these words would hand a secret over.
const SECRET_WORDS: [&str; 3] = ["TOKEN", "SECRET", "PASSWORD"];

/// Variables with their templates, all of them checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    templates: BTreeMap<String, String>,
}

/// Why an overrides file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OverridesError {
    /// The file cannot be read.
    #[error("cannot read `{}`: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not one JSON object.
    #[error("the overrides are not a JSON object of strings: {0}")]
    NotAnObject(String),
    /// A value is not a text.
    #[error("the value of `{0}` is not a string")]
    NotAString(String),
    /// A name may not be set.
    #[error("`{key}` may not be overridden: {why}")]
    Forbidden {
        /// The name.
        key: String,
        /// The rule it broke.
        why: &'static str,
    },
    /// A template has a placeholder that does not exist.
    #[error("`{key}` has the unknown placeholder `{{{placeholder}}}`; there are {}", PLACEHOLDERS.join(", "))]
    UnknownPlaceholder {
        /// The name.
        key: String,
        /// The placeholder.
        placeholder: String,
    },
}

impl Overrides {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`OverridesError`].
    pub fn load(path: &Path) -> Result<Self, OverridesError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| OverridesError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Checks the text of a file.
    ///
    /// # Errors
    /// [`OverridesError`].
    pub fn parse(text: &str) -> Result<Self, OverridesError> {
        let value: Value =
            serde_json::from_str(text).map_err(|err| OverridesError::NotAnObject(err.to_string()))?;
        let Value::Object(entries) = value else {
            return Err(OverridesError::NotAnObject("it is another kind of value".to_owned()));
        };
        let mut templates = BTreeMap::new();
        for (key, value) in entries {
            let Value::String(template) = value else { return Err(OverridesError::NotAString(key)) };
            if let Some(why) = why_forbidden(&key) {
                return Err(OverridesError::Forbidden { key, why });
            }
            if let Some(placeholder) = unknown_placeholder(&template) {
                return Err(OverridesError::UnknownPlaceholder { key, placeholder });
            }
            templates.insert(key, template);
        }
        Ok(Self { templates })
    }

    /// Names and templates, by name.
    pub fn templates(&self) -> impl Iterator<Item = (&str, &str)> {
        self.templates.iter().map(|(key, template)| (key.as_str(), template.as_str()))
    }
}

fn why_forbidden(key: &str) -> Option<&'static str> {
    let upper = key.to_ascii_uppercase();
    let is_name = !key.is_empty()
        && !key.starts_with(|c: char| c.is_ascii_digit())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        Some("a name has letters, digits and `_` only")
    } else if FORBIDDEN.contains(&upper.as_str()) || upper.starts_with("LD_") || upper.starts_with("DYLD_") {
        Some("it decides which code runs")
    } else if upper.starts_with("GIT_") {
        Some("git's environment is the engine's own")
    } else if upper.ends_with("_PROXY") {
        Some("it would send everything a child says through another program")
    } else if SECRET_WORDS.iter().any(|word| upper.contains(word)) {
        Some("an agent gets no secrets")
    } else {
        None
    }
}

fn unknown_placeholder(template: &str) -> Option<String> {
    template.split('{').skip(1).find_map(|rest| {
        let (word, _) = rest.split_once('}')?;
        let is_word = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (is_word && !PLACEHOLDERS.contains(&word)).then(|| word.to_owned())
    })
}
