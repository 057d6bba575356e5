//! Check runs, suites, statuses, runs of workflows.

use agentpr::domain::forge::delivery::Address;
use agentpr::domain::forge::fact::{CheckFact, CheckKind, ForgeFact, Light};
use serde_json::{Value, json};

use super::{at_seven, body, fact, is_misshapen, ours, says_nothing, ten, told, with};

fn check(event: &str, changes: &[(&str, Value)]) -> CheckFact {
    let ForgeFact::Check(check) = fact(event, changes) else { panic!("no check") };
    check
}

#[test]
fn a_check_run_that_ended_is_told_by_commit_and_pull_request() {
    let (address, fact) = told("check_run", &body("check_run"));
    assert_eq!(address, at_seven(Some(ours())));
    let wanted = CheckFact {
        kind: CheckKind::Run,
        id: 501,
        suite: Some(90),
        name: "build".to_owned(),
        app: "github-actions".to_owned(),
        head_sha: ours(),
        conclusion: Some("failure".to_owned()),
        at: ten(3, 0),
        url: Some("https://ci.test/501".to_owned()),
        summary: "2 tests failed\n`parse` and `print`".to_owned(),
    };
    assert_eq!(fact, ForgeFact::Check(wanted));
}

#[test]
fn ev_check_run_of_a_fork_has_no_pull_request_and_is_told_by_its_commit() {
    let fork = [("/check_run/pull_requests", json!([])), ("/check_run/check_suite/head_branch", Value::Null)];
    let (address, _) = told("check_run", &with("check_run", &fork));
    assert_eq!(address, Address { pr: None, ..at_seven(Some(ours())) });
}

#[test]
fn a_pull_request_of_another_repository_is_not_taken_for_one_of_this() {
    let other = [("/check_run/pull_requests/0/base/repo/id", json!(1))];
    let (address, _) = told("check_run", &with("check_run", &other));
    assert_eq!(address.pr, None);
}

#[test]
fn a_commit_of_several_pull_requests_is_told_once_by_the_commit_alone() {
    let one = body("check_suite")["check_suite"]["pull_requests"][0].clone();
    let mut other = one.clone();
    other["number"] = json!(8);
    let several = [("/check_suite/pull_requests", json!([one, other, {"number": 9}]))];
    let (address, _) = told("check_suite", &with("check_suite", &several));
    assert_eq!(address, Address { pr: None, ..at_seven(Some(ours())) });
}

#[test]
fn a_check_run_that_runs_is_told_and_has_no_word() {
    let running = [
        ("/action", json!("created")),
        ("/check_run/status", json!("in_progress")),
        ("/check_run/conclusion", Value::Null),
        ("/check_run/completed_at", Value::Null),
    ];
    let told = check("check_run", &running);
    assert_eq!((told.conclusion.clone(), told.at, told.light()), (None, ten(0, 0), Light::Yellow));
    assert!(check("check_run", &[]).is_newer_than(&told));
    let queued = [&running[..], &[("/check_run/started_at", Value::Null)]].concat();
    assert!(told.is_newer_than(&check("check_run", &queued)), "one without a time gives way");
    is_misshapen(
        "check_run",
        &[("/check_run/completed_at", json!("soon")), ("/check_run/started_at", Value::Null)],
    );
}

#[test]
fn ev_check_conclusions_mean_what_github_says_and_unknown_is_not_green() {
    use Light::{Green, Red, Yellow};
    let words = [
        ("success", Green),
        ("neutral", Green),
        ("skipped", Green),
        ("SUCCESS", Green),
        ("failure", Red),
        ("cancelled", Red),
        ("timed_out", Red),
        ("stale", Red),
        ("startup_failure", Red),
        ("action_required", Light::Held),
        ("of_next_year", Yellow),
        ("", Yellow),
    ];
    for (word, light) in words {
        for (event, pointer) in
            [("check_run", "/check_run/conclusion"), ("check_suite", "/check_suite/conclusion")]
        {
            assert_eq!(check(event, &[(pointer, json!(word))]).light(), light, "{event} {word}");
        }
    }
    let of_another_app =
        [("/check_run/conclusion", json!("action_required")), ("/check_run/app/slug", json!("lawyer"))];
    assert_eq!(check("check_run", &of_another_app).light(), Red, "its author has to do something");
}

#[test]
fn ev_check_suite_says_something_only_when_it_is_through() {
    let told = check("check_suite", &[]);
    assert_eq!((told.kind, told.id, told.suite, told.at), (CheckKind::Suite, 90, Some(90), ten(5, 0)));
    assert_eq!(told.conclusion.as_deref(), Some("success"));
    says_nothing("check_suite", &[("/action", json!("requested")), ("/check_suite/status", json!("queued"))]);
    says_nothing("check_suite", &[("/action", json!("rerequested"))]);
}

#[test]
fn ev_status_has_no_pull_request_and_its_own_words() {
    let (address, fact) = told("status", &body("status"));
    assert_eq!(address, super::Address { pr: None, ..at_seven(Some(ours())) });
    let ForgeFact::Check(told) = fact else { panic!("no check") };
    assert_eq!((told.kind, told.id, told.name.as_str()), (CheckKind::Status, 3301, "ci/jenkins"));
    assert_eq!((told.at, told.light()), (ten(6, 0), Light::Green), "a time with an offset is the same time");
    for (word, light) in [
        ("pending", Light::Yellow),
        ("expected", Light::Yellow),
        ("failure", Light::Red),
        ("error", Light::Red),
        ("so_so", Light::Yellow),
    ] {
        assert_eq!(check("status", &[("/state", json!(word))]).light(), light, "{word}");
    }
}

#[test]
fn ev_workflow_run_that_waits_for_a_maintainer_is_held_and_did_not_fail() {
    let held = check("workflow_run", &[]);
    assert_eq!((held.kind, held.id, held.suite), (CheckKind::Suite, 91, Some(91)));
    assert_eq!((held.light(), held.name.as_str(), held.at), (Light::Held, "CI", ten(0, 30)));
    for status in ["waiting", "action_required"] {
        let waits = [("/workflow_run/status", json!(status)), ("/workflow_run/conclusion", Value::Null)];
        assert_eq!(check("workflow_run", &waits).light(), Light::Held);
    }
    for status in ["requested", "queued", "in_progress", "pending"] {
        let runs = [("/workflow_run/status", json!(status)), ("/workflow_run/conclusion", Value::Null)];
        assert_eq!(check("workflow_run", &runs).light(), Light::Yellow);
    }
    assert_eq!(
        check("workflow_run", &[("/workflow_run/conclusion", json!("success"))]).light(),
        Light::Green
    );
    says_nothing("workflow_run", &[("/workflow_run/check_suite_id", Value::Null)]);
}
