//! Roles: what an agent is used for. Each may have an agent and a model of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What an agent is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads the repository and writes down what is to be done; changes nothing.
    Plan,
    /// Reads the repository to answer a question; changes nothing.
    Explore,
    /// Makes the change.
    #[default]
    Build,
    /// Repairs a change that failed its checks more than once.
    Debug,
    /// Reads a change and says what is wrong with it; changes nothing.
    Review,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Plan, Self::Explore, Self::Build, Self::Debug, Self::Review];

    /// The name that is stored and written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Explore => "explore",
            Self::Build => "build",
            Self::Debug => "debug",
            Self::Review => "review",
        }
    }

    /// The role of a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Says whether an agent in this role may change files.
    pub fn writes(self) -> bool {
        matches!(self, Self::Build | Self::Debug)
    }
}

/// The agent and model of a role; what is `None` is the run's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Choice {
    /// The agent, as `name` or `command:PROGRAM ARGS`.
    pub agent: Option<String>,
    /// The model, in the agent's own spelling.
    pub model: Option<String>,
}

/// Refuses a model's name that no agent could be given: it becomes an argument of the agent's program.
///
/// # Errors
/// The rule it breaks.
pub fn check_model(model: &str) -> Result<(), &'static str> {
    let is_name = !model.is_empty()
        && model.len() <= 200
        && !model.starts_with('-')
        && !model.contains(|c: char| c.is_whitespace() || c.is_control());
    if is_name { Ok(()) } else { Err("a model's name has 1 to 200 bytes, no spaces, and no `-` first") }
}

/// The choices of a run, by role.
pub type Roles = BTreeMap<Role, Choice>;
