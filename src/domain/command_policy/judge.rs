//! The order of the rules: what destroys, what needs an administrator, the denylist, the allowlist.

use regex::RegexBuilder;

use super::super::policy::CommandMode;
use super::super::shell::simple_commands;
use super::{administration, destruction, interaction};

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
    /// The lists are matched against the whole text; an expression that is none is taken literally.
    ///
    /// # Errors
    /// [`Refusal`] naming the rule. A text too long or too deeply nested to be read is refused too.
    pub fn judge(&self, command: &str) -> Result<(), Refusal> {
        let commands =
            simple_commands(command).map_err(|err| refuse("blocked_by_policy", err.to_string()))?;
        if let Some(why) = destruction::find(&commands) {
            return Err(refuse("blocked_by_policy", format!("{why}; no mode allows it")));
        }
        if self.mode == CommandMode::Safe
            && let Some(why) = administration::find(&commands)
        {
            return Err(refuse("blocked_by_policy", format!("{why}; the command mode `system` allows it")));
        }
        if let Some(pattern) = self.denylist.iter().find(|pattern| matches(pattern, command)) {
            return Err(refuse("blocked_by_denylist", format!("it matches `{pattern}` of the denylist")));
        }
        if !self.allowlist.is_empty() && !self.allowlist.iter().any(|pattern| matches(pattern, command)) {
            return Err(refuse(
                "blocked_by_allowlist",
                "it matches no entry of the allowlist; add one".to_owned(),
            ));
        }
        Ok(())
    }

    /// Refuses commands that would wait for a person at a terminal, such as `docker login` without a password on stdin.
    ///
    /// # Errors
    /// [`Refusal`] with the code `looks_interactive`, or `blocked_by_policy` for a text that cannot be read.
    pub fn judge_unattended(&self, command: &str) -> Result<(), Refusal> {
        let commands =
            simple_commands(command).map_err(|err| refuse("blocked_by_policy", err.to_string()))?;
        match commands.iter().find_map(interaction::waits) {
            Some(why) => Err(refuse("looks_interactive", why)),
            None => Ok(()),
        }
    }
}

fn refuse(code: &'static str, why: String) -> Refusal {
    Refusal { code, why }
}

/// Whether a pattern matches. One that does not compile is taken literally, as the seed does.
fn matches(pattern: &str, command: &str) -> bool {
    match RegexBuilder::new(pattern).case_insensitive(true).build() {
        Ok(expression) => expression.is_match(command),
        Err(_) => command.to_lowercase().contains(&pattern.to_lowercase()),
    }
}
