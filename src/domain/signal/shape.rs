//! The shape of what was read out of a transcript.

use serde::{Deserialize, Serialize};

/// What was read out of a transcript.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Signals {
    /// Commands seen, however often.
    pub commands: u32,
    /// The first of them, without secrets, at most 40.
    pub commands_sample: Vec<String>,
    /// Those that run tests, at most 12.
    pub test_commands: Vec<String>,
    /// Those of the tests that the agent's protocol says failed, at most 12.
    pub failed_test_commands: Vec<String>,
    /// Those that commit or push, at most 8.
    pub git_commands: Vec<String>,
    /// Those the safety contract forbids, at most 8.
    pub safety: Vec<SafetySignal>,
    /// The last line that names trouble, where that is trouble which passes by itself: network, rate limit, 5xx.
    pub transient: Option<String>,
    /// The last line that names trouble, where that does not: permission, authentication, a missing program.
    pub hard: Option<String>,
}

/// A command the safety contract forbids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SafetySignal {
    /// A stable word: `sudo`, `npm_global`, ...
    pub rule: String,
    /// The command.
    pub command: String,
}
