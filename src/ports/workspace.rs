//! Workspaces: where an agent works, and the way its work comes back.

use std::path::PathBuf;

use async_trait::async_trait;

use crate::domain::evidence::{Change, DiffStat, Prepared};
use crate::domain::id::{CommitSha, Digest, RepoSlug, RunId, TreeSha};
use crate::domain::spec::RunSpec;

/// Makes workspaces and captures what was done in them.
///
/// The control repository is the engine's own; no git command ever runs with a configuration the agent can write.
#[async_trait]
pub trait Workspace: Send + Sync {
    /// Fetches the remote into the control repository and makes the agent's clone at the base commit.
    ///
    /// Safe to repeat: an unfinished clone is made again, a finished one is kept with everything in it.
    ///
    /// # Errors
    /// [`WorkspaceError`]: the remote, the base branch or the file system.
    async fn prepare(&self, run: &RunId, spec: &RunSpec) -> Result<Prepared, WorkspaceError>;

    /// Makes a commit from the workspace as it is, in the control repository, with the configured identity.
    ///
    /// New files are included, ignored ones are not. `None` when the tree is the base commit's. The same tree, parent and
    /// message gives the change that is on record already, if `order.last` has it.
    ///
    /// # Errors
    /// [`WorkspaceError::TooBig`] beyond the size cap; others for a missing workspace or a failing git.
    async fn capture(&self, order: &CaptureOrder) -> Result<Option<Change>, WorkspaceError>;

    /// Looks at a commit's objects: what a person is shown and an approval is bound to.
    ///
    /// # Errors
    /// [`WorkspaceError`] when a commit is not in the control repository.
    async fn inspect(
        &self,
        repo: &RepoSlug,
        base: &CommitSha,
        head: &CommitSha,
    ) -> Result<Inspection, WorkspaceError>;

    /// The diff between two commits as text, at most `limit` bytes; `true` when it was cut.
    ///
    /// # Errors
    /// [`WorkspaceError`] when a commit is not in the control repository.
    async fn diff(
        &self,
        repo: &RepoSlug,
        base: &CommitSha,
        head: &CommitSha,
        limit: usize,
    ) -> Result<(Vec<u8>, bool), WorkspaceError>;

    /// Where the agent of a run works.
    fn path(&self, repo: &RepoSlug, run: &RunId) -> PathBuf;

    /// Removes a run's workspace and its refs; says how many bytes that freed. Nothing there is no error.
    ///
    /// # Errors
    /// [`WorkspaceError`] when the file system refuses.
    async fn remove(&self, repo: &RepoSlug, run: &RunId) -> Result<u64, WorkspaceError>;
}

/// What to capture.
#[derive(Debug, Clone)]
pub struct CaptureOrder {
    /// The run.
    pub run: RunId,
    /// Its repository.
    pub repo: RepoSlug,
    /// The commit the run is built on.
    pub base_sha: CommitSha,
    /// The new commit's parent: the base, or the commit pushed last.
    pub parent_sha: CommitSha,
    /// The commit message.
    pub message: String,
    /// The change on record.
    pub last: Option<Change>,
}

/// What a commit's objects say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Its tree.
    pub tree: TreeSha,
    /// Digest of the raw diff from base to head.
    pub diff_digest: Digest,
    /// Size of that diff.
    pub stat: DiffStat,
    /// Paths it touches, all of them, sorted.
    pub paths: Vec<String>,
    /// The protected ones among them.
    pub protected: Vec<String>,
}

/// Why a workspace cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// The remote is not there or refuses.
    #[error("cannot read the remote `{remote}`: {why}")]
    Remote {
        /// As shown to people, without credentials.
        remote: String,
        /// What git said.
        why: String,
    },
    /// The remote has no such branch.
    #[error("the remote `{remote}` has no branch `{branch}`")]
    NoBranch {
        /// As shown to people.
        remote: String,
        /// The branch.
        branch: String,
    },
    /// The workspace is not there.
    #[error("there is no workspace at `{}`", .0.display())]
    Missing(PathBuf),
    /// The change is larger than the cap.
    #[error("the change is larger than {limit} bytes")]
    TooBig {
        /// The cap.
        limit: u64,
    },
    /// The head branch would be the remote's default or base branch.
    #[error("`{0}` is the branch the work is built on; the work goes to a branch of its own")]
    OwnBranch(String),
    /// Git or the file system failed.
    #[error("{0}")]
    Failed(String),
}

impl WorkspaceError {
    /// Says whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Remote { .. })
    }

    /// A stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Remote { .. } => "remote_unavailable",
            Self::NoBranch { .. } => "no_such_branch",
            Self::Missing(_) => "workspace_missing",
            Self::TooBig { .. } => "change_too_big",
            Self::OwnBranch(_) => "own_branch",
            Self::Failed(_) => "workspace_failed",
        }
    }
}
