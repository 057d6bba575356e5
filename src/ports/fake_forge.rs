//! A forge of our own on loopback, for showing the whole way without an account: what is done there that a run does not do itself.

use std::path::Path;

use async_trait::async_trait;

use crate::domain::id::{CommitSha, PrNumber, RepoSlug};

/// A running fake of GitHub, which ends with this value, and what other people do there.
#[async_trait]
pub trait FakeForge: Send + Sync {
    /// Where it is, and who we are there.
    fn place(&self) -> &FakePlace;

    /// Makes a public repository of other people, from a bare one on this disk; gives its address for people.
    ///
    /// # Errors
    /// [`FakeForgeError::Failed`].
    async fn make_repository(&self, repo: &RepoSlug, from: &Path) -> Result<String, FakeForgeError>;

    /// Lets the repository send everything to `url`, signed with the place's secret; it sends a ping at once.
    ///
    /// # Errors
    /// [`FakeForgeError::Failed`].
    async fn add_hook(&self, repo: &RepoSlug, url: &str) -> Result<(), FakeForgeError>;

    /// Runs the repository's continuous integration on the newest commit of a pull request, and lets it say what came of it.
    ///
    /// # Errors
    /// [`FakeForgeError::Failed`]; a check that fails is no error.
    async fn run_ci(&self, repo: &RepoSlug, pr: PrNumber) -> Result<Vec<CiCheck>, FakeForgeError>;

    /// A maintainer approves a pull request in these words.
    ///
    /// # Errors
    /// [`FakeForgeError::Failed`].
    async fn approve(&self, repo: &RepoSlug, pr: PrNumber, words: &str) -> Result<(), FakeForgeError>;

    /// A maintainer merges a pull request.
    ///
    /// # Errors
    /// [`FakeForgeError::Failed`].
    async fn merge(&self, repo: &RepoSlug, pr: PrNumber) -> Result<(), FakeForgeError>;

    /// Returns when no delivery waits or is on its way.
    ///
    /// # Errors
    /// [`FakeForgeError::Failed`].
    async fn settle(&self) -> Result<(), FakeForgeError>;

    /// Every pull request of a repository.
    ///
    /// # Errors
    /// [`FakeForgeError::Failed`].
    async fn pulls(&self, repo: &RepoSlug) -> Result<Vec<FakePull>, FakeForgeError>;

    /// Says whether the default branch of the repository has a commit in its history.
    ///
    /// # Errors
    /// [`FakeForgeError::Failed`].
    async fn contains(&self, repo: &RepoSlug, commit: &CommitSha) -> Result<bool, FakeForgeError>;
}

/// Where a fake is, and who we are there.
#[derive(Clone)]
pub struct FakePlace {
    /// The address of its API.
    pub api_url: String,
    /// The address of its pages and repositories.
    pub web_url: String,
    /// Our name there.
    pub login: String,
    /// Our token there; known to no other forge.
    pub token: String,
    /// What its deliveries are signed with.
    pub secret: String,
    /// The name of whoever reviews and merges.
    pub maintainer: String,
}

/// What a check of continuous integration came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CiCheck {
    /// Its name.
    pub name: String,
    /// Whether it passed.
    pub passed: bool,
    /// Everything it printed.
    pub log: String,
}

/// A pull request as the forge has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakePull {
    /// Its number.
    pub number: u64,
    /// Where it comes from, as `owner:branch`.
    pub label: String,
    /// The commit it shows.
    pub head_sha: String,
    /// Whether it was merged.
    pub merged: bool,
}

/// Why there is no fake, or why it did not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FakeForgeError {
    /// The program is not there.
    #[error("the program `fake-github` is neither beside agentpr, in `{0}`, nor on the search path")]
    Missing(String),
    /// It did not start, or refused something.
    #[error("the fake GitHub: {0}")]
    Failed(String),
}
