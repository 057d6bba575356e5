//! Workspaces: where an agent works, and the way its work comes back.

use std::path::PathBuf;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::domain::evidence::{Change, DiffStat, Prepared};
use crate::domain::guard::{GuardReport, Scope};
use crate::domain::id::{AttemptNo, CommitSha, Digest, RepoSlug, RunId, TreeSha};
use crate::domain::policy::{Finding, Policy};
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

    /// A file of a commit, at most `limit` bytes; `None` when the commit has no regular file of that path.
    ///
    /// # Errors
    /// [`WorkspaceError::TooBig`] beyond the limit; others when the commit is not in the control repository.
    async fn read_file(
        &self,
        repo: &RepoSlug,
        commit: &CommitSha,
        path: &str,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, WorkspaceError>;

    /// Takes a picture of the workspace before a phase, and parks what the repository would configure the agent with.
    ///
    /// When the picture of a phase that was cut off is still there, that phase is judged first, as [`Self::end_phase`] does.
    /// The answer is what was found in earlier phases and not forgotten since by [`Self::forget_judged`], oldest first.
    ///
    /// # Errors
    /// [`WorkspaceError`] for a missing workspace, a failing git or file system; the phase must not begin then.
    async fn begin_phase(&self, order: &GuardOrder) -> Result<Vec<Judged>, WorkspaceError>;

    /// Compares the workspace with the picture, puts back what the phase may not touch, path by path, and forgets the picture.
    ///
    /// Legal changes stay, and so does what was there before the phase. No picture is no error: the report is clean. One that is
    /// not clean is on the disk when this returns, and told again by [`Self::begin_phase`] until it is forgotten.
    ///
    /// # Errors
    /// [`WorkspaceError`] when something illegal could not be put back; the picture is kept then.
    async fn end_phase(&self, order: &GuardOrder) -> Result<GuardReport, WorkspaceError>;

    /// Forgets what was found in the phases of a run, once it is in the log.
    ///
    /// # Errors
    /// [`WorkspaceError`] when the file system refuses; it is told once more then.
    async fn forget_judged(&self, repo: &RepoSlug, run: &RunId) -> Result<(), WorkspaceError>;

    /// Takes the file with action requests out of the workspace; `None` when there is none.
    ///
    /// Never follows a link. The `bool` says whether it was written since the picture of the newest phase was taken.
    ///
    /// # Errors
    /// [`WorkspaceError`] when it is there and cannot be read or removed.
    async fn take_actions(
        &self,
        repo: &RepoSlug,
        run: &RunId,
    ) -> Result<Option<(Vec<u8>, bool)>, WorkspaceError>;

    /// Looks at the objects of a change by the rules of a policy: blocking findings first, then by path and line.
    ///
    /// # Errors
    /// [`WorkspaceError`] when a commit is not in the control repository.
    async fn scan(
        &self,
        repo: &RepoSlug,
        base: &CommitSha,
        head: &CommitSha,
        policy: &Policy,
    ) -> Result<Vec<Finding>, WorkspaceError>;

    /// Keeps a commit that passed as `refs/agentpr/<run>/<attempt>` in the control repository.
    ///
    /// # Errors
    /// [`WorkspaceError`] when the commit is not there.
    async fn checkpoint(
        &self,
        repo: &RepoSlug,
        run: &RunId,
        attempt: AttemptNo,
        commit: &CommitSha,
    ) -> Result<(), WorkspaceError>;

    /// Where the agent of a run works.
    fn path(&self, repo: &RepoSlug, run: &RunId) -> PathBuf;

    /// Removes a run's workspace and its refs; says how many bytes that freed. Nothing there is no error.
    ///
    /// # Errors
    /// [`WorkspaceError`] when the file system refuses.
    async fn remove(&self, repo: &RepoSlug, run: &RunId) -> Result<u64, WorkspaceError>;
}

/// What was found in a phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The attempt whose phase it was.
    pub attempt: AttemptNo,
    /// What was found; never clean.
    pub report: GuardReport,
}

/// One phase of the agent's work, for the guard.
#[derive(Debug, Clone)]
pub struct GuardOrder {
    /// The run.
    pub run: RunId,
    /// The attempt; it has this one phase.
    pub attempt: AttemptNo,
    /// Its repository.
    pub repo: RepoSlug,
    /// What the phase may write.
    pub scope: Scope,
    /// The plan file, relative to the workspace: what a phase of scope `plan` may write.
    pub plan: String,
    /// The verification contract, relative to the workspace: always protected.
    pub contract: String,
    /// Globs of paths protected besides the built-in ones.
    pub protect: Vec<String>,
    /// Globs of built-in protected paths that may be changed all the same.
    pub unprotect: Vec<String>,
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
