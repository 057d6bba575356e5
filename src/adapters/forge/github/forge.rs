//! The forge that is GitHub: what it is made of, and which file does what.
//!
//! Everything here looks before it acts and reads back what it did; nothing is written but with a permit of the gate.

use std::sync::Arc;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::client::GitHubClient;
use super::repository::{Repositories, Repository};
use crate::adapters::git::control::ControlRepos;
use crate::adapters::git::credential::Credential;
use crate::adapters::git::remote::Remote;
use crate::domain::forge::fact::CheckFact;
use crate::domain::gate::{Approved, PushPermit};
use crate::domain::id::{BranchName, CommitSha, PrNumber, RepoSlug};
use crate::domain::spec::RunSpec;
use crate::ports::clock::Clock;
use crate::ports::forge::{Access, Forge, ForgeError, Observed, OpenedPr, Watched};

/// The name that goes with a token over https, whatever kind the token is of.
pub(super) const TOKEN_USER: &str = "x-access-token";

/// Whether a branch goes to a fork.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForkPolicy {
    /// Where we may not push to the repository itself.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never: without permission to push there is no pull request.
    Never,
}

/// How pull requests are made.
#[derive(Debug, Clone)]
pub struct GitHubForgeSettings {
    /// The address of pages and repositories, such as `https://github.com`.
    pub web_url: String,
    /// Who owns our forks; `None` is whoever the token is of.
    pub login: Option<String>,
    /// Whether branches go to a fork.
    pub fork: ForkPolicy,
    /// Whether a pull request is a draft when nobody says.
    pub draft: bool,
    /// Labels of a new pull request.
    pub labels: Vec<String>,
    /// Whether maintainers may push to the branch.
    pub maintainer_can_modify: bool,
}

/// Pushes to GitHub, opens pull requests there, and asks where they stand. Cheap to clone.
#[derive(Clone)]
pub struct GitHubForge {
    pub(super) client: GitHubClient,
    pub(super) settings: Arc<GitHubForgeSettings>,
    pub(super) control: ControlRepos,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) repositories: Repositories,
}

impl GitHubForge {
    /// Puts it together; asks nothing. `control` has the commits, and its git has a program to ask for a token with.
    pub fn new(
        client: GitHubClient,
        settings: GitHubForgeSettings,
        control: ControlRepos,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let repositories = Repositories::new(client.clone(), Arc::clone(&clock));
        Self { client, settings: Arc::new(settings), control, clock, repositories }
    }

    /// The facts of a run's repository, by the name it has now.
    pub(super) async fn base_of(&self, spec: &RunSpec) -> Result<Repository, ForgeError> {
        self.repositories.get(&spec.repo).await
    }

    /// Where git finds a repository, and what it is told there.
    pub(super) async fn way_to(&self, repo: &RepoSlug) -> Result<(Remote, Credential), ForgeError> {
        let address = format!("{}/{repo}.git", self.settings.web_url.trim_end_matches('/'));
        let refused = |err: &dyn std::fmt::Display| ForgeError::Refused(err.to_string());
        let remote = Remote::new(&address).map_err(|err| refused(&err))?;
        let site = remote.site().ok_or_else(|| refused(&"the address of GitHub is no address of the web"))?;
        let token = self.client.token().await?;
        Ok((remote, Credential::new(&site, TOKEN_USER, token.reveal())))
    }

    /// A refusal for now.
    pub(super) fn later(&self, seconds: u64, why: impl Into<String>) -> ForgeError {
        let until = self.clock.now().wall.plus(std::time::Duration::from_secs(seconds));
        ForgeError::Limited { until, why: why.into() }
    }
}

/// Reads an answer that must have a shape.
pub(super) fn shaped<T: DeserializeOwned>(body: Value, what: &str) -> Result<T, ForgeError> {
    let unfit = |err| ForgeError::Unavailable(format!("GitHub answered with no {what}: {err}"));
    serde_json::from_value(body).map_err(unfit)
}

/// A text as one part of an address; the slashes of a branch's name stay.
pub(super) fn encoded(text: &str) -> String {
    let mut safe = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            safe.push(char::from(byte));
        } else {
            safe.push('%');
            safe.push_str(&hex::encode_upper([byte]));
        }
    }
    safe
}

#[async_trait]
impl Forge for GitHubForge {
    /// Asked anew each time: an approval is compared with it, and a name can be somebody else's within the minute that is remembered.
    async fn repo_id(&self, spec: &RunSpec) -> Result<Option<u64>, ForgeError> {
        self.repositories.forget(&spec.repo);
        Ok(Some(self.base_of(spec).await?.id))
    }

    /// By the API and not by git: the question is one conditional request that mostly costs nothing, needs no process, and is about
    /// the same place that the pull request will be made from.
    async fn branch_head(
        &self,
        spec: &RunSpec,
        branch: &BranchName,
    ) -> Result<Option<CommitSha>, ForgeError> {
        let base = self.base_of(spec).await?;
        if *branch != spec.head_branch {
            return self.repositories.tip(&base.name, branch).await;
        }
        let pulls = self.pulls_from(&base, branch).await?;
        match self.head_as_is(&base, branch, &pulls).await? {
            Some(head) => self.repositories.tip(&head.name, branch).await,
            None => Ok(None),
        }
    }

    async fn push(
        &self,
        spec: &RunSpec,
        permit: &PushPermit,
        expected: Option<&CommitSha>,
    ) -> Result<CommitSha, ForgeError> {
        self.push_permitted(spec, permit, expected).await
    }

    async fn open_pr(&self, spec: &RunSpec, approved: &Approved) -> Result<OpenedPr, ForgeError> {
        self.open_approved(spec, approved).await
    }

    async fn pr_document(&self, spec: &RunSpec, number: PrNumber) -> Result<Option<String>, ForgeError> {
        let base = self.base_of(spec).await?;
        let answer = self.client.get(&format!("/repos/{}/pulls/{number}", base.name)).await?;
        if answer.status != 200 {
            return Ok(None);
        }
        let text = serde_json::to_string_pretty(&answer.body);
        text.map(|text| Some(text + "\n")).map_err(|err| ForgeError::Unavailable(err.to_string()))
    }

    async fn observe(&self, watched: &[Watched]) -> Result<Vec<Observed>, ForgeError> {
        self.observe_all(watched).await
    }

    async fn failure_excerpt(
        &self,
        spec: &RunSpec,
        check: &CheckFact,
        limit: usize,
    ) -> Result<Option<String>, ForgeError> {
        self.excerpt_of(spec, check, limit).await
    }

    fn drafts(&self, _spec: &RunSpec) -> bool {
        self.settings.draft
    }

    fn is_waited_for(&self, _spec: &RunSpec) -> bool {
        true
    }

    async fn access(&self, spec: Option<&RunSpec>) -> Result<Option<Access>, ForgeError> {
        self.access_to(spec).await.map(Some)
    }
}
