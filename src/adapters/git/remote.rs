//! Where a repository is fetched from and pushed to, and how that is shown to people.

use std::path::{Path, PathBuf};

use crate::domain::id::RepoSlug;
use crate::domain::spec::RunSpec;

/// Finds the remote of a run: the one it names, else a bare repository below the forge's directory.
#[derive(Debug, Clone)]
pub struct Remotes {
    root: PathBuf,
}

/// A remote that has passed the rules: an absolute path, or an `https`, `ssh` or `file` address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote(String);

/// Why a text is not used as a remote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{shown}` is not used as a remote: {why}")]
pub struct UnfitRemote {
    /// The text without credentials.
    pub shown: String,
    /// The rule it broke.
    pub why: &'static str,
}

impl Remotes {
    /// Takes the directory that holds `<owner>/<repo>.git` for runs that name no remote.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The remote of a run.
    ///
    /// # Errors
    /// [`UnfitRemote`] when the run names one that breaks a rule.
    pub fn of(&self, spec: &RunSpec) -> Result<Remote, UnfitRemote> {
        match &spec.remote {
            Some(named) => Remote::new(named),
            None => Remote::new(&self.default_path(&spec.repo).to_string_lossy()),
        }
    }

    /// Where the repository of a run that names no remote lies.
    pub fn default_path(&self, repo: &RepoSlug) -> PathBuf {
        self.root.join(repo.owner()).join(format!("{}.git", repo.repo()))
    }
}

impl Remote {
    /// Takes an address that keeps the rules.
    ///
    /// # Errors
    /// [`UnfitRemote`] naming the rule.
    pub fn new(text: &str) -> Result<Self, UnfitRemote> {
        match why_unfit(text) {
            Some(why) => Err(UnfitRemote { shown: mask_credentials(text), why }),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The address as git gets it.
    pub fn address(&self) -> &str {
        &self.0
    }

    /// The address as people see it, without credentials.
    pub fn shown(&self) -> String {
        mask_credentials(&self.0)
    }
}

fn why_unfit(text: &str) -> Option<&'static str> {
    if text.is_empty() || text.starts_with('-') || text.chars().any(char::is_control) {
        return Some("it is empty, begins with `-` or has control characters");
    }
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("https" | "ssh" | "file") => None,
        Some(_) => Some("only `https`, `ssh` and `file` addresses are used"),
        None if text.contains("::") => Some("it names a transport helper"),
        None if Path::new(text).is_absolute() || is_scp_like(text) => None,
        None => Some("it is neither an absolute path nor an address"),
    }
}

/// `host:path`, as ssh users write it.
fn is_scp_like(text: &str) -> bool {
    text.split_once(':')
        .is_some_and(|(host, path)| !host.is_empty() && !host.contains('/') && !path.is_empty())
}

/// Replaces the part between `://` and `@` of every address in a text.
pub fn mask_credentials(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        masked.push_str(before);
        masked.push_str("://");
        let end = after
            .find(|c: char| c == '/' || c.is_whitespace() || c == '\'' || c == '"')
            .unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                masked.push_str("***@");
                masked.push_str(host);
            }
            None => masked.push_str(authority),
        }
        rest = tail;
    }
    masked.push_str(rest);
    masked
}
