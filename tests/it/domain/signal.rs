//! What is read out of transcripts: what ran, never what was only mentioned.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use agentpr::domain::known_failure::{check_patterns, is_known};
use agentpr::domain::signal::{Signals, read};

use crate::harness::skip::skipped;

/// A line of a codex protocol about one finished command.
fn executed(id: u32, command: &str, exit_code: i64) -> String {
    let status = if exit_code == 0 { "completed" } else { "failed" };
    let item = json!({
        "id": format!("item_{id}"), "type": "command_execution", "command": command, "aggregated_output": "",
        "exit_code": exit_code, "status": status,
    });
    json!({"type": "item.completed", "item": item}).to_string()
}

fn read_command(command: &str) -> Signals {
    read(&executed(1, command, 0))
}

fn rules(command: &str) -> Vec<String> {
    read_command(command).safety.into_iter().map(|signal| signal.rule).collect()
}

#[test]
fn fault_44_evidence_is_the_program_that_runs_and_not_a_word() {
    for command in [
        "cat pytest.ini",
        "rg tox .",
        "ls pytest",
        "echo pytest",
        "pip install pytest",
        "git commit -m 'make test'",
        "which pytest",
        "command -v pytest",
        "pytest --version",
        "npm install",
        "cargo build",
        "python -m venv test",
        "grep -rn 'cargo test' docs",
        "cat <<E\npytest\nE\n",
        "make",
        "npm run build",
        "go build",
        "vim tests/test_x.py",
    ] {
        assert_eq!(read_command(command).test_commands, Vec::<String>::new(), "{command}");
    }
    for command in [
        "pytest -q",
        "tox -e py312",
        "make test",
        "make -C sub check",
        "cargo test --all",
        "cargo +nightly test",
        "go test ./...",
        "npm test",
        "npm run test:unit",
        "pnpm test",
        "yarn test",
        "bun test",
        "hatch run dev:test",
        "hatch test",
        "./gradlew test",
        "gradle :app:test",
        "mvn -q verify",
        "python3 -m pytest x",
        "python3.12 -m unittest -q",
        "uv run pytest",
        "poetry run pytest",
        "cd x && pytest",
        "CI=1 pytest",
        "timeout 60 pytest",
        ".venv/bin/pytest",
        "/bin/bash -lc 'pytest -q | tail'",
        "bash -lc \"cat x; python3 -m unittest\"",
        "npx jest",
        "coverage run -m pytest",
        "ctest -V",
    ] {
        assert_eq!(read_command(command).test_commands.len(), 1, "{command}");
    }
}

#[test]
fn fault_44_a_test_run_that_failed_counts_as_failed() {
    let signals =
        read(&[executed(1, "pytest", 1), executed(2, "tox", 0), executed(3, "cat x", 1)].join("\n"));
    assert_eq!(signals.test_commands, ["pytest", "tox"]);
    assert_eq!(signals.failed_test_commands, ["pytest"]);
    assert_eq!(signals.commands, 3);
}

#[test]
fn fault_45_commands_are_recognised_on_every_system() {
    let text =
        "exec\n/bin/bash -lc 'pytest -q' in /repo\n/bin/zsh -lc \"make test\"\nbash -lc 'cargo test'\n";
    let signals = read(text);
    assert_eq!(signals.commands, 3);
    assert_eq!(signals.test_commands, ["pytest -q", "make test", "cargo test"]);
    let over_lines = read("/bin/bash -lc 'cd x\npytest'\nmore\n");
    assert_eq!(over_lines.test_commands, ["cd x\npytest"]);
}

#[test]
fn fault_45_prose_is_no_command() {
    let signals =
        read("I would run pytest but could not.\nThen bash -lc 'pytest' should pass.\nsudo is not there\n");
    assert_eq!((signals.commands, signals.test_commands.len(), signals.safety.len()), (0, 0, 0));
}

