//! Policy: what a run may do and what a person must see before anything leaves; fixed when the run is made.

use serde::{Deserialize, Serialize};

use super::confine::{Confinement, SandboxMode, Tier};

/// The rules of one run. Every field has a default, so that an old log still says what it meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// The sandbox agents work in.
    pub sandbox: SandboxMode,
    /// The lowest tier agents and checks may run under, as a number from 0 to 2.
    pub required_tier: u8,
    /// Whether the agent may reach the network: its model lives there.
    pub agent_network: bool,
    /// Whether checks may reach the network; a verification contract may ask for it too.
    pub checks_network: bool,
    /// The verification contract in the repository, relative to its root; looked for at the base commit.
    pub pipeline: String,
    /// Files a change may touch before a person must accept that; 0 is no budget.
    pub max_files: u32,
    /// Lines a change may add before a person must accept that; 0 is no budget.
    pub max_added_lines: u32,
    /// Bytes a file of a change may have before a person must accept that; 0 is no budget.
    pub max_file_bytes: u64,
    /// Globs of paths that are protected besides the built-in ones.
    pub protect: Vec<String>,
    /// Globs of built-in protected paths that the agent may change all the same.
    pub unprotect: Vec<String>,
    /// Regular expressions over the excerpt of a failed check that is known to fail on the base too.
    pub known_failures: Vec<String>,
    /// Check commands that must have passed for a PASS.
    pub min_checks: u32,
    /// Guard violations after which a person looks.
    pub max_guard_violations: u32,
    /// Failed attempts in a row that are tried again before a person looks; 0 is no limit.
    pub max_retries: u32,
    /// Whether a person confirms each update of a pull request, or the first confirmation stands for them.
    pub update_push: UpdatePush,
    /// Command rules for what the engine runs by contract: `safe` or `system`.
    pub command_mode: CommandMode,
}

/// Who lets an update of a pull request go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdatePush {
    /// A person, each time.
    #[default]
    Confirm,
    /// The person who confirmed the first, with that: later ones to the same branch go when they passed their checks, nothing was
    /// found in them, and they touch no protected path.
    AutoAfterFirstApproval,
}

impl UpdatePush {
    /// Reads the stored word; `None` for anything else.
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "confirm" => Some(Self::Confirm),
            "auto_after_first_approval" => Some(Self::AutoAfterFirstApproval),
            _ => None,
        }
    }
}

/// How much the command rules forbid by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandMode {
    /// Also what needs an administrator or ends the machine: `sudo`, `mkfs`, `shutdown`, ...
    #[default]
    Safe,
    /// Only what destroys: removing `/` or the home, fork bombs.
    System,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            sandbox: SandboxMode::Auto,
            required_tier: 0,
            agent_network: true,
            checks_network: false,
            pipeline: "pipeline.yml".to_owned(),
            max_files: 0,
            max_added_lines: 0,
            max_file_bytes: 1024 * 1024,
            protect: Vec::new(),
            unprotect: Vec::new(),
            known_failures: Vec::new(),
            min_checks: 1,
            max_guard_violations: 3,
            max_retries: 3,
            update_push: UpdatePush::Confirm,
            command_mode: CommandMode::Safe,
        }
    }
}

impl Policy {
    /// What an agent is shut in with.
    pub fn agent_confinement(&self) -> Confinement {
        Confinement { mode: self.sandbox, required: self.tier(), network: self.agent_network }
    }

    /// What a check is shut in with: it writes its checkout, whatever the agent may.
    pub fn check_confinement(&self) -> Confinement {
        let mode = match self.sandbox {
            SandboxMode::DangerFullAccess => SandboxMode::DangerFullAccess,
            SandboxMode::Auto => SandboxMode::Auto,
            SandboxMode::ReadOnly | SandboxMode::WorkspaceWrite => SandboxMode::WorkspaceWrite,
        };
        Confinement { mode, required: self.tier(), network: self.checks_network }
    }

    /// The lowest tier; a number nobody knows asks for the strongest.
    pub fn tier(&self) -> Tier {
        Tier::of(self.required_tier).unwrap_or(Tier::Bubblewrap)
    }
}

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A person should see it.
    Note,
    /// A person must accept it by a word before anything leaves.
    Blocking,
}

/// One thing the look at a change's objects found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// A stable word, such as `secret`, `symlink`, `diff_budget`.
    pub rule: String,
    /// How much it weighs.
    pub severity: Severity,
    /// The path, control characters left out; empty for a finding about the whole change.
    pub path: String,
    /// The line in the new file, starting at 1.
    #[serde(default)]
    pub line: Option<u32>,
    /// What was found, for people; never the secret itself.
    pub detail: String,
}

impl Finding {
    /// Where it is and what it is, on one line.
    pub fn words(&self) -> String {
        match (self.path.is_empty(), self.line) {
            (true, _) => format!("{}: {}", self.rule, self.detail),
            (false, None) => format!("{}: {}: {}", self.path, self.rule, self.detail),
            (false, Some(line)) => format!("{}:{line}: {}: {}", self.path, self.rule, self.detail),
        }
    }
}
