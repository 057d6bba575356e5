//! Programs that run other programs: which of their words are the command they run.

use super::command::{SimpleCommand, Word};

/// What a command runs besides itself.
pub(super) enum Inner {
    /// Words of its own: the program and its arguments.
    Words(Vec<Word>),
    /// A text that is read as a script.
    Script(String),
}

/// A program whose arguments are another command: its options that take a value, and how many operands come first.
struct Wrapper {
    name: &'static str,
    /// The word that must follow the program, as in `uv run`; empty for none.
    verb: &'static str,
    valued: &'static [&'static str],
    operands: usize,
}

const fn wrapper(name: &'static str, valued: &'static [&'static str], operands: usize) -> Wrapper {
    Wrapper { name, verb: "", valued, operands }
}

const fn runner(name: &'static str, verb: &'static str, valued: &'static [&'static str]) -> Wrapper {
    Wrapper { name, verb, valued, operands: 0 }
}

const WRAPPERS: &[Wrapper] = &[
    wrapper("env", &["-u", "--unset", "-C", "--chdir", "-P"], 0),
    wrapper("nice", &["-n", "--adjustment"], 0),
    wrapper("ionice", &["-c", "--class", "-n", "--classdata"], 0),
    wrapper("chrt", &["-T", "-P", "-D"], 1),
    wrapper("taskset", &[], 1),
    wrapper("nohup", &[], 0),
    wrapper("setsid", &[], 0),
    wrapper("timeout", &["-s", "--signal", "-k", "--kill-after"], 1),
    wrapper("gtimeout", &["-s", "--signal", "-k", "--kill-after"], 1),
    wrapper("time", &["-f", "--format", "-o", "--output"], 0),
    wrapper("stdbuf", &["-i", "--input", "-o", "--output", "-e", "--error"], 0),
    wrapper("unbuffer", &[], 0),
    wrapper(
        "xargs",
        &[
            "-a",
            "--arg-file",
            "-d",
            "--delimiter",
            "-E",
            "-I",
            "-J",
            "-L",
            "-n",
            "--max-args",
            "-P",
            "--max-procs",
            "-R",
            "-s",
        ],
        0,
    ),
    wrapper("command", &[], 0),
    wrapper("builtin", &[], 0),
    wrapper("exec", &["-a"], 0),
    wrapper(
        "sudo",
        &[
            "-u", "--user", "-g", "--group", "-h", "--host", "-p", "--prompt", "-C", "-D", "--chdir", "-R",
            "--chroot", "-r", "--role", "-t", "--type", "-T", "-U",
        ],
        0,
    ),
    wrapper("doas", &["-u", "-C", "-a"], 0),
    wrapper("pkexec", &["--user"], 0),
    wrapper("gosu", &[], 1),
    wrapper("su-exec", &[], 1),
    wrapper("chroot", &["--userspec", "--groups"], 1),
    wrapper("unshare", &["-S", "-G", "-R", "-w"], 0),
    wrapper("strace", &["-e", "-o", "-p", "-s", "-u", "-E", "-P"], 0),
    wrapper("watch", &["-n", "--interval"], 0),
    wrapper("busybox", &[], 0),
    wrapper("toybox", &[], 0),
    wrapper("xvfb-run", &["-n", "-s", "-e", "-f", "-p", "-w"], 0),
    runner(
        "uv",
        "run",
        &[
            "-p",
            "--python",
            "--with",
            "--with-editable",
            "--with-requirements",
            "--extra",
            "--group",
            "--only-group",
            "--no-group",
            "--package",
            "--env-file",
            "--directory",
            "--project",
            "--index-url",
        ],
    ),
    runner("coverage", "run", &["--rcfile", "--source", "--omit", "--include", "--context", "--data-file"]),
    runner("poetry", "run", &["-C", "--directory", "-P", "--project"]),
    runner("pipenv", "run", &[]),
    runner("pdm", "run", &["-p", "--project", "--venv"]),
    runner("rye", "run", &[]),
    runner("bundle", "exec", &[]),
    runner("mise", "exec", &[]),
    runner("direnv", "exec", &[]),
    runner("nix", "develop", &[]),
    wrapper("npx", &["-p", "--package"], 0),
    wrapper("bunx", &["-p", "--package"], 0),
    runner("npm", "exec", &[]),
    runner("pnpm", "exec", &[]),
    runner("yarn", "exec", &[]),
];

const SHELLS: &[&str] = &["sh", "bash", "zsh", "dash", "ksh", "mksh", "ash", "rbash", "fish", "csh", "tcsh"];

/// Whether a program is a shell.
pub fn is_shell(program: &str) -> bool {
    SHELLS.contains(&program)
}

/// Whether a shell takes its script from standard input: no `-c`, and no file or `-s` or `-` in its place.
pub fn reads_script_from_stdin(command: &SimpleCommand) -> bool {
    is_shell(command.program())
        && match shell_script(&command.words) {
            ShellScript::Stdin => true,
            ShellScript::Text(_) => false,
            ShellScript::File(path) => {
                matches!(path.as_str(), "-" | "/dev/stdin" | "/dev/fd/0" | "/proc/self/fd/0")
            }
        }
}

/// Whether what a shell runs comes out of a substitution: `sh -c "$(…)"`, `sh <(…)`.
pub fn runs_computed_script(command: &SimpleCommand) -> bool {
    is_shell(command.program())
        && match shell_script(&command.words) {
            ShellScript::Text(script) | ShellScript::File(script) => script.trim_start().starts_with("$()"),
            ShellScript::Stdin => false,
        }
}

/// Where a shell finds its script.
enum ShellScript {
    Text(String),
    File(String),
    Stdin,
}

