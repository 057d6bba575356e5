//! Workers: one for each way to name an agent.
//!
//! An agent is a name, or `command:PROGRAM ARGS`. [`Workers`] finds the one that is meant. What every adapter is made of is in
//! [`agent`]; how a program that prints lines is run in [`conversation`]; what is kept of its signals in [`recorder`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::adapters::process::environment::ChildEnvironment;
use crate::adapters::process::group::Supervisor;
use crate::adapters::process::leftover::end_leftover;
use crate::domain::agent::quota::Pool;
use crate::domain::agent::usage::Prices;
use crate::domain::evidence::ProcessRef;
use crate::domain::spec::agent_name;
use crate::ports::artifact::Artifacts;
use crate::ports::worker::{AgentStatus, Listener, WorkOrder, WorkReport, Worker, WorkerError};

pub mod agent;
pub mod command;
pub mod conversation;
pub mod opencode;
pub mod recorder;

use agent::{Agent, Setup};
use command::{CommandLine, CommandWorker};

/// What an agent's name begins with when it is a program to run.
const COMMAND: &str = "command:";

/// What the operator said about agents.
#[derive(Debug, Clone, Default)]
pub struct WorkerSettings {
    /// Settings by agent name.
    pub setups: BTreeMap<String, Setup>,
    /// Prices by model.
    pub prices: Prices,
    /// The file that remembers what was found out about programs; `None` remembers nothing.
    pub cache: Option<PathBuf>,
}

/// All workers.
pub struct Workers {
    command: CommandWorker,
    agents: Vec<Box<dyn Agent>>,
    settings: WorkerSettings,
}

/// The credential an agent with these settings works with.
pub fn pool_of(name: &str, setup: &Setup) -> Option<Pool> {
    let credential = match (&setup.pool, &setup.key, &setup.login) {
        (Some(pool), _, _) => return Some(Pool::new(pool)),
        (None, Some(key), _) => key.variable.as_str(),
        (None, None, Some(_)) => "login",
        (None, None, None) => "default",
    };
    Some(Pool::new(&format!("{name}:{credential}")))
}

impl Workers {
    /// Puts them together: children get `environment`, logs go to `artifacts`, `supervisor` runs them.
    pub fn new(
        environment: ChildEnvironment,
        artifacts: Arc<dyn Artifacts>,
        supervisor: Supervisor,
        settings: WorkerSettings,
    ) -> Self {
        let command = CommandWorker::new(environment, artifacts, supervisor);
        Self { command, agents: Vec::new(), settings }
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

    fn setup(&self, agent: &str) -> Option<&Setup> {
        self.settings.setups.get(agent_name(agent))
    }
}

#[async_trait]
impl Worker for Workers {
    async fn run(
        &self,
        order: &WorkOrder,
        listener: &dyn Listener,
        stop: &CancellationToken,
    ) -> Result<WorkReport, WorkerError> {
        let line = self.command_line(&order.agent)?;
        self.command.run(line, order, listener, stop).await
    }

    fn probe(&self, agent: &str) -> Result<(), WorkerError> {
        self.command_line(agent).map(|_| ())
    }

    fn pool(&self, agent: &str) -> Option<Pool> {
        pool_of(agent_name(agent), self.setup(agent)?)
    }

    fn model(&self, agent: &str) -> Option<String> {
        self.setup(agent)?.model.clone()
    }

    async fn survey(&self) -> Vec<AgentStatus> {
        let _known = &self.agents;
        Vec::new()
    }

    async fn end_leftover(&self, process: &ProcessRef) {
        let process = process.clone();
        let ended = tokio::task::spawn_blocking(move || (end_leftover(&process), process)).await;
        if let Ok((outcome, process)) = ended {
            tracing::debug!(pid = process.pid, ?outcome, "looked for a leftover program");
        }
    }
}
