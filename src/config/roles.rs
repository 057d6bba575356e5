//! The tables `[roles.plan]`, `explore`, `build`, `debug` and `review`: agents and models of their own.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::ConfigError;
use super::layer::{Layers, Origin};
use crate::domain::agent::role::{Choice, Role, Roles, check_model};

/// What one table says. An empty one is a choice too: the role is in use, with the run's own agent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileChoice {
    agent: Option<String>,
    model: Option<String>,
}

/// Checks the names, and puts the choices together. Whether an agent can be run is asked when a run is made.
pub(super) fn read(layers: &Layers<'_>, tables: &BTreeMap<Role, FileChoice>) -> Result<Roles, ConfigError> {
    let choice = |(role, table): (&Role, &FileChoice)| {
        let wrong = |name: &str, rule: &str| ConfigError::Value {
            name: format!("roles.{}.{name}", role.name()),
            origin: layers.in_file(),
            why: rule.to_owned(),
        };
        if let Some(agent) = &table.agent
            && (agent.trim().is_empty() || agent.contains(char::is_control))
        {
            return Err(wrong("agent", "one line: the name of an agent, or `command:PROGRAM ARGS`"));
        }
        if let Some(model) = &table.model {
            check_model(model).map_err(|rule| wrong("model", rule))?;
        }
        Ok((*role, Choice { agent: table.agent.clone(), model: table.model.clone() }))
    };
    tables.iter().map(choice).collect()
}

/// Each choice as name, shown value and origin.
pub(super) fn rows(roles: &Roles, origin: &Origin) -> Vec<(String, String, Origin)> {
    let of_role = |(role, choice): (&Role, &Choice)| {
        [("agent", choice.agent.clone()), ("model", choice.model.clone())].map(|(name, value)| {
            // A table without one has the run's; the row says that the table is there.
            (format!("roles.{}.{name}", role.name()), value.unwrap_or_default(), origin.clone())
        })
    };
    roles.iter().flat_map(of_role).collect()
}
