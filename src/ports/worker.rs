//! Workers: programs that change a workspace.

use std::path::PathBuf;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::domain::confine::{Confinement, ProcessLimits};
use crate::domain::evidence::{AttemptEvidence, AttemptOutcome, ProcessRef};
use crate::domain::id::{AttemptNo, RunId};
use crate::domain::signal::Signals;

/// Called with each program as soon as it runs; it records the program before anything else happens.
pub type OnStart<'a> = &'a (dyn Fn(ProcessRef) + Send + Sync);

/// Runs an agent.
#[async_trait]
pub trait Worker: Send + Sync {
    /// Runs the agent of `order` to its end, its time limit, or `stop`; its whole process group is gone when this returns.
    ///
    /// How it ended is in the report, never in an error.
    ///
    /// # Errors
    /// [`WorkerError`] when the order itself cannot be carried out: an unknown agent, a workspace that is not there.
    async fn run(
        &self,
        order: &WorkOrder,
        started: OnStart<'_>,
        stop: &CancellationToken,
    ) -> Result<WorkReport, WorkerError>;

    /// Says whether `agent` names something this worker can run, before a run depends on it.
    ///
    /// # Errors
    /// [`WorkerError`] that says what is wrong with the name or which program is missing.
    fn probe(&self, agent: &str) -> Result<(), WorkerError>;

    /// Ends whatever an earlier process left running; does nothing when it is gone or is another program by now.
    async fn end_leftover(&self, process: &ProcessRef);
}

/// One piece of work.
#[derive(Debug, Clone)]
pub struct WorkOrder {
    /// The run.
    pub run: RunId,
    /// The attempt, which names the log file.
    pub attempt: AttemptNo,
    /// The agent, as `name` or `command:PROGRAM ARGS`.
    pub agent: String,
    /// Arguments added after the agent's own.
    pub extra_args: Vec<String>,
    /// Where it works; its current directory.
    pub workspace: PathBuf,
    /// What it is asked, on its standard input and as the file named by `AGENTPR_PROMPT_FILE`.
    pub prompt: String,
    /// What it is shut in with.
    pub confinement: Confinement,
    /// What it may use.
    pub limits: ProcessLimits,
}

/// How a piece of work ended.
#[derive(Debug, Clone)]
pub struct WorkReport {
    /// How.
    pub outcome: AttemptOutcome,
    /// With what evidence.
    pub evidence: AttemptEvidence,
    /// What its transcript says it did.
    pub signals: Signals,
}

/// Why an order cannot be carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WorkerError {
    /// The agent's name says nothing.
    #[error("`{agent}` is not an agent: {why}")]
    UnknownAgent {
        /// The offered name.
        agent: String,
        /// What is wrong with it.
        why: String,
    },
    /// Something around it is missing.
    #[error("{0}")]
    Unavailable(String),
}
