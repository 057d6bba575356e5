//! What is known of the agents of this machine, and a trial turn of one.

use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{App, AppError};
use crate::domain::agent::budget::Allowance;
use crate::domain::agent::known::KNOWN;
use crate::domain::agent::role::Role;
use crate::domain::confine::ProcessLimits;
use crate::domain::evidence::{AttemptEvidence, AttemptOutcome};
use crate::domain::id::{AttemptNo, RunId};
use crate::domain::spec::agent_name;
use crate::domain::time::Timestamp;
use crate::ports::worker::WorkOrder;
pub use crate::ports::worker::{AgentStatus, Login, Problem};

/// What a trial asks.
const TRIAL: &str =
    "This is a trial of the connection. Answer with the one word: ready. Change no file and run no command.";

/// How long a trial may take: the slowest agent takes some 15 s to its first request, and a model may think.
const TRIAL_TIME: Duration = Duration::from_secs(180);

/// Requests a trial may cost; one is what it needs.
const TRIAL_TURNS: u32 = 5;

/// An agent known by name, as it is here and now.
#[derive(Debug, Clone)]
pub struct AgentView {
    /// What was found out.
    pub status: AgentStatus,
    /// Until when its allowance is used up.
    pub waits_until: Option<Timestamp>,
    /// What the settings use it for: `default`, and names of roles.
    pub used_as: Vec<&'static str>,
}

impl AgentView {
    /// What keeps every run from using it.
    pub fn blocked_by(&self) -> Option<&Problem> {
        self.status.problems.iter().find(|problem| problem.blocks)
    }
}

/// How a trial ended.
#[derive(Debug, Clone)]
pub struct Trial {
    /// How.
    pub outcome: AttemptOutcome,
    /// With what evidence.
    pub evidence: AttemptEvidence,
    /// What it answered.
    pub answer: String,
}

/// What to add to the settings so that an agent known by name is logged in.
pub fn how_to_log_in(agent: &str) -> String {
    let usual = match agent {
        "codex" => "set CODEX_API_KEY, or ",
        "claude" => "set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN, or ",
        _ => "",
    };
    // aider has no login file.
    let file = if agent == "aider" { "" } else { ", or a login file with `login`," };
    format!("{usual}name the variable of its key with `key_env`{file} in `[agents.{agent}]` of the settings")
}

impl App {
    /// Looks at every agent known by name.
    ///
    /// Starts programs that were not asked since they changed, so it may take seconds.
    ///
    /// # Errors
    /// The store's, which knows whose allowance is used up.
    pub async fn agents(&self) -> Result<Vec<AgentView>, AppError> {
        let pools = self.ports.ledger.pools()?;
        let now = self.now().wall;
        let view = |status: AgentStatus| {
            let pool = pools.iter().find(|row| Some(&row.pool) == status.pool.as_ref());
            let waits_until = pool.map(|row| row.until).filter(|until| *until > now);
            AgentView { waits_until, used_as: self.used_as(&status.name), status }
        };
        Ok(self.ports.worker.survey().await.into_iter().map(view).collect())
    }

    /// Lets an agent do one turn in `workspace`, a repository nobody will miss: a real call of its model, which costs.
    ///
    /// Nothing of it is on record but its prompt and its log among the artifacts.
    ///
    /// # Errors
    /// [`AppError::Worker`] for an agent that cannot be run; how the turn ended is in the trial.
    pub async fn try_agent(
        &self,
        agent: &str,
        model: Option<String>,
        workspace: PathBuf,
        stop: &CancellationToken,
    ) -> Result<Trial, AppError> {
        self.ports.worker.probe(agent)?;
        let limits = ProcessLimits { wall: TRIAL_TIME, ..self.settings.limits.of_attempt() };
        let order = WorkOrder {
            run: RunId::new(format!("trial_{}", self.random_hex()?))?,
            attempt: AttemptNo(1),
            role: Role::Explore,
            agent: agent.to_owned(),
            model,
            extra_args: Vec::new(),
            workspace,
            prompt: TRIAL.to_owned(),
            output_schema: None,
            resume: None,
            confinement: self.settings.policy.agent_confinement(),
            limits,
            allowance: Allowance { turns: Some(TRIAL_TURNS), ..Allowance::default() },
        };
        let report = self.ports.worker.run(&order, &|_| {}, stop).await?;
        Ok(Trial { outcome: report.outcome, evidence: report.evidence, answer: report.last_message })
    }

    /// The agents known by name that the settings use, each with what for, once.
    pub(crate) fn agents_in_use(&self) -> Vec<&'static str> {
        let known = KNOWN.iter().map(|known| known.name);
        known.filter(|name| !self.used_as(name).is_empty()).collect()
    }

    fn used_as(&self, name: &str) -> Vec<&'static str> {
        let is_meant = |agent: &Option<String>| agent.as_deref().map(agent_name) == Some(name);
        let default = is_meant(&self.settings.agent).then_some("default");
        let roles = self.settings.roles.iter().filter(|(_, choice)| is_meant(&choice.agent));
        default.into_iter().chain(roles.map(|(role, _)| role.name())).collect()
    }
}
