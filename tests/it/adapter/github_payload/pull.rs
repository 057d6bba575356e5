//! Pull requests and pushes.

use agentpr::domain::forge::delivery::Address;
use agentpr::domain::forge::fact::{ForgeFact, HeadFact, PullFact, PullState};
use agentpr::domain::id::CommitSha;
use serde_json::{Value, json};

use super::{at_seven, body, branch, fact, is_misshapen, ours, says_nothing, seven, ten, told, with};

fn pull(changes: &[(&str, Value)]) -> PullFact {
    let ForgeFact::Pull(pull) = fact("pull_request", changes) else { panic!("no pull request") };
    pull
}

fn head(changes: &[(&str, Value)]) -> HeadFact {
    let ForgeFact::Head(head) = fact("push", changes) else { panic!("no branch") };
    head
}

#[test]
fn a_pull_request_is_told_as_it_is() {
    let (address, fact) = told("pull_request", &body("pull_request"));
    assert_eq!(address, Address { branch: branch("agentpr/run-1"), ..at_seven(Some(ours())) });
    let wanted = PullFact {
        number: seven().unwrap(),
        state: PullState::Open,
        draft: true,
        head_sha: ours(),
        base_branch: branch("main"),
        at: ten(10, 0),
        by: Some("ann".to_owned()),
        merge_sha: None,
    };
    assert_eq!(fact, ForgeFact::Pull(wanted));
}

#[test]
fn ev_pull_request_every_action_that_changes_it_is_told_and_no_other() {
    let actions =
        ["opened", "reopened", "synchronize", "edited", "converted_to_draft", "ready_for_review", "closed"];
    for action in actions {
        pull(&[("/action", json!(action))]);
    }
    for action in ["labeled", "assigned", "review_requested", "locked", "auto_merge_enabled", "enqueued", ""]
    {
        says_nothing("pull_request", &[("/action", json!(action))]);
    }
}

#[test]
fn ev_pull_request_synchronize_names_the_commit_of_whoever_pushed() {
    let foreign = "f0".repeat(20);
    let pushed = [("/action", json!("synchronize")), ("/pull_request/head/sha", json!(foreign))];
    let told = pull(&pushed);
    assert_eq!((told.head_sha.as_str(), told.by.as_deref()), (foreign.as_str(), Some("ann")));
}

#[test]
fn ev_pull_request_closed_is_merged_only_where_github_says_so() {
    let closed = [("/action", json!("closed")), ("/pull_request/state", json!("closed"))];
    assert_eq!((pull(&closed).state, pull(&closed).merge_sha), (PullState::Closed, None));
    let merged = [
        &closed[..],
        &[("/pull_request/merged", json!(true)), ("/pull_request/merged_at", json!("2026-11-20T10:10:00Z"))],
    ]
    .concat();
    let told = pull(&merged);
    assert_eq!((told.state, told.merge_sha), (PullState::Merged, CommitSha::new("cc".repeat(20)).ok()));
    is_misshapen("pull_request", &[("/pull_request/state", json!("ajar"))]);
    is_misshapen("pull_request", &[("/pull_request/updated_at", json!("yesterday"))]);
    is_misshapen("pull_request", &[("/pull_request/head/sha", json!("main"))]);
    is_misshapen("pull_request", &[("/pull_request/number", json!(0))]);
}

#[test]
fn ev_push_says_where_a_branch_points_by_githubs_clock() {
    let (address, fact) = told("push", &body("push"));
    let wanted = Address {
        repo_id: Some(4243),
        repo: Some("acme-bot/parser".to_owned()),
        pr: None,
        sha: Some(ours()),
        branch: branch("agentpr/run-1"),
        whole_repository: false,
    };
    assert_eq!(address, wanted);
    let told = HeadFact { sha: Some(ours()), by: Some("ann".to_owned()), at: ten(0, 0) };
    assert_eq!(fact, ForgeFact::Head(told), "and not by the commit's, which its author sets");
    assert_eq!(head(&[("/repository/pushed_at", json!("2026-11-20T10:00:00Z"))]).at, ten(0, 0));
}

#[test]
fn a_branch_that_is_gone_has_no_commit_and_is_found_by_the_last_one() {
    let gone = [
        ("/deleted", json!(true)),
        ("/after", json!("0".repeat(40))),
        ("/before", json!("a1".repeat(20))),
        ("/head_commit", Value::Null),
    ];
    assert_eq!(head(&gone).sha, None);
    assert_eq!(told("push", &with("push", &gone)).0.sha, Some(ours()));
    says_nothing("push", &[("/ref", json!("refs/tags/v1"))]);
    says_nothing("push", &[("/ref", json!("refs/heads/-x"))]);
}
