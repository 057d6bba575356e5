//! Where a head goes: to the repository itself or to a fork, and to the same place as before.

use super::forge::{ForkPolicy, GitHubForge};
use super::pulls::{Marked, Pull, Pulls};
use super::repository::Repository;
use crate::domain::id::{BranchName, RepoSlug};
use crate::ports::forge::ForgeError;

/// Where the branch of a run is, or will be.
enum Home {
    /// Where a pull request of ours comes from already.
    Existing(RepoSlug),
    /// In the repository itself.
    Base,
    /// In the fork of this owner.
    Fork(String),
}

impl GitHubForge {
    /// Where the branch is looked for; nothing is made. `None` where there is no fork yet.
    pub(super) async fn head_as_is(
        &self,
        base: &Repository,
        branch: &BranchName,
        pulls: &Pulls,
    ) -> Result<Option<Repository>, ForgeError> {
        match self.home(base, branch, pulls).await? {
            Home::Existing(name) => self.repositories.find(&name).await,
            Home::Base => Ok(Some(base.clone())),
            Home::Fork(owner) => self.find_fork(base, &owner).await,
        }
    }

    /// Where the branch is pushed to; the fork is made if need be.
    pub(super) async fn head_for_push(
        &self,
        base: &Repository,
        branch: &BranchName,
        pulls: &Pulls,
    ) -> Result<Repository, ForgeError> {
        match self.home(base, branch, pulls).await? {
            Home::Existing(name) => {
                let found = self.repositories.find(&name).await?;
                found.ok_or_else(|| ForgeError::NotFound(name.to_string()))
            }
            Home::Fork(owner) => self.fork(base, &owner).await,
            Home::Base if base.may_push == Some(false) && self.client.is_app() => {
                Err(ForgeError::Denied(format!(
                    "the App's installation may not push to `{}`: give it the permission `contents: write`",
                    base.name
                )))
            }
            Home::Base if base.may_push == Some(false) => Err(ForgeError::Denied(format!(
                "the token may not push to `{}`, and `fork` is `never`: give it the right, or set `fork = \"auto\"`",
                base.name
            ))),
            Home::Base => Ok(base.clone()),
        }
    }

    async fn home(&self, base: &Repository, branch: &BranchName, pulls: &Pulls) -> Result<Home, ForgeError> {
        let ours = |pull: &&Pull| pull.is_ours(branch, Marked::ByAnyRun, &pulls.me);
        let found = pulls.all.iter().filter(ours).max_by_key(|pull| (pull.is_open(), pull.number));
        if let Some(name) = found.and_then(|pull| pull.head.repo.as_ref()) {
            return Ok(Home::Existing(name.full_name.clone()));
        }
        Ok(match self.settings.fork {
            ForkPolicy::Never => Home::Base,
            ForkPolicy::Auto if base.may_push == Some(true) => Home::Base,
            // An App owns no forks.
            ForkPolicy::Auto if self.client.is_app() && self.settings.login.is_none() => Home::Base,
            ForkPolicy::Auto | ForkPolicy::Always => Home::Fork(self.fork_owner().await?),
        })
    }

    /// Who owns our forks.
    pub(super) async fn fork_owner(&self) -> Result<String, ForgeError> {
        match &self.settings.login {
            Some(login) => Ok(login.clone()),
            None => self.client.me().await,
        }
    }
}
