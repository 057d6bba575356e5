//! What an order may say about the agents of its run: models, roles, budgets; the rest is the operator's settings.

use super::session::Session;
use crate::domain::agent::budget::{Budgets, micros};
use crate::domain::agent::role::{Role, Roles, check_model};

/// The options.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct AgentArgs {
    /// The model, in the agent's own spelling [default: the agent's configured one]
    #[arg(long, value_parser = model)]
    pub(super) model: Option<String>,
    /// The agent of a role, such as `plan=claude`; may be repeated. With `plan`, an agent first writes down what is to be done
    #[arg(long, value_name = "ROLE=AGENT", value_parser = role_agent)]
    role_agent: Vec<(Role, String)>,
    /// The model of a role, such as `debug=gpt-5.5`; may be repeated
    #[arg(long, value_name = "ROLE=MODEL", value_parser = role_model)]
    role_model: Vec<(Role, String)>,
    /// Tokens the run's agents may use, in and out together
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    budget_tokens: Option<u64>,
    /// Dollars the run's agents may cost, such as 2.50
    #[arg(long, value_name = "SUM", value_parser = dollars)]
    budget_dollars: Option<u64>,
    /// Minutes the run's agents may work
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    budget_minutes: Option<u64>,
    /// Requests the models may answer in the run
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    budget_turns: Option<u32>,
}

impl AgentArgs {
    /// The configured roles with what the order says about them; `None` when it says nothing.
    pub(super) fn roles(&self, session: &Session<'_>) -> Option<Roles> {
        if self.role_agent.is_empty() && self.role_model.is_empty() {
            return None;
        }
        let mut roles = session.config.roles.clone();
        for (role, agent) in &self.role_agent {
            let choice = roles.entry(*role).or_default();
            // A configured model belongs to the configured agent.
            if choice.agent.as_ref() != Some(agent) {
                choice.model = None;
            }
            choice.agent = Some(agent.clone());
        }
        for (role, model) in &self.role_model {
            roles.entry(*role).or_default().model = Some(model.clone());
        }
        Some(roles)
    }

    /// The configured budgets with what the order says about its run; `None` when it says nothing.
    pub(super) fn budgets(&self, session: &Session<'_>) -> Option<Budgets> {
        let mut budgets = session.config.budgets;
        let run = &mut budgets.run;
        run.tokens = self.budget_tokens.or(run.tokens);
        run.micros = self.budget_dollars.or(run.micros);
        run.secs = self.budget_minutes.map(|minutes| minutes * 60).or(run.secs);
        run.turns = self.budget_turns.or(run.turns);
        (budgets != session.config.budgets).then_some(budgets)
    }
}

/// A role by its name.
pub(super) fn role(text: &str) -> Result<Role, String> {
    let names = || Role::ALL.map(Role::name).join(", ");
    Role::of(text).ok_or_else(|| format!("`{text}` is not one of {}", names()))
}

/// A model's name.
pub(super) fn model(text: &str) -> Result<String, String> {
    check_model(text).map(|()| text.to_owned()).map_err(str::to_owned)
}

fn role_agent(text: &str) -> Result<(Role, String), String> {
    let (role, agent) = of_role(text, "plan=claude")?;
    if agent.trim().is_empty() || agent.contains(char::is_control) {
        return Err("an agent's name is one line of printable text".to_owned());
    }
    Ok((role, agent.to_owned()))
}

fn role_model(text: &str) -> Result<(Role, String), String> {
    let (role, name) = of_role(text, "plan=opus")?;
    Ok((role, model(name)?))
}

fn of_role<'a>(text: &'a str, example: &str) -> Result<(Role, &'a str), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("write it as in `{example}`"))?;
    Ok((role(name)?, value))
}

fn dollars(text: &str) -> Result<u64, String> {
    micros(text)
        .filter(|sum| *sum > 0)
        .ok_or_else(|| "a sum above 0 with at most six decimals, such as 2.50".to_owned())
}
