//! Workers: one for each way to name an agent.
//!
//! An agent is a name, or `command:PROGRAM ARGS`. [`Workers`] finds the one that is meant, looks at its program ([`installed`]) and
//! sets the stage. What every adapter is made of is in [`agent`]; how a program that prints lines is run in [`conversation`]; what is
//! kept of its signals in [`recorder`]; what happens beside it while it works in [`attendance`]. Nothing here knows any program by name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::adapters::process::environment::ChildEnvironment;
use crate::adapters::process::group::Supervisor;
use crate::adapters::process::leftover::end_leftover;
use crate::adapters::process::tree::private_dir_below;
use crate::domain::agent::class::OutcomeClass;
use crate::domain::agent::quota::Pool;
use crate::domain::agent::record::AgentRecord;
use crate::domain::agent::usage::{Price, Prices};
use crate::domain::confine::{SandboxMode, Tier};
use crate::domain::evidence::{AttemptEvidence, AttemptOutcome, ProcessRef};
use crate::domain::signal::Signals;
use crate::domain::spec::agent_name;
use crate::ports::artifact::Artifacts;
use crate::ports::worker::{AgentStatus, Listener, Problem, WorkOrder, WorkReport, Worker, WorkerError};

pub mod agent;
pub mod aider;
pub mod attendance;
mod calls;
pub mod claude;
pub mod codex;
pub mod command;
pub mod conversation;
mod ending;
mod fingerprint;
mod ground;
pub mod installed;
mod leavings;
mod login;
pub mod opencode;
mod own_report;
pub mod pulse;
pub mod recorder;

use agent::{Agent, Installed, Setup, Stage};
use command::{CommandLine, CommandWorker, Terms};
use ground::{Ground, Laid};
use installed::{Programs, status};

/// What an agent's name begins with when it is a program to run.
const COMMAND: &str = "command:";

/// What the operator said about agents.
#[derive(Debug, Clone, Default)]
pub struct WorkerSettings {
    /// Settings by agent name.
    pub setups: BTreeMap<String, Setup>,
    /// Prices by model.
    pub prices: Prices,
    /// The file that remembers what was found out about programs; `None` remembers nothing beyond this process.
    pub cache: Option<PathBuf>,
    /// The operator's home, where a login may lie that is not in use; it is only looked at to say so.
    pub home: Option<PathBuf>,
}

impl WorkerSettings {
    /// The keys and passwords in these settings and the tokens in the login files they name, for the redactor: a key that was
    /// read from a file is in no variable. Reads the files.
    pub fn secrets(&self) -> Vec<String> {
        let of = |setup: &Setup| {
            let key = setup.key.as_ref().map(|key| key.value.clone());
            let password = setup.server_login.as_ref().map(|(_, password)| password.clone());
            let tokens = setup.login.as_deref().map(login::secrets_in).unwrap_or_default();
            key.into_iter().chain(password).chain(tokens)
        };
        self.setups.values().flat_map(of).collect()
    }

    /// The price of a model, under its name or what follows its provider's in `provider/name`.
    pub fn price(&self, model: &str) -> Option<Price> {
        let name = model.split_once('/').map(|(_, name)| name);
        self.prices.get(model).or_else(|| self.prices.get(name?)).copied()
    }
}

/// All workers.
pub struct Workers {
    ground: Ground,
    command: CommandWorker,
    agents: Vec<Arc<dyn Agent>>,
    programs: Arc<Programs>,
    settings: WorkerSettings,
}

