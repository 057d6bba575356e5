//! Action requests: what an agent may ask the engine to do for it after a failed fix, by `.aider_fsm/actions.yml`.
//!
//! The file is read by an adapter and put aside at once; these are its words in the log. Nothing in a request is believed:
//! every command passes the command rules, and what is risky waits for a person.

use serde::{Deserialize, Serialize};

use super::command_policy::{CommandPolicy, is_machine_wide};
use super::evidence::LogRef;
use super::id::Digest;
use super::policy::CommandMode;

/// What kind of action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Run a command.
    RunCmd,
    /// Run a command that installs something; another word for the same rules.
    InstallTool,
    /// Run a command that starts something; another word for the same rules.
    StartService,
    /// Write a file.
    WriteFile,
}

/// How risky the agent itself says an action is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// It runs.
    #[default]
    Low,
    /// It waits for a person.
    Medium,
    /// It waits for a person.
    High,
}

/// The risk an action is taken to have: what the agent said, and never less than its kind and its command suggest.
///
/// A command that the safe rules refuse, or that changes the machine and not the repository, is at least `medium` whatever
/// was said; so is an installation or a service about which nothing was said.
pub fn assumed_risk(kind: ActionKind, command: &str, declared: Option<Risk>) -> Risk {
    let safe = CommandPolicy { mode: CommandMode::Safe, ..CommandPolicy::default() };
    let runs = kind != ActionKind::WriteFile;
    let unsaid = declared.is_none() && matches!(kind, ActionKind::InstallTool | ActionKind::StartService);
    let least = if unsaid || (runs && (safe.judge(command).is_err() || is_machine_wide(command))) {
        Risk::Medium
    } else {
        Risk::Low
    };
    declared.unwrap_or_default().max(least)
}

/// Says whether a person has to grant a request before it runs: one action above `low` is enough.
pub fn needs_person(actions: &[ActionLine]) -> bool {
    actions.iter().any(|action| action.risk > Risk::Low)
}

/// One action as asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionLine {
    /// Its name.
    pub id: String,
    /// Its kind.
    pub kind: ActionKind,
    /// The command, or the path that is written; secrets are left out.
    pub what: String,
    /// Its risk.
    pub risk: Risk,
}

/// A request, as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionsRequest {
    /// The copy that was put aside, relative to the artifact directory.
    pub copy: String,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// The actions, in order.
    pub actions: Vec<ActionLine>,
    /// Whether a person has to grant it first.
    pub needs_person: bool,
}

/// How one action ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionResult {
    /// Its name.
    pub id: String,
    /// Exit code of a command; 0 for a file that was written; `None` when it did not run.
    pub exit_code: Option<i32>,
    /// A stable word for why it did not do what it is for; empty when it did.
    pub error: String,
    /// Its output.
    #[serde(default)]
    pub log: Option<LogRef>,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionsReport {
    /// A stable word when the request was put aside without running anything: `invalid`, `stale`, `denied`.
    #[serde(default)]
    pub quarantined: Option<String>,
    /// Why, for people.
    #[serde(default)]
    pub detail: String,
    /// The actions that ran, in order; the first failure is the last.
    #[serde(default)]
    pub results: Vec<ActionResult>,
}