#[test]
fn fault_46_safety_looks_at_programs_and_not_at_text() {
    for command in [
        "rg \"sudo \" docs",
        "echo 'sudo rm'",
        "grep -r 'brew install' .",
        "npm ls -g",
        "npm install",
        "pip install -r x.txt",
        "git log --grep 'git push'",
        "git stash push",
        "git commit -m 'no sudo'",
        "poetry install",
        "uv tool list",
        "echo git push",
        "cat <<E\nsudo x\nE\n",
        "npm config get prefix -g",
    ] {
        assert_eq!(rules(command), Vec::<String>::new(), "{command}");
    }
    for (command, rule) in [
        ("sudo apt-get install x", "sudo"),
        ("s\"\"udo id", "sudo"),
        ("cd x; doas id", "doas"),
        ("bash -c 'sudo id'", "sudo"),
        ("brew install x", "brew_install"),
        ("npm install -g x", "npm_global"),
        ("npm i --global x", "npm_global"),
        ("pnpm add -g x", "pnpm_global"),
        ("yarn global add x", "yarn_global"),
        ("uv tool install x", "uv_tool_install"),
        ("poetry self update", "poetry_self"),
        ("pip install --user x", "pip_user"),
        ("pip3 install --user x", "pip_user"),
        ("python3 -m pip install --user x", "pip_user"),
        ("pip install --break-system-packages x", "pip_system"),
        ("git push origin x", "git_push"),
        ("git -C sub -c a=b push", "git_push"),
    ] {
        assert_eq!(rules(command), [rule], "{command}");
    }
    assert_eq!(rules("sudo pip install --user x"), ["sudo", "pip_user"]);
}

#[test]
fn commits_and_pushes_are_signals() {
    let lines = ["git commit -am x", "git push", "git status", "git log --grep commit"];
    let text: Vec<String> = lines.iter().zip(1..).map(|(line, id)| executed(id, line, 0)).collect();
    assert_eq!(read(&text.join("\n")).git_commands, ["git commit -am x", "git push"]);
}

#[test]
fn fault_47_file_contents_name_no_trouble() {
    let shown = json!({"type": "item.completed", "item": {
        "id": "item_1", "type": "command_execution", "command": "cat errors.py", "exit_code": 0, "status": "completed",
        "aggregated_output": "class Forbidden: 'permission denied'\ncommand not found\n",
    }});
    let result = json!({"type": "user", "message": {"content": [
        {"type": "tool_result", "tool_use_id": "t", "content": "403 Forbidden", "is_error": true},
    ]}, "tool_use_result": {"stderr": "unauthorized", "stdout": "forbidden"}});
    let failed = json!({"type": "turn.failed", "error": {"message": "request timed out"}});
    let signals = read(&format!("{shown}\n{result}\n{failed}\n"));
    assert_eq!(signals.hard, None);
    assert_eq!(signals.transient.as_deref(), Some("request timed out"));
}

#[test]
fn fault_47_the_last_error_line_wins_and_is_kept() {
    let error = |message: &str| json!({"type": "error", "message": message}).to_string();
    let signals = read(&[error("401 Unauthorized"), error("HTTP 503"), error("give up")].join("\n"));
    assert_eq!((signals.hard, signals.transient.as_deref()), (None, Some("HTTP 503")));
    let signals = read(&[error("HTTP 503"), error("401 Unauthorized")].join("\n"));
    assert_eq!((signals.hard.as_deref(), signals.transient), (Some("401 Unauthorized"), None));
    let long = format!("permission denied {}", "\u{e9}".repeat(1_000));
    assert_eq!(read(&error(&long)).hard.map(|line| line.chars().count()), Some(300));
}

#[test]
fn fault_47_text_is_searched_in_its_last_fifty_lines() {
    let quiet = "all is well\n".repeat(50);
    assert_eq!(read(&format!("permission denied\n{quiet}")), Signals::default());
    assert_eq!(
        read(&format!("{quiet}git: permission denied\n")).hard.as_deref(),
        Some("git: permission denied")
    );
    assert_eq!(read("step 5031 done, 429 files\n").transient, None);
}

#[test]
fn argument_vectors_and_nested_keys_are_commands() {
    let line = json!({"msg": {"type": "exec", "call": {"cmd": ["bash", "-lc", "pytest 'a b'"]}}});
    let signals = read(&line.to_string());
    assert_eq!(signals.commands, 1);
    assert_eq!(signals.test_commands.len(), 1);
}

#[test]
fn a_command_that_starts_and_ends_is_one() {
    let started = json!({"type": "item.started", "item": {
        "id": "item_1", "type": "command_execution", "command": "pytest", "exit_code": null, "status": "in_progress",
    }});
    let signals = read(&format!("{started}\n{}", executed(1, "pytest", 2)));
    assert_eq!(signals.commands, 1);
    assert_eq!(signals.failed_test_commands, ["pytest"]);
}

#[test]
fn lists_have_limits() {
    let lines: Vec<String> =
        (0..3_000).map(|id| executed(id, &format!("sudo git push {id}; pytest {id}"), 1)).collect();
    let signals = read(&lines.join("\n"));
    assert_eq!(signals.commands, 3_000);
    assert_eq!(signals.commands_sample.len(), 40);
    assert_eq!((signals.test_commands.len(), signals.failed_test_commands.len()), (12, 12));
    assert_eq!((signals.git_commands.len(), signals.safety.len()), (8, 8));
}

