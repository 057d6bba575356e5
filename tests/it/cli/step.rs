//! Steps by hand: what they say to scripts, and where the token goes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness::{Answer, Sandbox};

const REPO: &[(&str, &str)] = &[("answer.txt", "41\n"), ("check.sh", "grep -qx 42 answer.txt\n")];

/// A world whose run `a` is ready for an agent.
pub(super) fn implementing() -> Sandbox {
    implementing_with(&["--check", "sh check.sh"])
}

/// The same, ordered with these options.
pub(super) fn implementing_with(more: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    let _remote = sandbox.with_remote("o", "r", REPO);
    let order = ["create-run", "--owner", "o", "--repo", "r", "--prompt-version", "v1", "--run-id", "a"];
    let _made = sandbox.agentpr(&[&order[..], more].concat()).ok();
    for args in [
        &["run-prepare", "--run-id", "a"][..],
        &["mark-plan-ready", "--run-id", "a", "--contract-path", "PLAN.md"],
        &["start-implementation", "--run-id", "a"],
    ] {
        let _done = sandbox.agentpr(args).ok();
    }
    sandbox
}

pub(super) fn step(sandbox: &Sandbox, script: &str, more: &[&str]) -> Answer {
    let agent = sandbox.fake_agent("agent.script", script);
    let args = ["--json", "run-agent-step", "--run-id", "a", "--prompt", "say 42", "--agent", &agent];
    sandbox.agentpr(&[&args[..], more].concat())
}

/// Every file under a directory whose bytes have `needle` in them.
fn files_with(directory: &Path, needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(files_with(&path, needle));
        } else if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            if bytes.windows(needle.len()).any(|window| window == needle.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn a_passed_step_says_what_the_seed_said() {
    let sandbox = implementing();
    let said = step(&sandbox, "write answer.txt 42\n", &["--success-state", "LOCAL_VALIDATING"]).ok().json();
    assert_eq!((&said["ok"], &said["exit_code"]), (&true.into(), &0.into()));
    assert_eq!((&said["engine"], &said["state"]), (&"command".into(), &"LOCAL_VALIDATING".into()));
    let verdict = &said["classification"];
    assert_eq!((&verdict["grade"], &verdict["next_action"]), (&"PASS".into(), &"advance".into()));
    assert_eq!(verdict["reason_code"], "runtime_success");
    assert!(Path::new(said["agent_report"].as_str().unwrap()).is_file(), "{said}");
}

#[test]
fn a_step_that_does_not_pass_ends_with_1_and_its_grade() {
    let sandbox = implementing();
    let said = step(&sandbox, "exit 9\n", &[]).code(1).json();
    assert_eq!((&said["ok"], &said["exit_code"]), (&false.into(), &9.into()));
    assert_eq!(
        (&said["classification"]["grade"], &said["state"]),
        (&"RETRYABLE".into(), &"FAILED_RETRYABLE".into())
    );

    let _again = sandbox.agentpr(&["retry", "a"]).ok();
    let said = step(&sandbox, "write answer.txt 43\n", &[]).code(1).json();
    assert_eq!(said["classification"]["reason_code"], "verify_failed", "{said}");
}

#[test]
fn a_workspace_that_is_not_ready_stops_the_step_before_the_agent() {
    let sandbox = implementing();
    let answer = step(&sandbox, "write answer.txt 42\n", &["--codex-sandbox", "read-only"]).code(7);
    assert!(
        answer.json()["preflight"]["failures"].to_string().contains("policy.codex_sandbox"),
        "{}",
        answer.stdout
    );
    assert_eq!(sandbox.state("a"), "NEEDS_HUMAN_REVIEW");
    let _again = sandbox.agentpr(&["retry", "a"]).ok();
    let options = ["--codex-sandbox", "read-only", "--skip-preflight"];
    let said = step(&sandbox, "write answer.txt 42\n", &options).code(1).json();
    assert_ne!(
        said["classification"]["grade"], "PASS",
        "an agent that may only read changes nothing: {said}"
    );
    assert!(said["change"].is_null(), "{said}");
}

#[test]
fn the_seeds_names_of_sandboxes_set_the_tier_of_an_agent_that_is_not_codex() {
    let sandbox = implementing();
    let tier = |mode: &str, script: &str| {
        let _step = step(&sandbox, script, &["--codex-sandbox", mode]);
        let tier = sandbox.json(&["show", "a"])["agent_evidence"]["tier"].clone();
        tier.as_str().unwrap().to_owned()
    };
    assert_eq!(tier("danger-full-access", "write answer.txt 42\n"), "open");
    let walled = tier("workspace-write", "write answer.txt 42\nwrite more.txt 1\n");
    assert!(["landlock", "bubblewrap"].contains(&walled.as_str()), "{walled}");
}

#[test]
fn the_report_of_a_step_has_what_its_verdict_rests_on() {
    let sandbox = implementing();
    let said = step(&sandbox, "write answer.txt 42\n", &["--success-state", "LOCAL_VALIDATING"]).ok().json();
    let text = std::fs::read_to_string(said["agent_report"].as_str().unwrap()).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&report["run_id"], &report["engine"]), (&"a".into(), &"command".into()));
    assert_eq!(report["result"]["exit_code"], 0);
    assert_eq!(report["classification"]["reason_code"], "runtime_success");
    assert_eq!(report["verification"]["commands"][0]["command"], "sh check.sh");
    assert_eq!(report["safety"]["violation_count"], 0);
}

