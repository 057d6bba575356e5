//! `sync-github`: its documents, its passes, its exit codes.

use serde_json::{Value, json};

use super::with_run;
use crate::harness::receiver::world_with;

#[test]
fn f55_a_pass_says_what_stands_and_leaves_no_trace_where_nothing_is_news() {
    let sandbox = with_run("a");
    let before = sandbox.json(&["show", "a"])["version"].clone();
    let pass = sandbox.json(&["sync-github"]);
    let expected = json!({
        "ok": true,
        "dry_run": false,
        "open": 0,
        "scanned": 0,
        "synced": 0,
        "results": [],
        "failures": [],
        "report_path": null,
    });
    assert_eq!(pass, expected);
    assert_eq!(sandbox.json(&["show", "a"])["version"], before);
    let people = sandbox.agentpr(&["sync-github"]).ok().stdout;
    assert!(people.contains("No run has an open pull request."), "{people}");
}

#[test]
fn an_unknown_run_is_not_found_and_one_without_a_pull_request_is_nothing_to_ask_about() {
    let sandbox = with_run("a");
    let _unknown = sandbox.agentpr(&["sync-github", "--run-id", "b"]).code(4);
    let answer = sandbox.agentpr(&["sync-github", "--run-id", "a"]).code(2);
    assert!(answer.stderr.contains("link-pr"), "{}", answer.stderr);
}

#[test]
fn f54_with_a_limit_the_passes_of_a_loop_take_turns() {
    let sandbox = world_with(3);
    let args = ["--json", "sync-github", "--limit", "1", "--loop", "--interval-sec", "1", "--max-loops", "3"];
    let answer = sandbox.agentpr(&args);
    let documents: Vec<Value> =
        serde_json::Deserializer::from_str(&answer.stdout).into_iter().map(Result::unwrap).collect();
    assert_eq!(documents.len(), 3, "{answer:?}");
    let mut asked: Vec<String> = documents
        .iter()
        .flat_map(|pass| {
            assert_eq!((&pass["open"], &pass["scanned"]), (&json!(3), &json!(1)));
            let about = ["results", "failures"].map(|name| pass[name].as_array().unwrap().clone()).concat();
            about.into_iter().map(|one| one["run_id"].as_str().unwrap().to_owned())
        })
        .collect();
    asked.sort();
    assert_eq!(asked, ["run-0", "run-1", "run-2"]);
    // The local forge has no such pull requests.
    assert!([Some(0), Some(1)].contains(&answer.code), "{answer:?}");
}
