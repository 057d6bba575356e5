//! The files of the first loop are made from the log, and nothing is made from them.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::harness::{Sandbox, sandbox::finish};

/// The fields of the first loop's `state.json`.
const FIELDS: [&str; 18] = [
    "version",
    "repo",
    "plan_path",
    "pipeline_path",
    "model",
    "test_cmd",
    "iter_idx",
    "fsm_state",
    "current_step_id",
    "current_step_text",
    "fix_attempts",
    "last_test_rc",
    "last_deploy_setup_rc",
    "last_deploy_health_rc",
    "last_benchmark_rc",
    "last_metrics_ok",
    "last_exit_reason",
    "updated_at",
];

#[test]
fn fsm_50_f21_state_and_log_of_the_first_loop_are_projections() {
    let sandbox = Sandbox::new();
    sandbox.with_remote("o", "r", &[("answer.txt", "41\n"), ("check.sh", "grep -qx 42 answer.txt\n")]);
    let agent = sandbox.fake_agent("agent.script", "write answer.txt 42\nwrite pipeline.yml x\n");
    let order = ["submit", "--owner", "o", "--repo", "r", "--run-id", "a", "--task", "Say 42"];
    let more = ["--check", "sh check.sh", "--agent", &agent];
    let _submitted = sandbox.agentpr(&[&order[..], &more].concat()).ok();
    let _ticked = sandbox.agentpr(&["manager-tick", "--run-id", "a"]);
    let before = sandbox.json(&["show", "a"]);
    assert_eq!(before["reason"]["code"], "ready_for_review", "{before}");

    let dir = sandbox.path().join("fsm");
    let export = ["export", "a", "--layout", "aider-fsm", "--out", &dir.display().to_string()];
    let _written = sandbox.agentpr(&export).ok();
    let read =
        || (fs::read_to_string(dir.join("state.json")), fs::read_to_string(dir.join("logs/run_a.jsonl")));
    let (state, log) = (read().0.unwrap(), read().1.unwrap());
    let shown: Value = serde_json::from_str(&state).unwrap();
    for field in FIELDS {
        assert!(shown.get(field).is_some(), "{field}: {shown}");
    }
    assert_eq!((&shown["last_test_rc"], &shown["fsm_state"]), (&0.into(), &"NEEDS_HUMAN_REVIEW".into()));
    assert_eq!((&shown["test_cmd"], &shown["fix_attempts"]), (&"sh check.sh".into(), &0.into()));
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    let wanted = [
        "snapshot",
        "plan_update_attempt_1",
        "execute_step",
        "execute_touched_pipeline_reverted",
        "verify_pipeline",
        "mark_done",
    ];
    assert_eq!(names, wanted);
    assert!(
        lines
            .iter()
            .all(|line| ["ts", "iter_idx", "fsm_state"].iter().all(|field| line.get(field).is_some()))
    );

    let _never_replaced = sandbox.agentpr(&export).code(2);
    fs::write(dir.join("state.json"), "{\"fsm_state\":\"DONE\"}").unwrap();
    assert_eq!(sandbox.json(&["show", "a"]), before, "nothing reads it");
    fs::remove_dir_all(&dir).unwrap();
    assert_eq!(sandbox.json(&["show", "a"]), before, "nothing misses it");
    let _again = sandbox.agentpr(&export).ok();
    assert_eq!((read().0.unwrap(), read().1.unwrap()), (state, log), "it is made again from the log");
}

#[test]
fn f21_runs_made_in_the_same_moment_have_names_of_their_own() {
    let sandbox = Sandbox::new();
    let order = ["--json", "submit", "--owner", "o", "--repo", "r", "--task", "x", "--agent", "command:true"];
    let started: Vec<_> = (0..12).map(|_| sandbox.command(&order).spawn().unwrap()).collect();
    let names: BTreeSet<String> = started
        .into_iter()
        .map(|child| finish(child).ok().json()["run_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names.len(), 12, "{names:?}");
}
