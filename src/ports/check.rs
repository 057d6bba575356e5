//! Checks: commands run by the engine on one exact commit.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::worker::OnStart;
use crate::domain::confine::{Confinement, ProcessLimits};
use crate::domain::evidence::CheckReport;
use crate::domain::id::{AttemptNo, CommitSha, RepoSlug, RunId};
use crate::domain::pipeline::{Pipeline, Problem};
use crate::domain::policy::CommandMode;
use crate::domain::verification::PinnedSpec;

/// Runs checks.
#[async_trait]
pub trait Checks: Send + Sync {
    /// Carries out the contract of `order`, its commands, or those it detects, in a clean checkout of the commit, and stops at
    /// the first failure. Given commands take the place of the contract's tests. The checkout is gone afterwards; the output is kept as artifacts.
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

    /// Reads a verification contract strictly.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place in the file.
    fn read_contract(&self, bytes: &[u8]) -> Result<Contract, Vec<Problem>>;
}

/// A verification contract that can be carried out.
#[derive(Debug, Clone, Default)]
pub struct Contract {
    /// What it says.
    pub pipeline: Pipeline,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Problem>,
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
    /// The commands; empty means the contract's, or detection.
    pub commands: Vec<String>,
    /// The contract, read from its pinned copy.
    pub contract: Option<PinnedSpec>,
    /// Whether a person granted the interactive login the contract asks for.
    pub auth_granted: bool,
    /// Regular expressions over the excerpt of a failed command: such a failure is known and stops nothing.
    pub known_failures: Vec<String>,
    /// How much the command rules forbid by themselves.
    pub command_mode: CommandMode,
    /// What commands are shut in with; a contract may ask for the network besides.
    pub confinement: Confinement,
    /// What one command may use; a contract may set another time.
    pub limits: ProcessLimits,
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
