//! What a run is made of besides plain values: the attempt, the scan, the branch, the pull request; and a log that is none.

use crate::domain::action::ActionsRequest;
use crate::domain::evidence::{AttemptEvidence, AttemptOutcome};
use crate::domain::id::{AttemptNo, BranchName, CommitSha, PrNumber, RunId, Version};
use crate::domain::policy::Finding;
use crate::domain::state::State;

/// An ended attempt of the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentAttempt {
    /// Its number.
    pub no: AttemptNo,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// What it left behind.
    pub evidence: AttemptEvidence,
}

/// What a look at a change's objects found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The commit.
    pub head_sha: CommitSha,
    /// The findings, at most 50.
    pub findings: Vec<Finding>,
    /// Blocking ones, however many are listed.
    pub blocking: u32,
}

/// Actions an agent asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingActions {
    /// The request.
    pub request: ActionsRequest,
    /// What a person said; `None` before they did, or when nobody has to.
    pub granted: Option<bool>,
}

/// A branch at the remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedBranch {
    /// Its name.
    pub branch: BranchName,
    /// The commit it points to.
    pub sha: CommitSha,
}

/// A pull request of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number.
    pub number: PrNumber,
    /// Where it is.
    pub url: Option<String>,
}

/// A log that is not one of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfoldable {
    /// The first event is not the creation.
    #[error("run `{run}` does not begin with its creation but with `{event}`")]
    NotBorn {
        /// The run.
        run: RunId,
        /// The first event's name.
        event: &'static str,
    },
    /// An event that cannot follow the ones before it.
    #[error("event `{event}` (version {version}) cannot follow in run `{run}`, which is {state} there")]
    Illegal {
        /// The run.
        run: RunId,
        /// The event's name.
        event: &'static str,
        /// Its version.
        version: Version,
        /// The state it met.
        state: State,
    },
    /// The versions have a gap.
    #[error("run `{run}` has a gap: version {found} follows {expected_after}")]
    Gap {
        /// The run.
        run: RunId,
        /// The version before.
        expected_after: Version,
        /// The version found.
        found: Version,
    },
}