fn shell_script(words: &[Word]) -> ShellScript {
    let mut arguments = words.iter().skip(1).map(|word| word.text.as_str());
    let (mut text_wanted, mut stdin_wanted) = (false, false);
    while let Some(argument) = arguments.next() {
        let long = argument.starts_with("--") && argument.len() > 2;
        let short = !long && argument.len() > 1 && argument.starts_with(['-', '+']) && argument != "--";
        if long {
            if matches!(argument, "--rcfile" | "--init-file") {
                arguments.next();
            } else if matches!(argument, "--command") {
                text_wanted = true;
            }
        } else if short {
            text_wanted |= argument.starts_with('-') && argument.contains('c');
            stdin_wanted |= argument.starts_with('-') && argument.contains('s');
            if argument.ends_with(['o', 'O']) {
                arguments.next();
            }
        } else {
            let operand = if argument == "--" { arguments.next() } else { Some(argument) };
            return match operand {
                Some(text) if text_wanted => ShellScript::Text(text.to_owned()),
                Some(_) if stdin_wanted => ShellScript::Stdin,
                Some(path) => ShellScript::File(path.to_owned()),
                None => ShellScript::Stdin,
            };
        }
    }
    ShellScript::Stdin
}

/// What a command runs, from its own words.
pub(super) fn inner(command: &SimpleCommand) -> Vec<Inner> {
    let program = command.program();
    let words = command.words.as_slice();
    let mut found = Vec::new();
    if is_shell(program) {
        if let ShellScript::Text(text) = shell_script(words) {
            found.push(Inner::Script(text));
        }
        return found;
    }
    match program {
        "eval" => found.push(Inner::Script(joined(words, 1))),
        "trap" => {
            let action = command.arguments().find(|argument| !argument.starts_with('-'));
            found.extend(action.map(|text| Inner::Script(text.to_owned())));
        }
        "su" | "runuser" | "script" | "flock" => found.extend(option_script(words)),
        "find" | "gfind" => found.extend(find_actions(words)),
        "env" => found.extend(split_string(words)),
        "watch" => found.push(Inner::Script(joined(words, 1))),
        // `$SUDO rm x`: what is computed may be a wrapper, or nothing at all.
        _ if words.first().is_some_and(|word| !word.quoted && word.text.starts_with('$')) => {
            found.extend(
                words.get(1..).filter(|rest| !rest.is_empty()).map(|rest| Inner::Words(rest.to_vec())),
            );
        }
        _ => {}
    }
    if program == "flock" && found.is_empty() {
        found.extend(wrapped(&wrapper("flock", &["-w", "--timeout", "-E"], 1), words));
    }
    found.extend(
        WRAPPERS.iter().filter(|entry| entry.name == program).filter_map(|entry| wrapped(entry, words)),
    );
    found
}

/// The words after the wrapper's own: options with their values, assignments, operands.
fn wrapped(entry: &Wrapper, words: &[Word]) -> Option<Inner> {
    let mut at = 1;
    if !entry.verb.is_empty() {
        // Options of the program itself may stand before its verb.
        let verb = words.iter().skip(1).take(8).position(|word| word.text == entry.verb)?;
        at = verb + 2;
    }
    let mut operands = entry.operands;
    let mut options = true;
    loop {
        let word = words.get(at)?.text.as_str();
        if options && word == "--" {
            options = false;
        } else if options && word.len() > 1 && word.starts_with('-') {
            if entry.name == "command" && matches!(word, "-v" | "-V") {
                return None;
            }
            if entry.valued.contains(&word) {
                at += 1;
            }
        } else if options && operands == 0 && super::word::is_assignment(word) {
            // `env A=b program`, and `sudo A=b program`.
        } else if operands > 0 {
            operands -= 1;
        } else {
            break;
        }
        at += 1;
    }
    words.get(at..).map(|rest| Inner::Words(rest.to_vec()))
}

fn joined(words: &[Word], from: usize) -> String {
    words.iter().skip(from).map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

/// The script after `-c` or `--command`.
fn option_script(words: &[Word]) -> Option<Inner> {
    let mut words = words.iter().skip(1).map(|word| word.text.as_str());
    while let Some(word) = words.next() {
        if let Some(text) = word.strip_prefix("--command=") {
            return Some(Inner::Script(text.to_owned()));
        }
        let short = word.starts_with('-') && !word.starts_with("--") && word.ends_with('c');
        if short || word == "--command" {
            return words.next().map(|text| Inner::Script(text.to_owned()));
        }
    }
    None
}

/// The text of `env -S`, which is split into words.
fn split_string(words: &[Word]) -> Option<Inner> {
    let mut rest = words.iter().enumerate().skip(1);
    rest.find_map(|(at, word)| {
        let attached = word.text.strip_prefix("--split-string=");
        let attached = attached.or_else(|| word.text.strip_prefix("-S").filter(|text| !text.is_empty()));
        match attached {
            Some(text) => Some(Inner::Script(format!("{text} {}", joined(words, at + 1)))),
            None if matches!(word.text.as_str(), "-S" | "--split-string" | "-vS" | "-iS") => {
                Some(Inner::Script(joined(words, at + 1)))
            }
            None => None,
        }
    })
}

/// The commands of `find -exec` and its kin, up to `;` or `+`.
fn find_actions(words: &[Word]) -> Vec<Inner> {
    let is_action = |word: &Word| matches!(word.text.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir");
    let mut found = Vec::new();
    let mut rest = words;
    while let Some(at) = rest.iter().position(is_action) {
        rest = rest.get(at + 1..).unwrap_or_default();
        let end = rest.iter().position(|word| matches!(word.text.as_str(), ";" | "+")).unwrap_or(rest.len());
        let (action, after) = rest.split_at(end);
        if !action.is_empty() {
            found.push(Inner::Words(action.to_vec()));
        }
        rest = after;
    }
    found
}
