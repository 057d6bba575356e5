//! Errors: each has a message, a stable word, an exit code and something to do next.

use crate::harness::Sandbox;

use super::{create, with_run};

/// Arguments, exit code, stable word.
type Case = (&'static [&'static str], i32, &'static str);

const CASES: &[Case] = &[
    (&["show", "nobody"], 4, "no_such_run"),
    (&["why", "nobody"], 4, "no_such_run"),
    (&["logs", "a"], 4, "not_found"),
    (&["logs", "a", "--attempt", "7"], 4, "not_found"),
    (&["diff", "a"], 1, "no_change"),
    (&["diff", "a", "--stat"], 4, "not_found"),
    (&["replay", "--run-id", "a", "--to", "0"], 4, "not_found"),
    (&["resume", "a"], 1, "illegal_transition"),
    (&["retry", "a"], 1, "illegal_transition"),
    (&["start-implementation", "--run-id", "a"], 1, "illegal_transition"),
    (&["mark-plan-ready", "--run-id", "a", "--contract-path", "PLAN.md"], 1, "illegal_transition"),
    (&["run-finish", "--run-id", "a", "--changes", "x"], 1, "illegal_transition"),
    (&["approve-open-pr", "--run-id", "a", "--confirm-token", "X", "--confirm"], 3, "no_open_request"),
    (&["request-open-pr", "--run-id", "a", "--title", "T"], 1, "no_change"),
    (&["request-open-pr", "--run-id", "a", "--title", "T", "--head", "other"], 2, "usage"),
    (&["run-prepare", "--run-id", "a", "--base-branch", "dev"], 2, "usage"),
    (
        &["approve-open-pr", "--run-id", "a", "--confirm-token", "X", "--confirm", "--allow-expired"],
        2,
        "usage",
    ),
    (
        &[
            "approve-open-pr",
            "--run-id",
            "a",
            "--confirm-token",
            "X",
            "--confirm",
            "--request-file",
            "none.json",
        ],
        5,
        "request_file_mismatch",
    ),
    (&["run-agent-step", "--run-id", "a", "--prompt", ""], 2, "usage"),
    (&["run-agent-step", "--run-id", "a", "--prompt", "x", "--success-state", "DONE"], 2, "usage"),
    (&["link-pr", "--run-id", "a", "--pr-number", "0"], 2, "usage"),
    (&["record-check", "--run-id", "a", "--conclusion", " "], 2, "usage"),
    (
        &["create-run", "--owner", "o", "--repo", "r", "--prompt-version", "v", "--run-id", "a"],
        5,
        "run_exists",
    ),
    (&["create-run", "--owner", "o", "--repo", "r", "--prompt-version", ""], 2, "usage"),
    (&["create-run", "--owner", "", "--repo", "r", "--prompt-version", "v"], 2, "invalid_name"),
    (
        &["create-run", "--owner", "o", "--repo", "r", "--prompt-version", "v", "--budget-json", "{"],
        2,
        "usage",
    ),
    (
        &["create-run", "--owner", "o", "--repo", "r", "--prompt-version", "v", "--budget-json", "[]"],
        2,
        "usage",
    ),
    (
        &[
            "create-run",
            "--owner",
            "o",
            "--repo",
            "r",
            "--prompt-version",
            "v",
            "--budget-json",
            r#"{"max_run_minutes":"x"}"#,
        ],
        2,
        "usage",
    ),
    (&["create-run", "--owner", "o", "--repo", "r", "--prompt-version", "v", "--mode", "other"], 2, "usage"),
    (
        &["create-run", "--owner", "o", "--repo", "r", "--prompt-version", "v", "--agent", "no such"],
        2,
        "unknown_agent",
    ),
    (&["submit", "--owner", "o", "--repo", "r", "--task", "t"], 2, "usage"),
    (&["submit", "--owner", "o", "--repo", "r", "--agent", "command:true"], 2, "usage"),
    (&["--actor", "a\tb", "list"], 2, "usage"),
    (&["--db", "none.db", "list"], 4, "no_store"),
    (
        &[
            "--db",
            "none.db",
            "submit",
            "--owner",
            "o",
            "--repo",
            "r",
            "--task",
            "t",
            "--agent",
            "command:true",
        ],
        4,
        "no_store",
    ),
    (&["doctor", "--network-timeout-sec", "0"], 2, "usage"),
    (&["doctor", "--network-timeout-sec", "NaN"], 2, "usage"),
    (&["show", "../x"], 2, "usage"),
    (&["show"], 2, "usage"),
    (&["show", "a", "--run-id", "a"], 2, "usage"),
    (&["resume", "a", "--target-state", "NOWHERE"], 2, "usage"),
    (&["pause", "a", "--idempotency-key", "a b"], 2, "usage"),
    (&["no-such-command"], 2, "usage"),
];

