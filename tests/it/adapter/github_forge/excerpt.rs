//! What a failed check said: annotations and the log behind a redirect, printable, masked and cut.

use agentpr::domain::forge::fact::{CheckFact, CheckKind};
use agentpr::domain::time::Timestamp;
use agentpr::ports::forge::{Forge, ForgeError};
use serde_json::{Value, json};

use super::super::world::run_of;
use super::{REPO, Stage};

fn failed(stage: &Stage, log: &str, more: &Value) -> CheckFact {
    let mut body = json!({"sha": stage.sha(), "name": "test", "conclusion": "failure", "log": log,
        "app": "github-actions",
        "annotations": [{"path": "src/a.rs", "start_line": 7, "annotation_level": "failure", "message": "it is wrong"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = stage.github.check(REPO, &body);
    CheckFact {
        kind: CheckKind::Run,
        id: made["id"].as_u64().unwrap(),
        suite: made["suite"].as_u64(),
        name: "test".to_owned(),
        app: "github-actions".to_owned(),
        head_sha: stage.sha(),
        conclusion: Some("failure".to_owned()),
        at: Timestamp(1_000),
        url: None,
        summary: String::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_come_first_and_then_the_end_of_the_log() {
    let stage = Stage::trusted();
    let secret = format!("ghp_{}", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8");
    let long: String = (0..2_000).map(|line| format!("2026-01-02T03:04:05.1234567Z line {line}\n")).collect();
    let log = format!("{long}2026-01-02T03:04:06.1Z \u{1b}[31mFAIL\u{1b}[0m with {secret}\u{202e}\n");
    let check = failed(&stage, &log, &json!({}));
    let (_, spec) = run_of(REPO);
    let text = stage.forge().failure_excerpt(&spec, &check, 2_000).await.unwrap().unwrap();
    assert!(text.starts_with("src/a.rs:7: failure: it is wrong\n\n"), "{text}");
    assert!(text.contains("\nline 1999\nFAIL with ") && !text.contains("line 100\n"), "{text}");
    assert!(!text.contains(&secret) && !text.contains('\u{1b}') && !text.contains("[31m"), "{text}");
    assert!(text.len() <= 2_000 && !text.contains("03:04:05"), "{}", text.len());
    // A whole suite is read by its first red run.
    let suite = CheckFact { kind: CheckKind::Suite, id: check.suite.unwrap(), ..check };
    let of_suite = stage.forge().failure_excerpt(&spec, &suite, 2_000).await.unwrap().unwrap();
    assert_eq!(of_suite, text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_read_is_done_without_and_a_limit_is_told() {
    let stage = Stage::new();
    let (_, spec) = run_of(REPO);
    let check = failed(&stage, "", &json!({"log_status": 403}));
    let text = stage.forge().failure_excerpt(&spec, &check, 2_000).await.unwrap().unwrap();
    assert_eq!(text, "src/a.rs:7: failure: it is wrong");
    let none = failed(&stage, "", &json!({"annotations": [], "log_status": 410}));
    assert_eq!(stage.forge().failure_excerpt(&spec, &none, 2_000).await.unwrap(), None);
    let status = CheckFact { kind: CheckKind::Status, ..check.clone() };
    assert_eq!(stage.forge().failure_excerpt(&spec, &status, 2_000).await.unwrap(), None);
    stage.github.faults(&json!([{"path_regex": "annotations", "kind": "rate_secondary", "retry_after": 30}]));
    let limited = stage.forge().failure_excerpt(&spec, &check, 2_000).await;
    assert!(matches!(limited, Err(ForgeError::Limited { .. })), "{limited:?}");
}