/// Recorded sessions of real programs, where they are at hand.
fn recorded(name: &str) -> Option<String> {
    let text = std::env::var_os("AGENTPR_TRANSCRIPTS").map(PathBuf::from).map(|dir| dir.join(name));
    let text = text.and_then(|path| std::fs::read_to_string(path).ok());
    if text.is_none() {
        skipped("recorded sessions (AGENTPR_TRANSCRIPTS) not found");
    }
    text
}

#[test]
fn recorded_sessions_are_read() {
    for (name, tests, failed) in
        [("codex/success.jsonl", 2, 1), ("claude/success.jsonl", 2, 1), ("opencode/run-success.jsonl", 2, 1)]
    {
        let Some(text) = recorded(name) else { continue };
        let signals = read(&text);
        assert_eq!(
            (signals.test_commands.len(), signals.failed_test_commands.len()),
            (tests, failed),
            "{name}: {signals:?}"
        );
        assert_eq!((signals.hard, signals.transient, signals.safety.len()), (None, None, 0), "{name}");
    }
    for name in [
        "codex/model-429.jsonl",
        "claude/model-429.jsonl",
        "opencode/run-model-429.jsonl",
        "codex/model-500.jsonl",
    ] {
        let Some(text) = recorded(name) else { continue };
        let signals = read(&text);
        assert!(signals.transient.is_some() && signals.hard.is_none(), "{name}: {signals:?}");
    }
    for name in ["codex/model-401.jsonl"] {
        let Some(text) = recorded(name) else { continue };
        assert!(read(&text).hard.is_some(), "{name}");
    }
}

#[test]
fn half_a_megabyte_is_read_at_once() {
    let output = "warning: a line of output with some words in it\\n".repeat(40);
    let mut text = String::new();
    let mut id = 0;
    while text.len() < 512 * 1024 {
        id += 1;
        text.push_str(&executed(id, "/bin/bash -lc 'cd sub && rg -n \"a b\" src | head; pytest -q'", 0));
        text.push('\n');
        text.push_str(
            &json!({"type": "item.completed", "item": {"type": "agent_message", "text": output}}).to_string(),
        );
        text.push('\n');
    }
    let started = Instant::now();
    let signals = read(&text);
    let took = started.elapsed();
    assert_eq!(signals.commands, id);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

/// Many long commands that are never closed.
#[test]
fn hostile_transcripts_are_read_in_bounded_time() {
    let started = Instant::now();
    read(&"bash -lc 'x\n".repeat(40_000));
    read(&format!("{}\n", executed(1, &"sh -c ".repeat(60_000), 0)).repeat(2));
    read(&format!("{}{}", "[".repeat(200_000), "]".repeat(200_000)));
    let took = started.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_passed_over(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        drop(read(&String::from_utf8_lossy(&bytes)));
    }

    /// A protocol line that was cut or changed anywhere is read or passed over.
    #[test]
    fn changed_lines_are_passed_over(at in 0_usize..200, byte in any::<char>(), command in "[ -~]{0,40}") {
        let mut line: Vec<char> = executed(1, &command, 1).chars().collect();
        let at = at % line.len();
        line[at] = byte;
        drop(read(&line.iter().collect::<String>()));
    }

    #[test]
    fn any_command_is_counted_once(command in "[!-~][ -~]{0,80}") {
        prop_assert_eq!(read(&executed(1, &command, 0)).commands, 1);
        let value: Value = serde_json::from_str(&executed(1, &command, 0)).unwrap();
        prop_assert_eq!(read(&value.to_string()).commands, 1);
    }
}

#[test]
fn a_known_failure_is_named_by_its_pattern() {
    let patterns = ["^FAIL: test_net".to_owned(), "E\\d{3}$".to_owned()];
    assert_eq!(is_known(&patterns, "x\nFAIL: test_net (a)\n"), Some("^FAIL: test_net"));
    assert_eq!(is_known(&patterns, "error E123\nmore"), Some("E\\d{3}$"));
    assert_eq!(is_known(&patterns, "fail: test_net"), None, "letter case counts");
    assert_eq!(is_known(&["(".to_owned()], "("), None);
}

#[test]
fn patterns_that_cannot_be_meant_are_refused() {
    assert_eq!(check_patterns(&["a+".to_owned()]), Ok(()));
    assert!(check_patterns(&["a(".to_owned()]).unwrap_err().starts_with("`a(` is no regular expression: "));
    assert!(check_patterns(&[".*".to_owned()]).unwrap_err().contains("empty text"));
}
