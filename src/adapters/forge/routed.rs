//! Two forges, and for each run the one its repository is on.

use std::sync::Arc;

use async_trait::async_trait;

use super::github::forge::GitHubForge;
use super::local::LocalForge;
use crate::adapters::git::place::Place;
use crate::adapters::git::remote::Remotes;
use crate::domain::forge::fact::CheckFact;
use crate::domain::gate::{Approved, PushPermit};
use crate::domain::id::{BranchName, CommitSha, PrNumber};
use crate::domain::spec::RunSpec;
use crate::ports::forge::{Access, Forge, ForgeError, Observed, OpenedPr, Watched};

/// Chooses by [`Remotes::place`], as everything that fetches does.
#[derive(Clone)]
pub struct RoutedForge {
    remotes: Remotes,
    local: Arc<LocalForge>,
    github: Arc<GitHubForge>,
}

impl RoutedForge {
    /// Puts it together.
    pub fn new(remotes: Remotes, local: LocalForge, github: GitHubForge) -> Self {
        Self { remotes, local: Arc::new(local), github: Arc::new(github) }
    }

    fn of(&self, spec: &RunSpec) -> Result<&dyn Forge, ForgeError> {
        match self.remotes.place(spec) {
            Ok(Place::Local(_)) => Ok(self.local.as_ref()),
            Ok(Place::GitHub(_)) => Ok(self.github.as_ref()),
            Err(err) => Err(ForgeError::Refused(err.to_string())),
        }
    }
}

#[async_trait]
impl Forge for RoutedForge {
    async fn repo_id(&self, spec: &RunSpec) -> Result<Option<u64>, ForgeError> {
        self.of(spec)?.repo_id(spec).await
    }

    async fn branch_head(
        &self,
        spec: &RunSpec,
        branch: &BranchName,
    ) -> Result<Option<CommitSha>, ForgeError> {
        self.of(spec)?.branch_head(spec, branch).await
    }

    async fn push(
        &self,
        spec: &RunSpec,
        permit: &PushPermit,
        expected: Option<&CommitSha>,
    ) -> Result<CommitSha, ForgeError> {
        self.of(spec)?.push(spec, permit, expected).await
    }

    async fn open_pr(&self, spec: &RunSpec, approved: &Approved) -> Result<OpenedPr, ForgeError> {
        self.of(spec)?.open_pr(spec, approved).await
    }

    async fn pr_document(&self, spec: &RunSpec, number: PrNumber) -> Result<Option<String>, ForgeError> {
        self.of(spec)?.pr_document(spec, number).await
    }

    async fn observe(&self, watched: &[Watched]) -> Result<Vec<Observed>, ForgeError> {
        let is_there = |one: &Watched| matches!(self.remotes.place(&one.spec), Ok(Place::GitHub(_)));
        let (there, here): (Vec<_>, Vec<_>) = watched.iter().cloned().partition(is_there);
        let mut seen = self.local.observe(&here).await?;
        if !there.is_empty() {
            seen.extend(self.github.observe(&there).await?);
        }
        let place = |one: &Observed| watched.iter().position(|watched| watched.run == one.run);
        seen.sort_by_key(place);
        Ok(seen)
    }

    async fn failure_excerpt(
        &self,
        spec: &RunSpec,
        check: &CheckFact,
        limit: usize,
    ) -> Result<Option<String>, ForgeError> {
        self.of(spec)?.failure_excerpt(spec, check, limit).await
    }

    fn drafts(&self, spec: &RunSpec) -> bool {
        self.of(spec).is_ok_and(|forge| forge.drafts(spec))
    }

    fn is_waited_for(&self, spec: &RunSpec) -> bool {
        self.of(spec).is_ok_and(|forge| forge.is_waited_for(spec))
    }

    async fn access(&self, spec: Option<&RunSpec>) -> Result<Option<Access>, ForgeError> {
        match spec {
            Some(spec) => self.of(spec)?.access(Some(spec)).await,
            None => self.github.access(None).await,
        }
    }
}