/// Every agent this program can speak with by name, in the order of `domain::agent::known`.
fn known_agents() -> Vec<Box<dyn Agent>> {
    vec![
        Box::new(codex::Codex),
        Box::new(opencode::OpenCode::default()),
        Box::new(claude::Claude),
        Box::new(aider::Aider),
    ]
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
        Self::with_agents(environment, artifacts, supervisor, settings, known_agents())
    }

    /// The same with agents of the caller's choice.
    pub fn with_agents(
        environment: ChildEnvironment,
        artifacts: Arc<dyn Artifacts>,
        supervisor: Supervisor,
        settings: WorkerSettings,
        agents: Vec<Box<dyn Agent>>,
    ) -> Self {
        let programs = Arc::new(Programs::new(environment.path_variable(), settings.cache.clone()));
        let ground = Ground { environment, artifacts, supervisor };
        let command = CommandWorker::new(ground.clone());
        Self { ground, command, agents: agents.into_iter().map(Arc::from).collect(), programs, settings }
    }

    fn command_line(&self, agent: &str, line: &str) -> Result<CommandLine, WorkerError> {
        self.command.find(line).map_err(|why| WorkerError::UnknownAgent { agent: agent.to_owned(), why })
    }

    /// The agent of a plain name.
    fn named(&self, agent: &str) -> Result<&Arc<dyn Agent>, WorkerError> {
        let found = self.agents.iter().find(|known| known.known().name == agent);
        found.ok_or_else(|| {
            let names: Vec<String> =
                self.agents.iter().map(|known| format!("`{}`", known.known().name)).collect();
            let why = if self.agents.iter().any(|known| known.known().name == agent_name(agent)) {
                format!("an agent's name stands alone; write `{}`", agent_name(agent))
            } else if names.is_empty() {
                "name any program as `command:PROGRAM ARGS`".to_owned()
            } else {
                format!("the names are {}; any other program is `command:PROGRAM ARGS`", names.join(", "))
            };
            WorkerError::UnknownAgent { agent: agent.to_owned(), why }
        })
    }

    fn setup(&self, agent: &str) -> Option<&Setup> {
        self.settings.setups.get(agent_name(agent))
    }

    fn terms(&self, order: &WorkOrder) -> Terms {
        let model = order.model.clone().or_else(|| self.model(&order.agent));
        let price = model.as_deref().and_then(|model| self.settings.price(model));
        Terms { model, price, pool: self.pool(&order.agent) }
    }

    /// The order with the workspace closed to a role that changes nothing, where there is a wall to close it with. A program's own
    /// read-only mode is no wall, and inside one of ours some programs have none.
    async fn narrowed(&self, order: &WorkOrder) -> WorkOrder {
        let mut order = order.clone();
        let mode = order.confinement.mode;
        if order.role.writes() || !matches!(mode, SandboxMode::Auto | SandboxMode::WorkspaceWrite) {
            return order;
        }
        let (sandbox, asked) = (self.ground.supervisor.sandbox().clone(), order.confinement);
        let tier = tokio::task::spawn_blocking(move || sandbox.tier(&asked)).await;
        if matches!(tier, Ok(Ok(tier)) if tier > Tier::Open) {
            order.confinement.mode = SandboxMode::ReadOnly;
        }
        order
    }

    /// Everything that blocks before a start: the look at the program, the directories, the tier.
    async fn prepare(
        &self,
        agent: &Arc<dyn Agent>,
        setup: &Setup,
        order: &WorkOrder,
    ) -> Result<Prepared, WorkerError> {
        let (agent, setup, order) = (Arc::clone(agent), setup.clone(), order.clone());
        let (ground, programs) = (self.ground.clone(), Arc::clone(&self.programs));
        let work = move || {
            let installed =
                programs.installed(agent.as_ref(), &setup).map_err(|problem| refusal(&problem))?;
            fit(agent.as_ref(), &setup, Some(&installed))?;
            let Laid { runtime, env } = ground.lay(&order)?;
            let home = runtime.join("agents").join(agent.known().name);
            private_dir_below(&runtime, &home).map_err(|err| {
                WorkerError::Unavailable(format!("cannot make `{}`: {err}", home.display()))
            })?;
            let tier = ground.supervisor.sandbox().tier(&order.confinement);
            let tier = tier.map_err(WorkerError::Unavailable)?;
            Ok(Prepared { installed, runtime, env, home, tier })
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|err| WorkerError::Unavailable(err.to_string()))?
    }
}

/// What a start by name needs.
struct Prepared {
    installed: Installed,
    runtime: PathBuf,
    env: BTreeMap<String, String>,
    home: PathBuf,
    tier: Tier,
}

/// Refuses an agent with which something is wrong that no run can do with.
fn fit(agent: &dyn Agent, setup: &Setup, installed: Option<&Installed>) -> Result<(), WorkerError> {
    let unfit = installed.map(|installed| status::unfit(agent, installed)).unwrap_or_default();
    let mut problems = unfit.into_iter().chain(status::login_problem(agent, setup));
    problems.find(|problem| problem.blocks).map_or(Ok(()), |problem| Err(refusal(&problem)))
}

