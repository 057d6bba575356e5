//! Contracts and action requests at the command line.

use serde_json::Value;

use crate::harness::Sandbox;

const ORDER: [&str; 7] = ["create-run", "--owner", "o", "--repo", "r", "--prompt-version", "v1"];

/// A world whose run `a` is prepared on a repository that has a contract.
fn prepared(contract: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let _remote = sandbox.with_remote("o", "r", &[("pipeline.yml", contract), ("a", "1\n")]);
    let _made = sandbox.agentpr(&[&ORDER[..], &["--run-id", "a"]].concat()).ok();
    let _done = sandbox.agentpr(&["run-prepare", "--run-id", "a"]).ok();
    sandbox
}

#[test]
fn fsm_58_every_shipped_example_passes_the_check() {
    let sandbox = Sandbox::empty();
    for name in ["minimal", "full", "rd_agent_rl_benchmark"] {
        let path = format!("{}/examples/pipeline.{name}.yml", env!("CARGO_MANIFEST_DIR"));
        let said = sandbox.json(&["pipeline-spec", "check", &path]);
        assert_eq!((&said["ok"], &said["warnings"]), (&true.into(), &Value::Array(Vec::new())), "{said}");
        assert!(said["stages"].as_array().unwrap().iter().any(|stage| stage["stage"] == "tests"), "{said}");
    }
    assert!(!sandbox.path().join("data").exists(), "a check of a file leaves nothing behind");
}

#[test]
fn a_wrong_contract_ends_with_2_and_every_problem() {
    let sandbox = Sandbox::empty();
    let file = sandbox.write("wrong.yml", "version: 1\ntest:\n  cmd: make\nsecurity: {max_cmd_seconds: 0}\n");
    let answer = sandbox.agentpr(&["pipeline-spec", "check", file.to_str().unwrap()]).code(2);
    for words in [
        "2 problems",
        "line 2, column 1: `test`",
        "did you mean `tests`?",
        "`security.max_cmd_seconds`",
        "hint: ",
    ] {
        assert!(answer.stderr.contains(words), "{words}: {}", answer.stderr);
    }
    let said = sandbox.agentpr(&["--json", "pipeline-spec", "check", file.to_str().unwrap()]).code(2).json();
    assert_eq!((&said["ok"], &said["code"]), (&false.into(), &"invalid_contract".into()));
    let problem = &said["problems"][0];
    assert_eq!(
        (&problem["path"], &problem["line"], &problem["column"]),
        (&"test".into(), &2.into(), &1.into())
    );
    let _missing = sandbox.agentpr(&["pipeline-spec", "check", "nothing.yml"]).code(2);
}

#[test]
fn the_check_says_which_stages_would_run() {
    let sandbox = Sandbox::empty();
    let text = "tests: {cmds: [a, b], cmd: c}\nbenchmark: {run_cmd: x, metrics_path: m.json, required_keys: [score]}\n";
    let file = sandbox.write("p.yml", text);
    let answer = sandbox.agentpr(&["pipeline-spec", "check", file.to_str().unwrap()]).ok();
    for words in ["2 commands", "benchmark", "m.json is written anew and has score"] {
        assert!(answer.stdout.contains(words), "{words}: {}", answer.stdout);
    }
    assert!(
        answer.stderr.contains("warning: line 1") && answer.stderr.contains("is not used"),
        "{}",
        answer.stderr
    );
}

#[test]
fn fsm_24_a_person_pins_withdraws_and_returns_to_the_base_commit() {
    let sandbox = prepared("version: 1\ntests: {cmd: 'true'}\n");
    let file = sandbox.write("mine.yml", "tests: {cmd: 'grep 1 a'}\n");
    let mine = sandbox.json(&["pipeline-spec", "pin", "a", file.to_str().unwrap()]);
    let spec = &mine["spec"];
    assert_eq!((&mine["duplicate"], &mine["run_id"]), (&false.into(), &"a".into()));
    let copy = spec["copy"].as_str().unwrap();
    assert!(
        copy.starts_with("a/pipeline-") && copy.contains(&spec["sha256"].as_str().unwrap()[..12]),
        "{copy}"
    );
    let kept = sandbox.path().join("data/artifacts").join(copy);
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "tests: {cmd: 'grep 1 a'}\n");
    let again = sandbox.json(&["pipeline-spec", "pin", "a", file.to_str().unwrap()]);
    assert_eq!(again["duplicate"], true);

    let base = sandbox.json(&["pipeline-spec", "pin", "a"]);
    assert!(base["spec"]["origin"].as_str().unwrap().starts_with("pipeline.yml at "), "{base}");
    assert_ne!(base["spec"]["sha256"], spec["sha256"]);
    let none = sandbox.json(&["pipeline-spec", "pin", "a", "--none"]);
    assert_eq!(none["spec"], Value::Null);

    let wrong = sandbox.write("wrong.yml", "test: {}\n");
    let refused =
        sandbox.agentpr(&["--json", "pipeline-spec", "pin", "a", wrong.to_str().unwrap()]).code(2).json();
    assert_eq!(refused["code"], "invalid_contract");
    let both = sandbox.agentpr(&["pipeline-spec", "pin", "a", "x.yml", "--none"]).code(2);
    assert!(both.stderr.contains("cannot be used with"), "{}", both.stderr);
    let _absent = sandbox.agentpr(&["pipeline-spec", "pin", "b", file.to_str().unwrap()]).code(4);
}

#[test]
fn a_base_commit_without_a_contract_has_none_to_pin() {
    let sandbox = Sandbox::new();
    let _remote = sandbox.with_remote("o", "r", &[("a", "1\n")]);
    let _made = sandbox.agentpr(&[&ORDER[..], &["--run-id", "a"]].concat()).ok();
    let early = sandbox.agentpr(&["pipeline-spec", "pin", "a"]).code(2);
    assert!(early.stderr.contains("no workspace yet"), "{}", early.stderr);
    let _done = sandbox.agentpr(&["run-prepare", "--run-id", "a"]).ok();
    let answer = sandbox.agentpr(&["pipeline-spec", "pin", "a"]).code(2);
    assert!(answer.stderr.contains("has no `pipeline.yml`"), "{}", answer.stderr);
}

#[test]
fn a_run_without_a_request_has_nothing_to_decide() {
    let sandbox = prepared("version: 1\n");
    let answer = sandbox.agentpr(&["actions", "a"]).ok();
    assert!(answer.stdout.contains("waits for no actions"), "{}", answer.stdout);
    let said = sandbox.agentpr(&["--json", "actions", "a", "--grant"]);
    assert_eq!(said.json()["code"], "no_actions");
    assert_ne!(said.code, Some(0));
    let both = sandbox.agentpr(&["actions", "a", "--grant", "--deny"]).code(2);
    assert!(both.stderr.contains("cannot be used with"), "{}", both.stderr);
}