#[test]
fn every_error_has_its_code_its_word_and_a_hint() {
    let sandbox = with_run("a");
    for (args, code, word) in CASES {
        let mut all = vec!["--json"];
        all.extend(*args);
        let answer = sandbox.agentpr(&all);
        assert_eq!(answer.code, Some(*code), "{args:?}: {}{}", answer.stdout, answer.stderr);
        let document = answer.json();
        assert_eq!(document["code"], *word, "{args:?}: {document}");
        assert_eq!(document["ok"], false, "{args:?}");
        assert!(!document["error"].as_str().unwrap().is_empty(), "{args:?}");
        assert!(!document["hint"].as_str().unwrap().is_empty(), "{args:?}: {document}");
    }
    assert_eq!(sandbox.json(&["list"])["runs"].as_array().unwrap().len(), 1, "a refused order makes no run");
    assert!(!sandbox.path().join("none.db").exists());
}

#[test]
fn people_get_the_same_on_standard_error_and_nothing_else() {
    let sandbox = with_run("a");
    for (args, code, _) in CASES {
        let answer = sandbox.agentpr(args).code(*code);
        assert!(answer.stdout.is_empty(), "{args:?}: {}", answer.stdout);
        assert!(answer.stderr.starts_with("error: "), "{args:?}: {}", answer.stderr);
        let helps = answer.stderr.contains("hint: ") || answer.stderr.contains("--help");
        assert!(helps, "{args:?}: {}", answer.stderr);
    }
}

#[test]
fn a_refusal_names_run_and_state() {
    let sandbox = with_run("a");
    let answer = sandbox.agentpr(&["--json", "resume", "a"]).code(1).json();
    assert_eq!((&answer["run_id"], &answer["state"]), (&"a".into(), &"QUEUED".into()));
}

#[test]
fn a_refused_target_lists_the_targets_there_are() {
    let sandbox = with_run("a");
    let _paused = sandbox.agentpr(&["pause", "a"]).ok();
    let answer = sandbox.agentpr(&["resume", "a", "--target-state", "DONE"]).code(1);
    assert!(answer.stderr.contains("DISCOVERY") && answer.stderr.contains("SKIPPED"), "{}", answer.stderr);
}

#[test]
fn a_key_names_one_occurrence_for_ever() {
    let sandbox = with_run("a");
    let key = ["--idempotency-key", "k1"];
    let _first = sandbox.agentpr(&[&["pause", "a"][..], &key].concat()).ok();
    let _resumed = sandbox.agentpr(&["resume", "a"]).ok();
    let again = sandbox.json(&[&["pause", "a"][..], &key].concat());
    assert_eq!((&again["duplicate"], &again["state"]), (&true.into(), &"QUEUED".into()));
    let other =
        sandbox.agentpr(&[&["--json", "start-discovery", "--run-id", "a"][..], &key].concat()).code(5);
    assert_eq!(other.json()["code"], "key_conflict");
}

#[test]
fn suggested_commands_repeat_the_flags_they_need() {
    let sandbox = Sandbox::empty();
    let db = sandbox.path().join("my store.db").display().to_string();
    let answer = sandbox.agentpr(&["--db", &db, "list"]).code(4);
    assert!(answer.stderr.contains(&format!("`agentpr --db '{db}' init-db`")), "{}", answer.stderr);
    let _made = sandbox.agentpr(&["--db", &db, "init-db"]).ok();
    let answer = sandbox.agentpr(&["--db", &db, "show", "x"]).code(4);
    assert!(answer.stderr.contains(&format!("hint: agentpr --db '{db}' list")), "{}", answer.stderr);
}

#[test]
fn a_machine_without_git_is_not_ready_unless_the_doctor_is_skipped() {
    let sandbox = Sandbox::new();
    let order = ["create-run", "--owner", "o", "--repo", "r", "--prompt-version", "v", "--run-id", "a"];
    let without = |args: &[&str]| {
        let mut command = sandbox.command(args);
        crate::harness::sandbox::finish(command.env("PATH", sandbox.path()).spawn().unwrap())
    };
    let answer = without(&order).code(7);
    assert!(answer.stderr.contains("cmd.git") && answer.stderr.contains("PATH"), "{}", answer.stderr);
    let _skipped = without(&[&order[..], &["--skip-doctor"]].concat()).ok();
    let _again = create(&sandbox, "b");
}
