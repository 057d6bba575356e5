//! The forge: where branches are pushed and pull requests live.

use async_trait::async_trait;

use crate::domain::forge::fact::{CheckFact, ForgeFact};
use crate::domain::gate::{Approved, PushPermit};
use crate::domain::id::{BranchName, CommitSha, PrNumber, RepoSlug, RunId};
use crate::domain::spec::RunSpec;
use crate::domain::time::Timestamp;

/// Talks to the place a repository comes from.
///
/// Reading needs nothing; every write demands a permission that only the gate makes. Writes look before they act, so
/// each may be repeated after a crash.
#[async_trait]
pub trait Forge: Send + Sync {
    /// The forge's own id of the repository, where it has one.
    ///
    /// # Errors
    /// [`ForgeError`].
    async fn repo_id(&self, spec: &RunSpec) -> Result<Option<u64>, ForgeError>;

    /// The commit a branch points to now; `None` when there is no such branch.
    ///
    /// # Errors
    /// [`ForgeError`].
    async fn branch_head(&self, spec: &RunSpec, branch: &BranchName)
    -> Result<Option<CommitSha>, ForgeError>;

    /// Pushes the permitted commit to the permitted branch and reads it back.
    ///
    /// `expected` is what the branch pointed to when this was decided, `None` for a branch that was not there; anything else
    /// found there is [`ForgeError::Moved`], unless it is the permitted commit itself, or the branch is gone: then it is made
    /// again.
    ///
    /// # Errors
    /// [`ForgeError`].
    async fn push(
        &self,
        spec: &RunSpec,
        permit: &PushPermit,
        expected: Option<&CommitSha>,
    ) -> Result<CommitSha, ForgeError>;

    /// Opens the approved pull request, or finds the one that an earlier try opened.
    ///
    /// # Errors
    /// [`ForgeError::Refused`] when there is another pull request for the branch that is not ours.
    async fn open_pr(&self, spec: &RunSpec, approved: &Approved) -> Result<OpenedPr, ForgeError>;

    /// The pull request as the forge shows it, as JSON text; `None` when it has none of that number.
    ///
    /// # Errors
    /// [`ForgeError`].
    async fn pr_document(&self, spec: &RunSpec, number: PrNumber) -> Result<Option<String>, ForgeError>;

    /// Asks where pull requests stand, many in as few questions as the forge allows; one answer for each, in their order.
    ///
    /// A forge that knows nothing of checks and reviews answers with no facts.
    ///
    /// # Errors
    /// [`ForgeError`] when nothing could be asked at all.
    async fn observe(&self, watched: &[Watched]) -> Result<Vec<Observed>, ForgeError>;

    /// What a failed check said, for whoever repairs it: its annotations and the end of its log, as far as they may be read, made
    /// printable and cut at `limit` bytes; `None` where nothing may.
    ///
    /// # Errors
    /// [`ForgeError`].
    async fn failure_excerpt(
        &self,
        spec: &RunSpec,
        check: &CheckFact,
        limit: usize,
    ) -> Result<Option<String>, ForgeError>;

    /// Whether a pull request of the run is opened as a draft when nobody says.
    fn drafts(&self, spec: &RunSpec) -> bool;

    /// Whether the run waits when the forge cannot be reached, as for a service that is down now and then, instead of failing.
    fn is_waited_for(&self, _spec: &RunSpec) -> bool {
        false
    }

    /// Who we are there, what we may do with a run's repository, and how much may still be asked; `None` where nobody is asked who
    /// they are.
    ///
    /// # Errors
    /// [`ForgeError`]; [`ForgeError::Denied`] without a login that is taken.
    async fn access(&self, _spec: Option<&RunSpec>) -> Result<Option<Access>, ForgeError> {
        Ok(None)
    }
}

/// What a login is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Who we are, by login.
    pub login: String,
    /// The repository that was asked about.
    pub repository: Option<Reached>,
    /// What may still be asked.
    pub limits: Vec<Allowance>,
}

/// A repository as we may use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Its name now.
    pub name: RepoSlug,
    /// Whether we may push to it.
    pub may_push: bool,
    /// Whether it takes nothing any more.
    pub is_closed: bool,
}

/// A number of requests that is counted down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// What for.
    pub name: &'static str,
    /// How many are left.
    pub left: u64,
    /// Of how many.
    pub of: u64,
    /// When it is full again.
    pub until: Timestamp,
}

/// A pull request that is asked about.
#[derive(Debug, Clone)]
pub struct Watched {
    /// Whose it is.
    pub run: RunId,
    /// The run's order.
    pub spec: RunSpec,
    /// The repository by its name now, where it was renamed since.
    pub repo: RepoSlug,
    /// Its number.
    pub number: PrNumber,
}

/// What was answered about it.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Whose it is.
    pub run: RunId,
    /// What the forge says, or why it says nothing of this one.
    pub facts: Result<Vec<ForgeFact>, ForgeError>,
}

/// A pull request that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedPr {
    /// Its number.
    pub number: PrNumber,
    /// Where it is.
    pub url: Option<String>,
    /// Whether it was there before this call.
    pub found: bool,
}

/// Why the forge did not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ForgeError {
    /// No such repository, as far as whoever asks may see: forges do not tell the two apart.
    #[error(
        "there is no repository at `{0}`, or whoever asks may not see it: look at its name, and at what the login may do"
    )]
    NotFound(String),
    /// It takes nothing for now, or is left alone for now after it failed too often; a later try may be taken.
    #[error("the forge takes nothing for now: {why}")]
    Limited {
        /// When to ask again; nothing is asked before.
        until: Timestamp,
        /// What it said.
        why: String,
    },
    /// It wants to know who asks, or does not allow it to whoever that is.
    #[error("the forge does not allow it: {0}")]
    Denied(String),
    /// It cannot be reached now.
    #[error("the remote cannot be reached: {0}")]
    Unavailable(String),
    /// The branch is not where it was.
    #[error("branch `{branch}` is at {found}, not where it was left")]
    Moved {
        /// The branch.
        branch: String,
        /// What it points to, or `nothing`.
        found: String,
    },
    /// It said no.
    #[error("the remote refused: {0}")]
    Refused(String),
}

impl ForgeError {
    /// Says whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// A stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "remote_not_found",
            Self::Unavailable(_) => "remote_unavailable",
            Self::Moved { .. } => "branch_moved",
            Self::Limited { .. } => "remote_limited",
            Self::Denied(_) => "remote_denied",
            Self::Refused(_) => "remote_refused",
        }
    }
}
