//! Where a repository is fetched from and pushed to, and how that is shown to people.

use std::path::{Path, PathBuf};

use super::place::{GitHubPlace, Place};
use crate::domain::id::RepoSlug;
use crate::domain::spec::RunSpec;

/// Finds the remote of a run: the one it names, else a bare repository below the forge's directory, or one on GitHub.
#[derive(Debug, Clone)]
pub struct Remotes {
    root: PathBuf,
    github: Option<GitHubPlace>,
}

/// A remote that has passed the rules: an absolute path, or an `https`, `ssh` or `file` address, or an `http` one of this machine.
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
        Self { root, github: None }
    }

    /// Knows a GitHub too; without one every remote is a local forge's.
    #[must_use]
    pub fn with_github(mut self, github: GitHubPlace) -> Self {
        self.github = Some(github);
        self
    }

    /// The remote of a run.
    ///
    /// # Errors
    /// [`UnfitRemote`] when the run names one that breaks a rule.
    pub fn of(&self, spec: &RunSpec) -> Result<Remote, UnfitRemote> {
        self.place(spec).map(Place::remote)
    }

    /// The remote of a run, and whose it is. May start a program for a run that names no remote (see [`GitHubPlace::new`]).
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn place(&self, spec: &RunSpec) -> Result<Place, UnfitRemote> {
        let Some(named) = &spec.remote else {
            let here = self.default_path(&spec.repo);
            let github = self.github.as_ref().filter(|github| github.takes_unnamed(here.is_dir()));
            return match github {
                Some(github) => github.remote(&spec.repo).map(Place::GitHub),
                None => Remote::new(&here.to_string_lossy()).map(Place::Local),
            };
        };
        let remote = Remote::new(named)?;
        let github = self.github.as_ref().map_or(Ok(None), |github| github.named(named, &spec.repo))?;
        Ok(github.map_or(Place::Local(remote), Place::GitHub))
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

    /// Scheme, host and port of an `https` or `http` address, as in `https://github.com`: whom a credential is for.
    pub fn site(&self) -> Option<String> {
        let (scheme, authority) = web_address(&self.0)?;
        Some(format!("{scheme}://{}", authority.to_ascii_lowercase()))
    }

    /// Says whether it is reached without encryption, which is on this machine only.
    pub(super) fn is_plain_http(&self) -> bool {
        web_address(&self.0).is_some_and(|(scheme, _)| scheme == "http")
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
    if let Some((scheme, authority)) = web_address(text) {
        if authority.contains('@') {
            return Some(
                "a user or password is never part of an address; say the address alone, and give the token with \
                 --github-token-file or AGENTPR_GITHUB_TOKEN_FILE",
            );
        }
        let is_open = scheme == "http" && !is_loopback(authority);
        return is_open.then_some("`http` is used on this machine only; everywhere else it is `https`");
    }
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("ssh" | "file") => None,
        Some(_) => Some("only `https`, `ssh` and `file` addresses are used"),
        None if text.contains("::") => Some("it names a transport helper"),
        None if Path::new(text).is_absolute() || is_scp_like(text) => None,
        None => Some("it is neither an absolute path nor an address"),
    }
}

/// Scheme in lower case and authority of an `http` or `https` address.
fn web_address(text: &str) -> Option<(&'static str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let scheme = ["https", "http"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known))?;
    // Programs disagree about `?`, `#` and `\` in front of an `@`; here all of them count as part of the host.
    Some((scheme, rest.split('/').next().unwrap_or_default()))
}

/// Says whether an authority is this machine, by one of the three names that are never looked up anywhere else.
fn is_loopback(authority: &str) -> bool {
    ["127.0.0.1", "[::1]", "localhost"].into_iter().any(|host| {
        let rest = authority.get(..host.len()).filter(|found| found.eq_ignore_ascii_case(host));
        let port = rest.and_then(|_| authority.get(host.len()..));
        port.is_some_and(|port| {
            port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
        })
    })
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
