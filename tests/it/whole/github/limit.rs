//! A limit in the middle: the confirmation is kept, whoever gave it hears so, and the pull request is opened later by itself.

use serde_json::json;

use super::stage::{Hears, REPO, Stage};

#[test]
fn who_confirms_into_a_limit_hears_that_it_goes_on_by_itself() {
    let stage = Stage::new(Hears::Questions);
    let agent = format!("command:sh {}", stage.sandbox.path().join("agent.sh").display());
    let order = ["submit", "--owner", "acme", "--repo", "parser", "--run-id", "r1", "--task", "Say 42"];
    let _run = stage.agentpr(&[&order[..], &["--check", "sh check.sh", "--agent", &agent]].concat()).ok();
    stage.reaches("NEEDS_HUMAN_REVIEW", "ready_for_review");
    let asked = stage.json(&["request-open-pr", "--run-id", "r1", "--title", "Say 42"]);
    let token = asked["confirm_token"].as_str().unwrap();
    stage.github.faults(
        &json!([{"method": "POST", "path_regex": "/pulls$", "kind": "rate_secondary", "retry_after": 10}]),
    );
    let confirm = ["approve-open-pr", "--run-id", "r1", "--confirm-token", token, "--confirm"];
    let answer = stage.agentpr(&confirm).code(75);
    assert!(answer.stderr.contains("the forge takes nothing for now"), "{}", answer.stderr);
    assert!(answer.stderr.contains("run-manager-loop"), "{}", answer.stderr);
    assert!(stage.github.pulls(REPO).is_empty());
    stage.until("the pull request is open", |stage| stage.github.pulls(REPO).len() == 1);
}
