//! Forks: finding ours, making it, waiting until it is there.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::client::Verb;
use super::forge::{GitHubForge, shaped};
use super::repository::Repository;
use crate::domain::id::{BranchName, RepoSlug};
use crate::ports::forge::ForgeError;

/// How long a new fork is waited for. GitHub's documentation of `POST …/forks` says that it may take five minutes; whoever comes again
/// looks first whether what is to be pushed is still wanted.
const PATIENCE: Duration = Duration::from_secs(15);

/// The longest wait between two looks.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// Seconds until somebody comes again for a fork that took longer.
const COME_AGAIN: u64 = 15;

impl GitHubForge {
    /// The fork that somebody has of a repository, under its name; `None` where there is none.
    pub(super) async fn find_fork(
        &self,
        base: &Repository,
        owner: &str,
    ) -> Result<Option<Repository>, ForgeError> {
        let name = RepoSlug::new(owner, base.name.repo())
            .map_err(|err| ForgeError::Refused(format!("{err}: set `login` to who owns forks")))?;
        let Some(found) = self.repositories.find(&name).await? else { return Ok(None) };
        if !found.name.owner().eq_ignore_ascii_case(owner) {
            // It was there once and belongs to somebody else now.
            return Ok(None);
        }
        check_parent(base, &found)?;
        Ok(Some(found))
    }

    /// The fork, made if need be, once git finds a branch in it.
    pub(super) async fn fork(&self, base: &Repository, owner: &str) -> Result<Repository, ForgeError> {
        if owner.eq_ignore_ascii_case(base.name.owner()) {
            let why = format!(
                "`{}` is the owner of `{}` and cannot fork it: set `fork = \"auto\"`, or `login` to who owns forks",
                owner, base.name
            );
            return Err(ForgeError::Refused(why));
        }
        let name = match self.find_fork(base, owner).await? {
            Some(fork) => fork.name,
            None => self.make_fork(base, owner).await?,
        };
        self.wait_for_fork(base, &name).await
    }

    async fn make_fork(&self, base: &Repository, owner: &str) -> Result<RepoSlug, ForgeError> {
        #[derive(Deserialize)]
        struct Made {
            full_name: RepoSlug,
        }
        let mut body = json!({"default_branch_only": true});
        let me = self.client.me().await?;
        if !me.eq_ignore_ascii_case(owner) {
            // A fork of an organisation; one of another person GitHub refuses.
            body["organization"] = json!(owner);
        }
        let answer = self.client.write(Verb::Post, &format!("/repos/{}/forks", base.name), &body).await;
        let answer = match answer {
            Err(ForgeError::Denied(why)) => {
                let mend = "give a token that may fork, or make the fork by hand";
                return Err(ForgeError::Denied(format!("`{}` cannot be forked: {why}; {mend}", base.name)));
            }
            other => other?,
        };
        match answer.status {
            200..=299 => shaped::<Made>(answer.body, "fork").map(|made| made.full_name),
            404 | 410 => Err(ForgeError::NotFound(base.name.to_string())),
            _ => {
                let said = answer.body["message"].as_str().unwrap_or_default();
                Err(ForgeError::Refused(format!("`{}` cannot be forked: {said}", base.name)))
            }
        }
    }

    /// GitHub makes forks after it has answered: the repository comes first, its branches later.
    async fn wait_for_fork(&self, base: &Repository, name: &RepoSlug) -> Result<Repository, ForgeError> {
        let begin = self.clock.now();
        let mut wait = Duration::from_secs(1);
        loop {
            if let Some(fork) = self.repositories.find(name).await? {
                check_parent(base, &fork)?;
                let first = BranchName::new(fork.default_branch.clone());
                let first = first.map_err(|err| ForgeError::Refused(err.to_string()))?;
                if self.repositories.tip(&fork.name, &first).await?.is_some() {
                    return Ok(fork);
                }
            }
            if self.clock.now().has_passed_since(&begin, PATIENCE) {
                return Err(self.later(COME_AGAIN, format!("the fork `{name}` is still being made")));
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

/// Refuses what has the fork's name and is something else.
fn check_parent(base: &Repository, found: &Repository) -> Result<(), ForgeError> {
    let what = match &found.parent {
        Some(parent) if parent.id == base.id => return Ok(()),
        Some(parent) => format!("is a fork of `{}`", parent.full_name),
        None => "is no fork".to_owned(),
    };
    let why = format!(
        "`{}` {what}, so nothing is pushed there for `{}`: rename it, or set `login` to another owner of forks",
        found.name, base.name
    );
    Err(ForgeError::Refused(why))
}