#[test]
fn what_an_agent_prints_cannot_move_the_cursor() {
    let sandbox = implementing();
    let _step = step(&sandbox, "print \u{1b}[2Jgone\u{7}\nwrite answer.txt 42\n", &[]).ok();
    let attempts = sandbox.json(&["show", "a"])["attempts"].clone();
    let agent = attempts.as_array().unwrap().iter().find(|row| row["step"] == "agent").unwrap();
    let log = sandbox.agentpr(&["logs", "a", "--attempt", &agent["attempt"].to_string()]).ok();
    assert!(log.stdout.contains("gone") && !log.stdout.contains('\u{1b}'), "{:?}", log.stdout);
}

#[test]
fn a_token_is_shown_once_and_kept_nowhere() {
    let sandbox = implementing();
    let _step = step(&sandbox, "write answer.txt 42\n", &["--success-state", "LOCAL_VALIDATING"]).ok();
    let _pushed = sandbox.agentpr(&["run-finish", "--run-id", "a", "--changes", "say 42"]).ok();
    let asked = sandbox.json(&["request-open-pr", "--run-id", "a", "--title", "Say 42"]);
    let token = asked["confirm_token"].as_str().unwrap();
    assert_eq!(files_with(sandbox.path(), token), Vec::<String>::new());
    let file = asked["request_file"].as_str().unwrap();
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(asked["next_command"].as_str().unwrap().contains(token), "{asked}");

    let shown = sandbox.json(&["show", "a"]);
    assert_eq!(shown["gate"]["status"], "open");
    assert!(!shown.to_string().contains("token_hash"), "{shown}");

    let args =
        ["approve-open-pr", "--run-id", "a", "--confirm-token", token, "--confirm", "--request-file", file];
    let opened = sandbox.json(&args);
    assert_eq!(
        (&opened["ok"], &opened["state"], &opened["pr_number"]),
        (&true.into(), &"CI_WAIT".into(), &1.into())
    );
    assert_eq!(sandbox.json(&["show", "a"])["pull_request"]["document"]["title"], "Say 42");
    let again = sandbox.agentpr(&[&["--json"][..], &args].concat()).code(5).json();
    assert_eq!(again["code"], "token_already_used");
}

#[test]
fn a_remote_that_is_away_leaves_the_request_open_for_later() {
    let sandbox = implementing();
    let _step = step(&sandbox, "write answer.txt 42\n", &["--success-state", "NEEDS_HUMAN_REVIEW"]).ok();
    let asked = sandbox.json(&["request-open-pr", "--run-id", "a", "--title", "Say 42"]);
    let token = asked["confirm_token"].as_str().unwrap();
    let (remote, away) = (sandbox.remote("o", "r"), sandbox.path().join("away.git"));
    std::fs::rename(&remote, &away).unwrap();
    let args = ["approve-open-pr", "--run-id", "a", "--confirm-token", token, "--confirm"];
    let answer = sandbox.agentpr(&args);
    assert!(matches!(answer.code, Some(1 | 75)), "{answer:?}");
    assert_eq!(sandbox.json(&["show", "a"])["gate"]["status"], "open");
    std::fs::rename(&away, &remote).unwrap();
    let _opened = sandbox.agentpr(&args).ok();
    assert_eq!(sandbox.state("a"), "CI_WAIT");
}
