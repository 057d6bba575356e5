//! Workers: one for each way to name an agent.
//!
//! An agent is a name, or `command:PROGRAM ARGS`. [`Workers`] finds the one that is meant; how a program is run and what its
//! ending means is in [`command`].

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::adapters::process::environment::ChildEnvironment;
use crate::adapters::process::group::Supervisor;
use crate::adapters::process::leftover::end_leftover;
use crate::domain::evidence::ProcessRef;
use crate::ports::artifact::Artifacts;
use crate::ports::worker::{OnStart, WorkOrder, WorkReport, Worker, WorkerError};

pub mod command;

use command::{CommandLine, CommandWorker};

/// What an agent's name begins with when it is a program to run.
const COMMAND: &str = "command:";

/// All workers.
pub struct Workers {
    command: CommandWorker,
}

impl Workers {
    /// Puts them together: children get `environment`, logs go to `artifacts`, `supervisor` runs them.
    pub fn new(environment: ChildEnvironment, artifacts: Arc<dyn Artifacts>, supervisor: Supervisor) -> Self {
        Self { command: CommandWorker::new(environment, artifacts, supervisor) }
    }

    fn command_line(&self, agent: &str) -> Result<CommandLine, WorkerError> {
        let unknown = |why: String| WorkerError::UnknownAgent { agent: agent.to_owned(), why };
        let Some(text) = agent.strip_prefix(COMMAND) else {
            return Err(unknown(
                "this version runs any program as `command:PROGRAM ARGS`, for example `command:codex exec --full-auto -`"
                    .to_owned(),
            ));
        };
        self.command.find(text).map_err(unknown)
    }
}

#[async_trait]
impl Worker for Workers {
    async fn run(
        &self,
        order: &WorkOrder,
        started: OnStart<'_>,
        stop: &CancellationToken,
    ) -> Result<WorkReport, WorkerError> {
        let line = self.command_line(&order.agent)?;
        self.command.run(line, order, started, stop).await
    }

    fn probe(&self, agent: &str) -> Result<(), WorkerError> {
        self.command_line(agent).map(|_| ())
    }

    async fn end_leftover(&self, process: &ProcessRef) {
        let process = process.clone();
        let ended = tokio::task::spawn_blocking(move || (end_leftover(&process), process)).await;
        if let Ok((outcome, process)) = ended {
            tracing::debug!(pid = process.pid, ?outcome, "looked for a leftover program");
        }
    }
}
