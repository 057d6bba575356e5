//! Driven runs: a loop does everything but the two confirmations.

use std::path::Path;

use crate::harness::{git, sandbox};

use super::Scene;

#[test]
fn a_submitted_run_is_driven_to_the_gate_and_nothing_is_pushed() {
    let scene = Scene::new();
    let before = git::all_refs(&scene.remote);
    scene.at_the_gate("r1");
    assert_eq!(git::all_refs(&scene.remote), before);
    let shown = scene.sandbox.json(&["show", "r1"]);
    assert!(shown["waits_for"].as_str().unwrap().contains("confirmations"), "{shown}");
}

#[test]
fn the_token_of_a_tick_is_said_once_and_opens_the_gate() {
    let scene = Scene::new();
    scene.submit("r1", &scene.agent, "");
    let ticked = scene.sandbox.agentpr(&["manager-tick"]).ok();
    let words: Vec<&str> = ticked.stderr.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "--confirm-token").unwrap();
    let approved = scene.sandbox.agentpr(&[
        "approve-open-pr",
        "--run-id",
        "r1",
        "--confirm-token",
        words[at + 1],
        "--confirm",
    ]);
    let _opened = approved.ok();
    assert_eq!(scene.sandbox.state("r1"), "CI_WAIT");
    assert_eq!(git::pull_requests(&scene.remote), [1]);
    let store = std::fs::read(scene.sandbox.db()).unwrap();
    let secret = words[at + 1].as_bytes();
    assert!(!store.windows(secret.len()).any(|window| window == secret), "the token is not in the store");
}

#[test]
fn a_loop_drives_what_is_submitted_while_it_runs_and_ends_when_told() {
    let scene = Scene::new();
    let child = scene.sandbox.command(&["run-manager-loop", "--interval-sec", "600"]).spawn().unwrap();
    scene.submit("late", &scene.agent, "");
    let reached = (0..600).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        scene.sandbox.state("late") == "NEEDS_HUMAN_REVIEW"
    });
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let answer = sandbox::finish(child);
    assert!(reached, "{}", answer.stderr);
    assert_eq!(answer.code, Some(130), "{}", answer.stderr);
}

#[test]
fn an_agent_that_breaks_the_check_ends_at_a_person_with_the_reason() {
    let scene = Scene::new();
    let agent = scene.sandbox.fake_agent("bad.script", "append answer.txt 43\n");
    scene.submit("r1", &agent, "--max-iteration-count 1");
    let _ticked = scene.sandbox.agentpr(&["manager-tick"]);
    let shown = scene.sandbox.json(&["show", "r1"]);
    assert_eq!(shown["state"], "NEEDS_HUMAN_REVIEW", "{shown}");
    let why = scene.sandbox.agentpr(&["why", "r1"]).ok();
    assert!(why.stdout.contains("verify_failed"), "{}", why.stdout);
    let logs = scene.sandbox.agentpr(&["logs", "r1"]).ok();
    assert!(logs.stdout.contains("FAIL: not 42"), "{}", logs.stdout);
}

#[test]
fn run_on_a_persons_own_repository_stops_at_the_gate_without_a_terminal() {
    let scene = Scene::new();
    let own = scene.sandbox.path().join("own");
    git::git(scene.sandbox.path(), &["clone", "--quiet", &scene.remote.display().to_string(), "own"]);
    let before = git::all_refs(&own);
    let answer = scene.sandbox.agentpr(&[
        "run",
        "--repo",
        &own.display().to_string(),
        "--task",
        "Say 42",
        "--agent",
        &scene.agent,
        "--check",
        super::CHECK,
        "--run-id",
        "mine",
    ]);
    let answer = answer.code(3);
    assert!(answer.stderr.contains("agentpr approve mine"), "{}", answer.stderr);
    assert_eq!(git::all_refs(&own), before);
    assert_eq!(checked_out(&own), "41");

    let (token, file) = scene.ask("mine");
    let _opened = scene.approve("mine", &token, &file).ok();
    let branch = git::tip(&own, "refs/heads/agentpr/mine").unwrap();
    assert_eq!(git::git(&own, &["show", &format!("{branch}:answer.txt")]), "42");
    assert_eq!(checked_out(&own), "41", "the person's own files are left alone");
}

fn checked_out(own: &Path) -> String {
    std::fs::read_to_string(own.join("answer.txt")).unwrap().trim().to_owned()
}

#[test]
fn run_on_something_that_is_no_repository_says_what_to_name() {
    let scene = Scene::new();
    git::git(scene.sandbox.path(), &["init", "--quiet", "empty"]);
    for place in ["empty", "nowhere", "forge"] {
        let answer = scene.sandbox.agentpr(&["run", "--repo", place, "--task", "t", "--agent", &scene.agent]);
        let answer = answer.code(2);
        assert!(answer.stderr.contains("--repo"), "{place}: {}", answer.stderr);
    }
    assert!(scene.sandbox.json(&["list"])["runs"].as_array().unwrap().is_empty());
}
