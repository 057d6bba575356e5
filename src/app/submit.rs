//! Taking an order in.

use super::execute::{By, Executed};
use super::{App, AppError};
use crate::domain::actor::Actor;
use crate::domain::agent::budget::Budgets;
use crate::domain::agent::role::Roles;
use crate::domain::command::Command;
use crate::domain::id::{BranchName, IdempotencyKey, RepoSlug, RunId};
use crate::domain::policy::Policy;
use crate::domain::spec::{Delivery, Limits, MAX_TASK_BYTES, RunSpec};

/// An order as a person gives it; what is left out is taken from the configuration.
#[derive(Debug, Clone)]
pub struct RunOrder {
    /// The run's name; `None` makes one.
    pub run: Option<RunId>,
    /// The repository.
    pub repo: RepoSlug,
    /// The operator's name for the prompts in use.
    pub prompt_version: String,
    /// What to do.
    pub task: String,
    /// The agent; `None` leaves every step to the operator.
    pub agent: Option<String>,
    /// The agent's model; `None` takes the configured one.
    pub model: Option<String>,
    /// Agents and models of roles; `None` takes the configured ones.
    pub roles: Option<Roles>,
    /// Budgets; `None` takes the configured ones.
    pub budgets: Option<Budgets>,
    /// Commands that must pass.
    pub checks: Vec<String>,
    /// The branch to build on.
    pub base_branch: Option<BranchName>,
    /// The branch to push to; `None` makes one of the run's name.
    pub head_branch: Option<BranchName>,
    /// Where the repository is.
    pub remote: Option<String>,
    /// What happens with the result.
    pub delivery: Delivery,
    /// Title of the pull request.
    pub title: Option<String>,
    /// Limits; `None` takes the configured ones.
    pub limits: Option<Limits>,
    /// The rules; `None` takes the configured ones for the repository.
    pub policy: Option<Policy>,
}

impl App {
    /// Creates a run: it is in the log when this returns, and an engine takes it from there.
    ///
    /// # Errors
    /// [`AppError::Invalid`] for a task that is too long or not text, [`AppError::Secret`] for a secret in it, [`AppError::Worker`] for an agent that cannot be run,
    /// [`AppError::Refused`] when the name is taken.
    pub fn submit(
        &self,
        order: RunOrder,
        actor: &Actor,
        key: Option<IdempotencyKey>,
    ) -> Result<Executed, AppError> {
        check_text("task", &order.task, MAX_TASK_BYTES)?;
        check_text("prompt version", &order.prompt_version, 200)?;
        if order.remote.as_deref().is_some_and(has_credentials) {
            // The text is not repeated: errors are kept in logs too.
            return Err(AppError::Invalid(
                "the remote's address has credentials in it, and orders are kept for ever; give the address without them"
                    .to_owned(),
            ));
        }
        if let Some(agent) = &order.agent {
            self.ports.worker.probe(agent)?;
        }
        let roles = order.roles.unwrap_or_else(|| self.settings.roles.clone());
        for agent in roles.values().filter_map(|choice| choice.agent.as_ref()) {
            self.ports.worker.probe(agent)?;
        }
        let run = match order.run {
            Some(run) => run,
            None => RunId::new(format!("run_{}", self.random_hex()?))?,
        };
        let head_branch = match order.head_branch {
            Some(branch) => branch,
            None => self.head_branch(&run)?,
        };
        let configured = self.settings.repository_policies.get(&order.repo.key());
        let policy = order.policy.unwrap_or_else(|| configured.unwrap_or(&self.settings.policy).clone());
        let spec = RunSpec {
            repo: order.repo,
            prompt_version: order.prompt_version,
            task: order.task,
            agent: order.agent,
            model: order.model,
            roles,
            budgets: order.budgets.unwrap_or(self.settings.budgets),
            checks: order.checks,
            base_branch: order.base_branch,
            remote: order.remote,
            head_branch,
            delivery: order.delivery,
            title: order.title,
            limits: order.limits.unwrap_or_else(|| self.settings.limits.clone()),
            policy,
        };
        self.refuse_secrets_of(run.as_str(), &spec)?;
        let by = By { actor: actor.clone(), key, fence: None };
        self.execute(&run, &Command::Create { spec: Box::new(spec) }, &by)
    }
}

/// Whether an address has a password in it, or a token in the place of a name; `ssh://git@host` has neither.
fn has_credentials(remote: &str) -> bool {
    let Some((scheme, rest)) = remote.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority
        .rsplit_once('@')
        .is_some_and(|(name, _)| name.contains(':') || !scheme.eq_ignore_ascii_case("ssh"))
}

/// Refuses a text that is longer than `limit` bytes or that no terminal and no program could take.
pub(super) fn check_text(what: &str, text: &str, limit: usize) -> Result<(), AppError> {
    if text.len() > limit {
        let size = text.len();
        return Err(AppError::Invalid(format!(
            "the {what} has {size} bytes; the longest allowed has {limit}"
        )));
    }
    if text.contains('\0') {
        return Err(AppError::Invalid(format!("the {what} contains a NUL byte")));
    }
    Ok(())
}
