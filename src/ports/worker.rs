//! Workers: programs that change a workspace, or look at it.

use std::path::PathBuf;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::domain::agent::budget::Allowance;
use crate::domain::agent::quota::Pool;
use crate::domain::agent::record::Session;
use crate::domain::agent::role::Role;
use crate::domain::confine::{Confinement, ProcessLimits};
use crate::domain::evidence::{AttemptEvidence, AttemptOutcome, ProcessRef};
use crate::domain::id::{AttemptNo, Digest, RunId};
use crate::domain::signal::Signals;

/// Called with each program as soon as it runs; it records the program before anything else happens.
pub type OnStart<'a> = &'a (dyn Fn(ProcessRef) + Send + Sync);

/// Hears what must be on record before an attempt is over: a crash would lose it otherwise.
pub trait Listener: Send + Sync {
    /// A program runs. It is on record when this returns, and nothing was read from it or written to it before.
    fn started(&self, process: ProcessRef);

    /// The program named its conversation. Called once for each name.
    fn session(&self, _session: &Session) {}
}

impl<F: Fn(ProcessRef) + Send + Sync> Listener for F {
    fn started(&self, process: ProcessRef) {
        self(process);
    }
}

/// Runs an agent.
#[async_trait]
pub trait Worker: Send + Sync {
    /// Runs the agent of `order` to its end, a limit, its allowance, or `stop`; everything it started is gone when this returns.
    ///
    /// How it ended is in the report, never in an error.
    ///
    /// # Errors
    /// [`WorkerError`] when the order itself cannot be carried out: an unknown agent, one that is missing or too old, a workspace that
    /// is not there.
    async fn run(
        &self,
        order: &WorkOrder,
        listener: &dyn Listener,
        stop: &CancellationToken,
    ) -> Result<WorkReport, WorkerError>;

    /// Says whether `agent` names something this worker can run, before a run depends on it.
    ///
    /// # Errors
    /// [`WorkerError`] that says what is wrong with the name or which program is missing.
    fn probe(&self, agent: &str) -> Result<(), WorkerError>;

    /// The credential `agent` works with: runs with the same one share its allowance. `None` when it is not known.
    fn pool(&self, agent: &str) -> Option<Pool>;

    /// The model an agent is given when nobody names one; `None` is the program's own default.
    fn model(&self, agent: &str) -> Option<String>;

    /// Looks at every agent known by name. What was found out about a program is remembered until its file changes.
    ///
    /// Starts the programs to ask for their versions, so it may take seconds.
    async fn survey(&self) -> Vec<AgentStatus>;

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
    /// What the agent is used for. A role that does not write gets the program's own read-only mode too, where it has one.
    pub role: Role,
    /// The agent, as `name` or `command:PROGRAM ARGS`.
    pub agent: String,
    /// The model; `None` takes [`Worker::model`].
    pub model: Option<String>,
    /// Arguments added after the agent's own.
    pub extra_args: Vec<String>,
    /// Where it works; its current directory.
    pub workspace: PathBuf,
    /// What it is asked, on its standard input and, for commands, as the file named by `AGENTPR_PROMPT_FILE`.
    pub prompt: String,
    /// JSON schema its last words should follow, where the program can be told so.
    pub output_schema: Option<String>,
    /// The conversation to go on with; only given for the agent it belongs to.
    pub resume: Option<Session>,
    /// What it is shut in with.
    pub confinement: Confinement,
    /// What it may use of the machine.
    pub limits: ProcessLimits,
    /// What it may use of model and money; it is ended when a unit is used up.
    pub allowance: Allowance,
}

/// How a piece of work ended.
#[derive(Debug, Clone)]
pub struct WorkReport {
    /// How.
    pub outcome: AttemptOutcome,
    /// With what evidence; its `agent` is filled.
    pub evidence: AttemptEvidence,
    /// What its transcript says it did.
    pub signals: Signals,
    /// Its last words, whole up to 64 KiB; empty where there were none.
    pub last_message: String,
}

/// What is known of an agent on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentStatus {
    /// Its name.
    pub name: String,
    /// The program that really runs; `None` when it is not installed.
    pub program: Option<PathBuf>,
    /// What it says its version is.
    pub version: Option<String>,
    /// SHA-256 of the program.
    pub sha256: Option<Digest>,
    /// How it is logged in.
    pub login: Login,
    /// The model it is given; `None` is its own default.
    pub model: Option<String>,
    /// The credential whose allowance it uses.
    pub pool: Option<Pool>,
    /// What it can do, by the options it lists: `json`, `resume`, ...
    pub capabilities: Vec<String>,
    /// What is wrong; empty when nothing is.
    pub problems: Vec<Problem>,
}

/// How an agent is logged in, as far as can be told without showing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// By a key in this variable, which is set.
    Key {
        /// The variable.
        variable: String,
    },
    /// By a file that is copied into each run's own configuration.
    File {
        /// The file.
        path: PathBuf,
    },
    /// Nothing is configured; it will say that it is not logged in.
    Missing,
    /// It needs none, or brings its own.
    Own,
}

/// Something wrong with an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What.
    pub what: String,
    /// What to do about it.
    pub mend: String,
    /// Whether no run may use the agent until it is mended.
    pub blocks: bool,
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
