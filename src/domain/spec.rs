//! What was asked for: the order a run is made from, with its limits.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::agent::budget::Budgets;
use super::agent::role::{Choice, Role, Roles};
use super::confine::ProcessLimits;
use super::id::{BranchName, RepoSlug};
use super::policy::Policy;

/// The longest task text, in bytes. Longer material belongs in a file of the repository, which the agent reads itself.
pub const MAX_TASK_BYTES: usize = 256 * 1024;

/// What happens with a finished change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Nothing leaves the machine: a passed run is done.
    None,
    /// A pull request, behind the gate.
    #[default]
    Pr,
}

/// An agent's name without its arguments, which may be long: `codex`, `command`, ...
pub fn agent_name(agent: &str) -> &str {
    agent.split([':', ' ']).next().unwrap_or_default()
}

/// The order a run was made from; never changes afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSpec {
    /// The repository the work is for.
    pub repo: RepoSlug,
    /// The operator's name for the set of prompts in use.
    pub prompt_version: String,
    /// What the agent is asked to do. May be empty on the manual path, where each step brings its prompt.
    #[serde(default)]
    pub task: String,
    /// The agent, as `name` or `command:PROGRAM ARGS`; `None` where every step names its own.
    #[serde(default)]
    pub agent: Option<String>,
    /// The model of that agent, in its own spelling; `None` takes the configured one.
    #[serde(default)]
    pub model: Option<String>,
    /// Agents and models of their own for some roles.
    #[serde(default)]
    pub roles: Roles,
    /// What its agents may use of model and money.
    #[serde(default)]
    pub budgets: Budgets,
    /// Commands that must pass, each given to `sh -c`; empty means detection.
    #[serde(default)]
    pub checks: Vec<String>,
    /// The branch to build on; `None` takes the remote's default branch.
    #[serde(default)]
    pub base_branch: Option<BranchName>,
    /// Where the repository is fetched from and pushed to, when it is not the forge's own place for it.
    #[serde(default)]
    pub remote: Option<String>,
    /// The branch the work is pushed as.
    pub head_branch: BranchName,
    /// What happens with the result.
    #[serde(default)]
    pub delivery: Delivery,
    /// Title of the pull request; `None` takes the first line of the task.
    #[serde(default)]
    pub title: Option<String>,
    /// What the run may use.
    #[serde(default)]
    pub limits: Limits,
    /// What it may do.
    #[serde(default)]
    pub policy: Policy,
}

/// What one run may use before a person is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Fix rounds after failed checks.
    pub max_iteration_count: u32,
    /// Minutes from the run's creation, or from a person's last resume or retry, until no new step starts; `None` is no limit.
    pub max_run_minutes: Option<u64>,
    /// Seconds one agent attempt may take.
    pub attempt_secs: u64,
    /// Seconds one check command may take.
    pub check_secs: u64,
    /// Attempts of one step that may be cut off by a crash before a person is asked.
    pub max_interruptions: u32,
    /// Seconds an agent or a check may go without output and without using the processor; 0 is no limit.
    pub silence_secs: u64,
    /// MiB of memory an agent or a check may use with everything it starts; 0 is no limit.
    pub memory_mib: u64,
    /// Processes an agent or a check may have at once; 0 is no limit.
    pub processes: u32,
    /// MiB the workspace and the runtime directory may grow to; 0 is no limit.
    pub disk_mib: u64,
    /// Minutes the run waits by itself for an agent's allowance to come back; 0 asks a person at once.
    pub quota_wait_minutes: u64,
}

impl Default for Limits {
    /// The tables of the specification: 5 fix rounds, 3,000 s an attempt, 120 s a detected check, 3 interruptions, 300 s of
    /// silence, 4 GiB of memory, 512 processes; and 10 GiB of disk. Six hours for an allowance: providers' short windows are
    /// five.
    fn default() -> Self {
        Self {
            max_iteration_count: 5,
            max_run_minutes: None,
            attempt_secs: 3_000,
            check_secs: 120,
            max_interruptions: 3,
            silence_secs: 300,
            memory_mib: 4096,
            processes: 512,
            disk_mib: 10_240,
            quota_wait_minutes: 360,
        }
    }
}

impl Limits {
    /// How long one agent attempt may take.
    pub fn attempt_time(&self) -> Duration {
        Duration::from_secs(self.attempt_secs)
    }

    /// What an agent's program may use.
    pub fn of_attempt(&self) -> ProcessLimits {
        self.limits(self.attempt_time())
    }

    /// What a check's program may use.
    pub fn of_check(&self) -> ProcessLimits {
        self.limits(self.check_time())
    }

    fn limits(&self, wall: Duration) -> ProcessLimits {
        let some = |number: u64| (number > 0).then_some(number);
        ProcessLimits {
            wall,
            silence: some(self.silence_secs).map(Duration::from_secs),
            memory: some(self.memory_mib).map(|mib| mib.saturating_mul(1024 * 1024)),
            processes: Some(self.processes).filter(|number| *number > 0),
            disk: some(self.disk_mib).map(|mib| mib.saturating_mul(1024 * 1024)),
        }
    }

    /// How long one check command may take.
    pub fn check_time(&self) -> Duration {
        Duration::from_secs(self.check_secs)
    }
}

impl RunSpec {
    /// Says whether the engine moves the run by itself: it does when it knows which agent to use.
    ///
    /// A run without one is an operator's, who orders each step; the engine then only completes what was approved.
    pub fn is_driven(&self) -> bool {
        self.agent.is_some()
    }

    /// The agent and model of a role. A model belongs to its agent: another agent's role without a model has none.
    pub fn choice(&self, role: Role) -> Choice {
        let run = || Choice { agent: self.agent.clone(), model: self.model.clone() };
        match self.roles.get(&role) {
            None => run(),
            Some(Choice { agent: None, model }) => {
                Choice { agent: self.agent.clone(), model: model.clone().or_else(|| self.model.clone()) }
            }
            Some(choice) => choice.clone(),
        }
    }

    /// Says whether an agent reads the repository and writes the contract: it does when the role `plan` is given to one.
    pub fn is_planned_by_agent(&self) -> bool {
        self.is_driven() && self.roles.contains_key(&Role::Plan)
    }

    /// The title a pull request gets when nobody gives one: the given title, or the task's first line, cut at 72.
    pub fn pr_title(&self) -> String {
        let source = self.title.as_deref().unwrap_or(&self.task);
        let line = source.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("Change by agentpr");
        if line.chars().count() <= 72 {
            return line.to_owned();
        }
        let cut: String = line.chars().take(71).collect();
        format!("{}…", cut.trim_end())
    }
}
