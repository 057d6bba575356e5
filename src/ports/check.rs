//! Checks: commands run by the engine on one exact commit.

use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::worker::OnStart;
use crate::domain::evidence::CheckReport;
use crate::domain::id::{AttemptNo, CommitSha, RepoSlug, RunId};

/// Runs checks.
#[async_trait]
pub trait Checks: Send + Sync {
    /// Runs the commands of `order`, or those it detects, in a clean checkout of the commit, and stops at the first
    /// failure. The checkout is gone afterwards; the output is kept as artifacts.
    ///
    /// # Errors
    /// [`ChecksError::Stopped`] when `stop` was triggered; [`ChecksError::Unavailable`] when there was no checkout to run
    /// in. A command that fails is no error: it is in the report.
    async fn run(
        &self,
        order: &CheckOrder,
        started: OnStart<'_>,
        stop: &CancellationToken,
    ) -> Result<CheckReport, ChecksError>;
}

/// What to check.
#[derive(Debug, Clone)]
pub struct CheckOrder {
    /// The run.
    pub run: RunId,
    /// The attempt, which names the log files.
    pub attempt: AttemptNo,
    /// The repository whose control repository has the commit.
    pub repo: RepoSlug,
    /// The commit.
    pub head_sha: CommitSha,
    /// The commands; empty means detection.
    pub commands: Vec<String>,
    /// How long one command may take.
    pub limit: Duration,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ChecksError {
    /// It was asked to stop.
    #[error("the checks were stopped")]
    Stopped,
    /// The commit could not be checked out, or a log could not be written.
    #[error("{0}")]
    Unavailable(String),
}
