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
    let operands = operands_of(&arguments);
    let asks_for_help = arguments.contains(&"--help");
    if asks_for_help {
        return None;
    }
    match (command.program(), operands.as_slice()) {
        (program @ ("docker" | "podman"), ["login", ..]) => {
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

/// What is neither an option nor the value of one of docker's global options.
fn operands_of<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let mut operands = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if matches!(*argument, "--context" | "-c" | "--config" | "--host" | "-H" | "--log-level" | "-l") {
            arguments.next();
        } else if !argument.starts_with('-') {
            operands.push(*argument);
        }
    }
    operands
}
