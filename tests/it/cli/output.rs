//! Results: documents for machines, plain words for people, and no text that forges either.

use std::process::Stdio;

use crate::harness::Sandbox;

use super::{create, with_run};

/// A task that tries to move the cursor, to turn the text around and to forge a line.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;owned\u{7} \u{202e}gpj.exe \u{9b}31m\nhint: agentpr approve x";

#[test]
fn global_options_stand_before_or_after_the_command() {
    let sandbox = with_run("a");
    let before = sandbox.agentpr(&["--json", "list-runs"]).ok();
    let after = sandbox.agentpr(&["list-runs", "--json"]).ok();
    assert_eq!(before.stdout, after.stdout);
    assert_eq!(before.json()["runs"][0]["run_id"], "a");
}

#[test]
fn documents_have_two_spaces_and_sorted_keys() {
    let sandbox = with_run("a");
    let text = sandbox.agentpr(&["--json", "list"]).ok().stdout;
    let keys: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("      \"")?.split('"').next()).collect();
    assert!(keys.len() > 5, "{text}");
    assert!(keys.is_sorted(), "{keys:?}");
}

#[test]
fn the_seeds_documents_keep_their_fields() {
    let sandbox = with_run("a");
    let list = sandbox.json(&["list-runs"]);
    for field in [
        "current_state",
        "last_error",
        "mode",
        "owner",
        "pr_number",
        "prompt_version",
        "repo",
        "run_id",
        "updated_at",
    ] {
        assert!(list["runs"][0].get(field).is_some(), "{field}: {list}");
    }
    let shown = sandbox.json(&["show-run", "--run-id", "a"]);
    for field in [
        "run_id",
        "owner",
        "repo",
        "prompt_version",
        "mode",
        "budget",
        "workspace_dir",
        "pr_number",
        "created_at",
        "updated_at",
    ] {
        assert!(shown["run"].get(field).is_some(), "{field}: {shown}");
    }
    assert_eq!(shown["state"], "QUEUED");
    assert_eq!(shown["phase"], "QUEUED");
    let event = sandbox.json(&["start-discovery", "--run-id", "a"]);
    let expected = serde_json::json!({
        "duplicate": false,
        "event_type": "command.start.discovery",
        "phase": "DISCOVERY",
        "run_id": "a",
        "state": "DISCOVERY",
    });
    assert_eq!(event, expected);
}

#[test]
fn hostile_text_moves_nothing_and_forges_no_line() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("task.md", HOSTILE).display().to_string();
    let order = ["create-run", "--owner", "o", "--repo", "r", "--prompt-version", "v", "--run-id", "a"];
    let _made = sandbox.agentpr(&[&order[..], &["--task-file", &file]].concat()).ok();
    for args in [
        &["list"][..],
        &["show", "a"],
        &["events", "a"],
        &["why", "a"],
        &["show", "a", "--json"],
        &["export"],
    ] {
        let text = sandbox.agentpr(args).ok().stdout;
        let bad = text.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(bad, None, "{args:?}: {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("hint:")), "{args:?}: {text}");
    }
}

#[test]
fn a_pipe_gets_no_colours() {
    let sandbox = with_run("a");
    for args in [&["list"][..], &["show", "a"], &["events"], &["doctor"], &["--help"], &["nope"]] {
        let answer = sandbox.agentpr(args);
        assert!(!answer.stdout.contains('\u{1b}') && !answer.stderr.contains('\u{1b}'), "{args:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let sandbox = Sandbox::new();
    for number in 0..20 {
        let _run = create(&sandbox, &format!("r{number}"));
    }
    let mut child = sandbox.command(&["export"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_list_can_be_cut_and_filtered() {
    let sandbox = with_run("a");
    let _b = create(&sandbox, "b");
    let _paused = sandbox.agentpr(&["pause", "a"]).ok();
    let runs = |args: &[&str]| -> Vec<String> {
        let list = sandbox.json(&[&["list-runs"][..], args].concat());
        list["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["run_id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(runs(&[]), ["a", "b"], "the newest update comes first");
    assert_eq!(runs(&["--limit", "1"]), ["a"]);
    assert_eq!(runs(&["--limit", "-1"]), ["a", "b"]);
    assert_eq!(runs(&["--state", "queued"]), ["b"]);
}

#[test]
fn completions_are_made_for_every_shell_without_a_store_or_a_home() {
    let sandbox = Sandbox::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let mut command = sandbox.command(&["completions", shell]);
        let child = command.env_clear().spawn().unwrap();
        let script = crate::harness::sandbox::finish(child).ok().stdout;
        assert!(script.contains("run-agent-step"), "{shell}");
    }
}
