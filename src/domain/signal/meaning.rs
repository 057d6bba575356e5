//! What a command is: a test, a commit, something the safety contract forbids. Judged by the program that runs, never by
//! a word in its arguments.

use super::super::shell::SimpleCommand;

/// Options after which a program only tells about itself.
const TELLING: &[&str] = &["--version", "--help", "-h"];

/// Programs that do nothing but run tests.
const TEST_PROGRAMS: &[&str] = &[
    "pytest",
    "py.test",
    "tox",
    "nox",
    "nosetests",
    "nose2",
    "ctest",
    "phpunit",
    "rspec",
    "jest",
    "vitest",
    "mocha",
    "ava",
    "bats",
    "prove",
    "gotestsum",
];

/// Programs that run tests when told to by their first operand.
const TEST_VERBS: &[(&str, &[&str])] = &[
    ("make", &["test", "tests", "check"]),
    ("gmake", &["test", "tests", "check"]),
    ("just", &["test", "tests", "check"]),
    ("task", &["test", "tests"]),
    ("ninja", &["test", "check"]),
    ("cargo", &["test", "t", "nextest"]),
    ("go", &["test"]),
    ("bun", &["test"]),
    ("npm", &["test", "t", "tst"]),
    ("pnpm", &["test", "t"]),
    ("yarn", &["test"]),
    ("deno", &["test"]),
    ("hatch", &["test"]),
    ("rake", &["test", "spec"]),
    ("mix", &["test"]),
    ("dotnet", &["test"]),
    ("swift", &["test"]),
    ("bazel", &["test"]),
    ("zig", &["test"]),
    ("dart", &["test"]),
    ("flutter", &["test"]),
    ("stack", &["test"]),
    ("cabal", &["test"]),
    ("lein", &["test"]),
    ("sbt", &["test"]),
    ("meson", &["test"]),
    ("composer", &["test"]),
];

/// Whether a command runs tests.
pub(super) fn runs_tests(command: &SimpleCommand) -> bool {
    let program = command.program();
    // `-V` is a version nearly everywhere, and more words for ctest.
    let tells = |argument: &str| TELLING.contains(&argument) || (argument == "-V" && program != "ctest");
    if command.arguments().any(tells) {
        return false;
    }
    let operands: Vec<&str> =
        command.arguments().filter(|argument| !argument.starts_with(['-', '+'])).collect();
    let first = operands.first().copied().unwrap_or_default();
    if TEST_PROGRAMS.contains(&program) {
        return true;
    }
    if let Some((_, verbs)) = TEST_VERBS.iter().find(|(name, _)| *name == program)
        && verbs.contains(&first)
    {
        return true;
    }
    match program {
        "make" | "gmake" | "just" => {
            operands.iter().any(|target| matches!(*target, "test" | "tests" | "check"))
        }
        "npm" | "pnpm" | "yarn" | "bun" => {
            matches!(first, "run" | "run-script")
                && operands.get(1).is_some_and(|script| is_test_script(script))
        }
        "hatch" => first == "run" && operands.iter().skip(1).any(|word| is_test_script(word)),
        "gradle" | "gradlew" => operands.iter().any(|task| {
            let task = task.rsplit(':').next().unwrap_or_default();
            matches!(task, "check" | "build") || task.to_lowercase().ends_with("test")
        }),
        "mvn" | "mvnw" => {
            operands.iter().any(|goal| matches!(*goal, "test" | "verify" | "install" | "integration-test"))
        }
        _ if is_python(program) => {
            let mut arguments = command.arguments();
            arguments.by_ref().any(|argument| argument == "-m")
                && arguments
                    .next()
                    .is_some_and(|module| module == "unittest" || TEST_PROGRAMS.contains(&module))
        }
        _ => false,
    }
}

/// `test`, `test:unit`, `py.test`-like names of scripts.
fn is_test_script(script: &str) -> bool {
    script.split([':', '-', '_', '.']).any(|part| matches!(part, "test" | "tests" | "pytest" | "tox"))
}

fn is_python(program: &str) -> bool {
    program
        .strip_prefix("python")
        .or_else(|| program.strip_prefix("pypy"))
        .is_some_and(|version| version.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

/// `commit` or `push`, when that is what a command does.
pub(super) fn git_verb(command: &SimpleCommand) -> Option<&str> {
    if command.program() != "git" {
        return None;
    }
    let mut arguments = command.arguments();
    while let Some(argument) = arguments.next() {
        if matches!(argument, "-C" | "-c" | "--git-dir" | "--work-tree" | "--namespace" | "--exec-path") {
            arguments.next();
        } else if !argument.starts_with('-') {
            return matches!(argument, "commit" | "push").then_some(argument);
        }
    }
    None
}

/// The rule of the safety contract that a command breaks.
pub(in crate::domain) fn broken_rule(command: &SimpleCommand) -> Option<&'static str> {
    let program = command.program();
    let has = |options: &[&str]| command.arguments().any(|argument| options.contains(&argument));
    let operands: Vec<&str> = command.arguments().filter(|argument| !argument.starts_with('-')).collect();
    let begins = |verbs: &[&str]| operands.starts_with(verbs);
    match program {
        "sudo" => Some("sudo"),
        "doas" => Some("doas"),
        "brew" if begins(&["install"]) || begins(&["reinstall"]) => Some("brew_install"),
        "npm" if changes_packages(&operands) && is_global(command) => Some("npm_global"),
        "pnpm" if changes_packages(&operands) && is_global(command) => Some("pnpm_global"),
        "yarn" if begins(&["global"]) => Some("yarn_global"),
        "uv" if begins(&["tool", "install"]) => Some("uv_tool_install"),
        "poetry" if begins(&["self"]) => Some("poetry_self"),
        "git" if git_verb(command) == Some("push") => Some("git_push"),
        _ if installs_with_pip(command, &operands) => {
            if has(&["--user"]) {
                Some("pip_user")
            } else if has(&["--break-system-packages"]) {
                Some("pip_system")
            } else {
                None
            }
        }
        _ => None,
    }
}

fn changes_packages(operands: &[&str]) -> bool {
    const VERBS: &[&str] = &[
        "install",
        "i",
        "in",
        "add",
        "ci",
        "link",
        "ln",
        "update",
        "up",
        "upgrade",
        "uninstall",
        "remove",
        "rm",
        "un",
    ];
    operands.iter().take(2).any(|operand| VERBS.contains(operand))
}

fn is_global(command: &SimpleCommand) -> bool {
    command
        .arguments()
        .any(|argument| matches!(argument, "-g" | "--global" | "--global=true" | "--location=global"))
        || command.arguments().zip(command.arguments().skip(1)).any(|pair| pair == ("--location", "global"))
}

/// `pip install`, `pip3.12 install`, `python -m pip install`, `uv pip install`.
fn installs_with_pip(command: &SimpleCommand, operands: &[&str]) -> bool {
    let program = command.program();
    let version = program.strip_prefix("pip");
    if version.is_some_and(|version| version.chars().all(|c| c.is_ascii_digit() || c == '.')) {
        return operands.first() == Some(&"install");
    }
    (is_python(program) || program == "uv") && operands.starts_with(&["pip", "install"])
}