/// The report of an order that was stopped before its program was started.
fn never_started(order: &WorkOrder, setup: &Setup) -> WorkReport {
    let name = agent_name(&order.agent);
    let mut record = AgentRecord::of(OutcomeClass::Killed, None);
    record.role = order.role;
    record.model = order.model.clone().or_else(|| setup.model.clone());
    record.pool = pool_of(name, setup);
    let evidence = AttemptEvidence {
        worker: name.to_owned(),
        message: "the agent was stopped by order before it started".to_owned(),
        agent: Some(Box::new(record)),
        ..AttemptEvidence::default()
    };
    WorkReport {
        outcome: AttemptOutcome::Stopped,
        evidence,
        signals: Signals::default(),
        last_message: String::new(),
    }
}

fn refusal(problem: &Problem) -> WorkerError {
    WorkerError::Unavailable(format!("{}; {}", problem.what, problem.mend))
}

#[async_trait]
impl Worker for Workers {
    async fn run(
        &self,
        order: &WorkOrder,
        listener: &dyn Listener,
        stop: &CancellationToken,
    ) -> Result<WorkReport, WorkerError> {
        let order = &self.narrowed(order).await;
        if let Some(line) = order.agent.strip_prefix(COMMAND) {
            let line = self.command_line(&order.agent, line)?;
            return self.command.run(line, self.terms(order), order, listener, stop).await;
        }
        let agent = self.named(&order.agent)?;
        let setup = self.setup(&order.agent).cloned().unwrap_or_default();
        let prepared = tokio::select! {
            biased;
            prepared = self.prepare(agent, &setup, order) => prepared?,
            // A large program may be asked and read for seconds; what was found out is remembered all the same.
            () = stop.cancelled() => return Ok(never_started(order, &setup)),
        };
        let Prepared { installed, runtime, env, home, tier } = prepared;
        let stage = Stage {
            order,
            installed: &installed,
            setup: &setup,
            home,
            runtime,
            env,
            tier,
            price: self.terms(order).price,
            supervisor: &self.ground.supervisor,
            artifacts: Arc::clone(&self.ground.artifacts),
            listener,
            stop,
        };
        agent.run(&stage).await
    }

    fn probe(&self, agent: &str) -> Result<(), WorkerError> {
        if let Some(line) = agent.strip_prefix(COMMAND) {
            return self.command_line(agent, line).map(|_| ());
        }
        let agent = self.named(agent)?.as_ref();
        let setup = self.setup(agent.known().name).cloned().unwrap_or_default();
        let installed = self.programs.remembered(agent, &setup).map_err(|problem| refusal(&problem))?;
        fit(agent, &setup, installed.as_ref())
    }

    fn pool(&self, agent: &str) -> Option<Pool> {
        let name = agent_name(agent);
        match self.setup(name) {
            Some(setup) => pool_of(name, setup),
            // A program of the operator's own may work with any credential.
            None => self.named(name).ok().and_then(|_| pool_of(name, &Setup::default())),
        }
    }

    fn model(&self, agent: &str) -> Option<String> {
        self.setup(agent)?.model.clone()
    }

    async fn survey(&self) -> Vec<AgentStatus> {
        let looks: Vec<_> = self
            .agents
            .iter()
            .map(|agent| {
                let (agent, programs) = (Arc::clone(agent), Arc::clone(&self.programs));
                let setup = self.setup(agent.known().name).cloned().unwrap_or_default();
                let home = self.settings.home.clone();
                let look = move || status::status(&programs, agent.as_ref(), &setup, home.as_deref());
                tokio::task::spawn_blocking(look)
            })
            .collect();
        let mut found = Vec::new();
        for look in looks {
            match look.await {
                Ok(status) => found.push(status),
                Err(err) => tracing::error!(%err, "the look at an agent did not end"),
            }
        }
        found
    }

    async fn end_leftover(&self, process: &ProcessRef) {
        let process = process.clone();
        let ended = tokio::task::spawn_blocking(move || (end_leftover(&process), process)).await;
        if let Ok((outcome, process)) = ended {
            tracing::debug!(pid = process.pid, ?outcome, "looked for a leftover program");
        }
    }
}
