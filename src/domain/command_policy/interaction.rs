//! Commands that wait for a person: only those which certainly do.

use super::super::shell::SimpleCommand;

/// Why a command would wait for a person, if it would.
pub(super) fn waits(command: &SimpleCommand) -> Option<String> {
    let arguments: Vec<&str> = command.arguments().collect();
    let has = |options: &[&str]| {
        arguments.iter().any(|argument| {
            options.iter().any(|option| {
                argument == option
                    || argument.strip_prefix(option).is_some_and(|rest| {
                        // `--password=x`, and `-px`.
                        rest.starts_with('=') || !option.starts_with("--")
                    })
            })
        })
    };
    let operands: Vec<&str> =
        arguments.iter().filter(|argument| !argument.starts_with('-')).copied().collect();
    let asks_for_help = arguments.iter().any(|argument| *argument == "--help");
    if asks_for_help {
        return None;
    }
    match (command.program(), operands.as_slice()) {
        (program @ ("docker" | "podman"), operands)
            if operands.contains(&"login") && is_verb(operands, "login") =>
        {
            let given = has(&["--password-stdin", "--password", "-p"]);
            (!given).then(|| format!("`{program} login` asks for a password; pass `--password-stdin`"))
        }
        ("gh", ["auth", "login", ..]) if !has(&["--with-token"]) => {
            Some("`gh auth login` asks questions; pass `--with-token`".to_owned())
        }
        (program @ ("npm" | "pnpm" | "yarn"), [verb @ ("login" | "adduser"), ..]) => {
            Some(format!("`{program} {verb}` asks for a password; set a token in the environment instead"))
        }
        _ => None,
    }
}

/// Whether `verb` is the first operand, or the second after the value of a global option such as `--context x`.
fn is_verb(operands: &[&str], verb: &str) -> bool {
    operands.iter().take(2).any(|operand| *operand == verb)
}
