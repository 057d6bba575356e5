//! The same situation, told by webhooks and by an answer, is the same.

use agentpr::adapters::forge::github::snapshot;
use agentpr::domain::forge::fact::{CheckKind, ForgeFact};
use agentpr::domain::forge::standing::CiStatus;
use agentpr::domain::forge::view::ForgeView;
use agentpr::domain::time::Timestamp;
use serde_json::json;

use super::{ANSWER, body, ours, ten, told, with};

/// What deliveries of every kind say.
fn by_webhook() -> Vec<ForgeFact> {
    let events = [
        "check_run",
        "check_suite",
        "status",
        "workflow_run",
        "pull_request",
        "pull_request_review",
        "pull_request_review_comment",
        "issue_comment",
    ];
    let mut facts: Vec<ForgeFact> = events.iter().map(|event| told(event, &body(event)).1).collect();
    let repository = with("repository", &[("/action", json!("unarchived"))]);
    facts.push(told("repository", &repository).1);
    facts
}

fn by_answer() -> Vec<ForgeFact> {
    snapshot::facts(&serde_json::from_str(ANSWER).unwrap(), 0, ten(40, 0)).unwrap()
}

fn view(facts: &[ForgeFact]) -> ForgeView {
    let mut view = ForgeView::default();
    view.ours.insert(ours());
    for fact in facts {
        view.learn(fact, None);
    }
    view
}

/// Times of what was looked at are a little later; who acted, the numbers of statuses and pages of workflows only webhooks know.
fn apart_from_the_way(view: &ForgeView) -> ForgeView {
    let mut view = view.clone();
    if let Some(pull) = &mut view.pull {
        (pull.at, pull.by) = (Timestamp(0), None);
    }
    if let Some(repository) = &mut view.repository {
        repository.at = Timestamp(0);
    }
    for check in view.checks.values_mut() {
        match check.kind {
            CheckKind::Status => (check.id, check.at) = (0, Timestamp(0)),
            CheckKind::Suite => check.url = None,
            CheckKind::Run | CheckKind::Told => {}
        }
    }
    view
}

#[test]
fn webhooks_and_the_answer_leave_the_same_view() {
    let (told, asked) = (view(&by_webhook()), view(&by_answer()));
    assert_eq!(apart_from_the_way(&told), apart_from_the_way(&asked));
    assert_eq!(told.ci(&ours()), CiStatus::Red);
    assert_eq!(told.review(&ours()), asked.review(&ours()));
    assert_eq!(told.checks.len(), 4);
}

#[test]
fn told_both_ways_in_either_order_it_is_the_same_still() {
    let both = [by_webhook(), by_answer()].concat();
    let other: Vec<ForgeFact> = [by_answer(), by_webhook()].concat();
    let (one, two) = (view(&both), view(&other));
    assert_eq!(one.pull, two.pull);
    assert_eq!(one.checks, two.checks);
    assert_eq!(apart_from_the_way(&one), apart_from_the_way(&view(&by_webhook())));
}

#[test]
fn an_idle_question_leaves_nothing() {
    let mut known = view(&by_webhook());
    for fact in by_answer() {
        known.learn(&fact, None);
    }
    let again = snapshot::facts(&serde_json::from_str(ANSWER).unwrap(), 0, ten(59, 0)).unwrap();
    for fact in again {
        assert!(!known.would_learn(&fact, None), "{fact:?}");
    }
}
