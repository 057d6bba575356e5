//! What needs an administrator, ends the machine, or removes what others use: refused in the `safe` mode.

use super::super::shell::SimpleCommand;
use super::destruction::makes_filesystem;

/// The first command that the safe mode refuses, and why.
pub(super) fn find(commands: &[SimpleCommand]) -> Option<String> {
    commands.iter().find_map(refused)
}

fn refused(command: &SimpleCommand) -> Option<String> {
    let program = command.program();
    let operands = || command.arguments().filter(|argument| !argument.starts_with('-'));
    let says = |verbs: &[&str]| operands().take(2).any(|operand| verbs.contains(&operand));
    match program {
        "sudo" | "doas" | "su" | "pkexec" | "runuser" => {
            Some(format!("`{program}` runs commands as another user"))
        }
        "brew" if says(&["uninstall", "remove", "rm"]) => {
            Some("`brew uninstall` removes a program".to_owned())
        }
        "docker" | "podman" if prunes(command) => {
            Some(format!("`{program} … prune` removes what others use"))
        }
        "dd" => Some("`dd` writes raw data".to_owned()),
        "shutdown" | "reboot" | "halt" | "poweroff" => Some(format!("`{program}` ends the machine")),
        "init" | "telinit" if operands().any(|level| matches!(level, "0" | "6")) => {
            Some(format!("`{program}` ends the machine"))
        }
        "systemctl" | "loginctl"
            if says(&["poweroff", "reboot", "halt", "kexec", "soft-reboot", "rescue", "emergency"]) =>
        {
            Some(format!("`{program}` ends the machine"))
        }
        _ if makes_filesystem(program) => Some(format!("`{program}` makes a filesystem")),
        _ => None,
    }
}

/// `system prune` and `volume prune`, behind whatever global options.
fn prunes(command: &SimpleCommand) -> bool {
    let operands: Vec<&str> = command.arguments().filter(|argument| !argument.starts_with('-')).collect();
    operands.windows(2).any(|pair| matches!(pair, ["system" | "volume", "prune"]))
}
