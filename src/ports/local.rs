//! Repositories on this machine: a person's own, and the demo's sample.

use std::path::Path;

use super::workspace::WorkspaceError;
use crate::domain::id::{BranchName, RepoSlug};

/// Looks at repositories of this machine, and makes the sample.
pub trait LocalRepos: Send + Sync {
    /// Looks at the repository that `path` is in; changes nothing.
    ///
    /// # Errors
    /// [`WorkspaceError::Failed`] when there is none, or when it has no commit yet.
    fn look(&self, path: &Path) -> Result<LocalRepo, WorkspaceError>;

    /// Makes a repository with one commit at `dir`, which is made too.
    ///
    /// # Errors
    /// [`WorkspaceError::Failed`] when the file system or git refuse.
    fn make_scratch(&self, dir: &Path) -> Result<(), WorkspaceError>;

    /// Makes a small repository with a failing test below `dir`, with a bare remote at `remote`, and runs its test once.
    ///
    /// # Errors
    /// [`WorkspaceError::Failed`] when the file system, git or the shell refuse.
    fn make_sample(&self, dir: &Path, remote: &Path) -> Result<Sample, WorkspaceError>;
}

/// A person's repository, as far as a run needs to know it.
#[derive(Debug, Clone)]
pub struct LocalRepo {
    /// Its name: from its `origin`, else `local/<directory>`.
    pub slug: RepoSlug,
    /// Its path, absolute: what a run fetches from and pushes to.
    pub remote: String,
    /// The branch that is checked out; `None` on a detached head.
    pub branch: Option<BranchName>,
    /// Files with changes that are in no commit, and so in no run.
    pub uncommitted: usize,
}

/// The sample repository of the demo, with the agent that repairs it.
#[derive(Debug, Clone)]
pub struct Sample {
    /// What is wrong with it, as a task.
    pub task: String,
    /// The command that fails until it is repaired.
    pub check: String,
    /// The scripted agent, as a run names it.
    pub agent: String,
    /// Exit code and output of the check before the repair.
    pub failing: (i32, String),
}
