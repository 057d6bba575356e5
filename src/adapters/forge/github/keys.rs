//! The credential that git is given when a repository on GitHub asks for one, as a private one does.

use std::fmt;

use super::client::GitHubClient;
use super::forge::TOKEN_USER;
use crate::adapters::git::credential::Credential;
use crate::adapters::git::program::Keys;

/// Knows the credential of one GitHub.
pub struct GitHubKeys {
    site: String,
    client: GitHubClient,
}

impl GitHubKeys {
    /// Takes the address of its pages, such as `https://github.com`; asks nothing yet.
    pub fn new(web_url: &str, client: GitHubClient) -> Self {
        Self { site: web_url.trim_end_matches('/').to_owned(), client }
    }
}

impl Keys for GitHubKeys {
    fn of_site(&self, site: &str) -> Option<Credential> {
        if !site.eq_ignore_ascii_case(&self.site) {
            return None;
        }
        // Git waits on a thread of its own, which no runtime drives; a token that is known already needs none of it.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        match runtime.block_on(self.client.token()) {
            Ok(token) => Some(Credential::new(&self.site, TOKEN_USER, token.reveal())),
            Err(err) => {
                tracing::warn!("git gets no token for `{}`: {err}", self.site);
                None
            }
        }
    }
}

impl fmt::Debug for GitHubKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHubKeys").field("site", &self.site).finish_non_exhaustive()
    }
}
