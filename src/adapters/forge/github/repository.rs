//! What is known of repositories on GitHub: their number, names, rights and branches.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;

use super::client::GitHubClient;
use super::forge::{encoded, shaped};
use crate::domain::id::{BranchName, CommitSha, RepoSlug};
use crate::domain::time::Moment;
use crate::ports::clock::Clock;
use crate::ports::forge::ForgeError;

/// How long facts of a repository are believed. A permission that was just given is seen a minute later.
const FRESH: Duration = Duration::from_secs(60);

/// Repositories that are remembered; more than any one operator has in use within a minute.
const MOST: usize = 512;

/// A repository as GitHub shows it to us.
#[derive(Debug, Clone)]
pub(super) struct Repository {
    /// GitHub's number of it, which no renaming changes.
    pub id: u64,
    /// Its name now.
    pub name: RepoSlug,
    pub default_branch: String,
    /// The repository it is a fork of.
    pub parent: Option<Parent>,
    /// Whether nothing can be changed in it.
    pub is_closed: bool,
    /// Whether we may push to it; `None` where GitHub does not say.
    pub may_push: Option<bool>,
}

/// What a fork is a fork of.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Parent {
    pub id: u64,
    pub full_name: String,
}

#[derive(Deserialize)]
struct Shape {
    id: u64,
    full_name: RepoSlug,
    default_branch: String,
    parent: Option<Parent>,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    disabled: bool,
    permissions: Option<Permissions>,
}

#[derive(Deserialize)]
struct Permissions {
    #[serde(default)]
    push: bool,
}

impl From<Shape> for Repository {
    fn from(shape: Shape) -> Self {
        Self {
            id: shape.id,
            name: shape.full_name,
            default_branch: shape.default_branch,
            parent: shape.parent,
            is_closed: shape.archived || shape.disabled,
            may_push: shape.permissions.map(|given| given.push),
        }
    }
}

impl Repository {
    /// Refuses to write to a repository that takes nothing any more.
    pub(super) fn refuse_closed(&self) -> Result<(), ForgeError> {
        if self.is_closed {
            return Err(ForgeError::Refused(format!(
                "`{}` is archived or disabled and takes nothing",
                self.name
            )));
        }
        Ok(())
    }
}

/// Asks about repositories, and remembers for a minute.
#[derive(Clone)]
pub(super) struct Repositories {
    client: GitHubClient,
    clock: Arc<dyn Clock>,
    known: Arc<Mutex<BTreeMap<String, (Moment, Repository)>>>,
}

impl Repositories {
    pub(super) fn new(client: GitHubClient, clock: Arc<dyn Clock>) -> Self {
        Self { client, clock, known: Arc::default() }
    }

    /// The facts, a minute old at most. A repository that was renamed is followed by its number.
    pub(super) async fn get(&self, name: &RepoSlug) -> Result<Repository, ForgeError> {
        let now = self.clock.now();
        if let Some((since, found)) = self.lock().get(&name.key())
            && !now.has_passed_since(since, FRESH)
        {
            return Ok(found.clone());
        }
        let found = self.find(name).await?.ok_or_else(|| ForgeError::NotFound(name.to_string()))?;
        let mut known = self.lock();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(name.key(), (now, found.clone()));
        Ok(found)
    }

    /// The facts as they are now; `None` for one that is not there, or not for us to see.
    pub(super) async fn find(&self, name: &RepoSlug) -> Result<Option<Repository>, ForgeError> {
        let answer = self.client.get(&format!("/repos/{name}")).await?;
        if answer.status != 200 {
            return Ok(None);
        }
        let mut found = Repository::from(shaped::<Shape>(answer.body, "repository")?);
        if self.client.is_app() {
            // The rights that GitHub shows are those of a person; to an App's installation it shows none, whatever that may do.
            found.may_push = self.client.app_may_push();
        }
        Ok(Some(found))
    }

    /// Forgets what may have changed by what we just did.
    pub(super) fn forget(&self, name: &RepoSlug) {
        self.lock().remove(&name.key());
    }

    /// The commit a branch points to; `None` without the branch, and in a repository that has nothing yet, which GitHub answers with 409.
    pub(super) async fn tip(
        &self,
        name: &RepoSlug,
        branch: &BranchName,
    ) -> Result<Option<CommitSha>, ForgeError> {
        #[derive(Deserialize)]
        struct Reference {
            object: Object,
        }
        #[derive(Deserialize)]
        struct Object {
            sha: CommitSha,
        }
        let path = format!("/repos/{name}/git/ref/heads/{}", encoded(branch.as_str()));
        let answer = self.client.get(&path).await?;
        if answer.status != 200 {
            return Ok(None);
        }
        shaped::<Reference>(answer.body, "branch").map(|found| Some(found.object.sha))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (Moment, Repository)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
