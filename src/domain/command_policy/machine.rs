//! What changes the machine and not the repository: never refused for that, and never done on an agent's word alone.

use super::super::shell::{SimpleCommand, simple_commands};
use super::super::signal::broken_rule;

/// Package managers of systems, and what starts programs for everybody.
const PROGRAMS: &[&str] = &[
    "apt",
    "apt-get",
    "aptitude",
    "dnf",
    "yum",
    "apk",
    "pacman",
    "zypper",
    "snap",
    "brew",
    "nix-env",
    "pkexec",
    "systemctl",
];

/// Programs and the operand with which they install a tool for every project.
const INSTALLERS: &[(&str, &str)] =
    &[("cargo", "install"), ("go", "install"), ("gem", "install"), ("pipx", "install"), ("uv", "tool")];

/// Says whether a command changes the machine: packages of the system, tools for every project, a script fetched from a host,
/// or anything the safety contract forbids. A command that cannot be read does.
pub fn is_machine_wide(command: &str) -> bool {
    let Ok(commands) = simple_commands(command) else { return true };
    commands.iter().any(|one| changes_machine(one) || fetches_script(one, &commands))
}

fn changes_machine(command: &SimpleCommand) -> bool {
    let program = command.program();
    let first = command.arguments().find(|argument| !argument.starts_with(['-', '+']));
    broken_rule(command).is_some()
        || PROGRAMS.contains(&program)
        || INSTALLERS.iter().any(|(name, verb)| *name == program && first == Some(*verb))
        || (program == "bun" && command.arguments().any(|argument| matches!(argument, "-g" | "--global")))
}

/// `curl ... | python3`; what goes to a shell is refused by the rules before.
fn fetches_script(command: &SimpleCommand, commands: &[SimpleCommand]) -> bool {
    let interprets = |other: &SimpleCommand| {
        ["python", "node", "perl", "ruby"].iter().any(|name| other.program().starts_with(name))
    };
    matches!(command.program(), "curl" | "wget")
        && commands.iter().any(|other| interprets(other) && command.feeds(other))
}
