//! Which GitHub an address means: the one the settings name, however the address is written.
//!
//! The forge and everything that fetches ask here, so that they never disagree about where a run's repository is.

use std::fmt;
use std::sync::Arc;

use super::remote::{Remote, UnfitRemote, mask_credentials};
use crate::domain::id::RepoSlug;

/// The host that answers ssh on the port of https, where a network lets nothing else out; it is GitHub's own only.
const SSH_OVER_HTTPS: (&str, &str) = ("github.com", "ssh.github.com");

/// When runs are on GitHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GitHubUse {
    /// Those whose address is there, and those without one that have no repository here, if a login is known.
    #[default]
    Auto,
    /// Those whose address is there or that have none.
    Always,
}

/// The GitHub of the settings.
#[derive(Clone)]
pub struct GitHubPlace {
    web_url: String,
    when: GitHubUse,
    is_login_known: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// Where a run's repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Wherever git finds it by this address; pull requests are refs beside the branches.
    Local(Remote),
    /// On the GitHub of the settings.
    GitHub(Remote),
}

impl Place {
    /// The address for git.
    pub fn remote(self) -> Remote {
        match self {
            Self::Local(remote) | Self::GitHub(remote) => remote,
        }
    }
}

impl GitHubPlace {
    /// Takes the address of its pages, such as `https://github.com`; `is_login_known` may start a program, and is asked only about a
    /// run that names no address.
    pub fn new(web_url: &str, when: GitHubUse, is_login_known: Arc<dyn Fn() -> bool + Send + Sync>) -> Self {
        Self { web_url: web_url.trim_end_matches('/').to_owned(), when, is_login_known }
    }

    /// Says whether a run without an address, and without a repository here if `is_here` says so, is on it.
    pub(super) fn takes_unnamed(&self, is_here: bool) -> bool {
        match self.when {
            GitHubUse::Always => true,
            GitHubUse::Auto => !is_here && (self.is_login_known)(),
        }
    }

    /// The address of a repository there, for git: never by ssh, whose key is nobody's here.
    ///
    /// # Errors
    /// [`UnfitRemote`] when the settings name no address that git may use.
    pub fn remote(&self, repo: &RepoSlug) -> Result<Remote, UnfitRemote> {
        Remote::new(&format!("{}/{repo}.git", self.web_url))
    }

    /// The address for a run that names one, if that is there; `None` where it is elsewhere.
    ///
    /// # Errors
    /// [`UnfitRemote`] when it is there and of another repository than the run is for.
    pub(super) fn named(&self, named: &str, repo: &RepoSlug) -> Result<Option<Remote>, UnfitRemote> {
        let Some(path) = self.path_in(named) else { return Ok(None) };
        let path = path.split(['?', '#']).next().unwrap_or_default().trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        if !path.eq_ignore_ascii_case(&repo.to_string()) {
            let why = "it is another repository than the run is for";
            return Err(UnfitRemote { shown: mask_credentials(named), why });
        }
        self.remote(repo).map(Some)
    }

    /// What follows the host of an address of this GitHub.
    fn path_in<'a>(&self, named: &'a str) -> Option<&'a str> {
        let (scheme, rest) = match named.split_once("://") {
            Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
            // `user@host:path`, as ssh is written for short; a path of this machine has its slash first.
            None => {
                let (host, path) = named.split_once(':')?;
                return (!host.contains('/') && self.is_ssh_host(host)).then_some(path);
            }
        };
        let (authority, path) = rest.split_once('/')?;
        let is_ours = match scheme.as_str() {
            "https" | "http" => {
                let site = format!("{scheme}://{authority}");
                let standard = site.strip_suffix(if scheme == "https" { ":443" } else { ":80" });
                standard.unwrap_or(&site).eq_ignore_ascii_case(&self.web_url)
            }
            "ssh" => self.is_ssh_host(authority),
            _ => false,
        };
        is_ours.then_some(path)
    }

    /// Whether a host as ssh has it, with or without user and port, is this GitHub's.
    fn is_ssh_host(&self, authority: &str) -> bool {
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let host = name_of(host);
        let own = self.web_url.split_once("://").map_or("", |(_, authority)| name_of(authority));
        let (known, beside) = SSH_OVER_HTTPS;
        host.eq_ignore_ascii_case(own)
            || (own.eq_ignore_ascii_case(known) && host.eq_ignore_ascii_case(beside))
    }
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    let port = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    port.map_or(host, |(name, _)| name)
}

impl fmt::Debug for GitHubPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHubPlace").field("web_url", &self.web_url).field("when", &self.when).finish()
    }
}
