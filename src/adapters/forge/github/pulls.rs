//! The pull requests of a branch, and which of them is a run's own.
//!
//! That is the one that has the run's line in its body, comes from the branch and a repository that are ours, and was made by us.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::forge::{GitHubForge, encoded, shaped};
use super::repository::Repository;
use crate::adapters::forge::pull::has_marker;
use crate::domain::id::{BranchName, PrNumber, RepoSlug, RunId};
use crate::ports::forge::{ForgeError, OpenedPr};

/// A pull request as GitHub lists it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Pull {
    pub number: PrNumber,
    html_url: Option<String>,
    state: String,
    pub body: Option<String>,
    user: Option<User>,
    pub head: Side,
    #[serde(default)]
    pub labels: Vec<Label>,
}

#[derive(Debug, Clone, Deserialize)]
struct User {
    login: String,
}

/// The end of a pull request that we push to.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Side {
    #[serde(rename = "ref")]
    branch: String,
    pub sha: String,
    /// `None` once the repository is gone.
    pub repo: Option<Named>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Named {
    pub full_name: RepoSlug,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Label {
    pub name: String,
}

/// Whose line a body must have.
#[derive(Debug, Clone, Copy)]
pub(super) enum Marked<'a> {
    ByAnyRun,
    By(&'a RunId),
}

/// The pull requests that come from one branch, and who we are.
#[derive(Debug)]
pub(super) struct Pulls {
    pub me: String,
    pub all: Vec<Pull>,
}

impl Pull {
    pub(super) fn is_open(&self) -> bool {
        self.state == "open"
    }

    pub(super) fn is_ours(&self, branch: &BranchName, marked: Marked<'_>, me: &str) -> bool {
        let body = self.body.as_deref().unwrap_or_default();
        let has_line = match marked {
            Marked::ByAnyRun => body.contains("<!-- agentpr run="),
            Marked::By(run) => has_marker(body, run),
        };
        let by_us = self.user.as_ref().is_some_and(|user| user.login.eq_ignore_ascii_case(me));
        has_line && by_us && self.head.branch == branch.as_str()
    }

    pub(super) fn opened(&self, found: bool) -> OpenedPr {
        OpenedPr { number: self.number, url: self.html_url.clone(), found }
    }
}

impl GitHubForge {
    /// Every pull request, open or not, that comes from a branch of this name in the repository or in a fork of ours. Its base is
    /// not asked for: one whose base a maintainer changed is the run's all the same.
    pub(super) async fn pulls_from(
        &self,
        base: &Repository,
        branch: &BranchName,
    ) -> Result<Pulls, ForgeError> {
        let me = self.client.me().await?;
        let login = self.settings.login.as_deref().unwrap_or(&me);
        // As GitHub writes them, each once.
        let owners: BTreeMap<_, _> =
            [login, &me, base.name.owner()].map(|owner| (owner.to_ascii_lowercase(), owner)).into();
        let mut all = Vec::new();
        // A bot's login is no owner: it has brackets, and no repositories.
        for owner in owners.values().filter(|owner| RepoSlug::new(owner, "any").is_ok()) {
            let head = format!("{owner}:{}", encoded(branch.as_str()));
            let path = format!("/repos/{}/pulls?state=all&head={head}&per_page=100", base.name);
            for value in self.client.pages(&path, 300).await? {
                let pull: Pull = shaped(value, "pull request")?;
                // Should GitHub ever leave the filter out of account, others' pull requests are none of ours.
                let from_us =
                    |repo: &Named| owners.contains_key(&repo.full_name.owner().to_ascii_lowercase());
                if pull.head.branch == branch.as_str() && pull.head.repo.as_ref().is_none_or(from_us) {
                    all.push(pull);
                }
            }
        }
        all.sort_by_key(|pull| pull.number);
        all.dedup_by_key(|pull| pull.number);
        Ok(Pulls { me, all })
    }
}

/// The one pull request of a run, if it is open; none, if there is none.
pub(super) fn ours<'a>(
    pulls: &'a Pulls,
    branch: &BranchName,
    run: &RunId,
) -> Result<Option<&'a Pull>, ForgeError> {
    let ours: Vec<&Pull> =
        pulls.all.iter().filter(|pull| pull.is_ours(branch, Marked::By(run), &pulls.me)).collect();
    match ours.as_slice() {
        [] => {}
        [one] if one.is_open() => return Ok(Some(one)),
        [one] => return Err(closed(one.number)),
        several => {
            let numbers: Vec<String> = several.iter().map(|pull| pull.number.to_string()).collect();
            let why = format!("pull requests {} are all of this run: close all but one", numbers.join(", "));
            return Err(ForgeError::Refused(why));
        }
    }
    match pulls.all.iter().find(|pull| pull.is_open()) {
        Some(other) => Err(ForgeError::Refused(format!(
            "pull request {} for `{branch}` is not ours: it has no line of this run, or somebody else made it",
            other.number
        ))),
        None => Ok(None),
    }
}

/// Why nothing is opened for a run whose pull request is over.
pub(super) fn closed(number: PrNumber) -> ForgeError {
    ForgeError::Refused(format!("pull request {number} for this run is closed"))
}
