//! What GitHub's deliveries and its answers say, told with bodies of the documented shapes.

mod agree;
mod check;
mod hostile;
mod place;
mod pull;
mod shape;
mod snapshot;
mod talk;

use agentpr::adapters::forge::github::payload::GitHubPayloads;
use agentpr::domain::forge::delivery::Address;
use agentpr::domain::forge::fact::ForgeFact;
use agentpr::domain::id::{BranchName, CommitSha, PrNumber};
use agentpr::domain::time::Timestamp;
use agentpr::ports::payload::{Misfit, Payloads, Reading, Told};
use serde_json::Value;

/// Every event that is read, with the body of one.
const BODIES: [(&str, &str); 11] = [
    ("check_run", include_str!("../../data/github/check_run.json")),
    ("check_suite", include_str!("../../data/github/check_suite.json")),
    ("status", include_str!("../../data/github/status.json")),
    ("workflow_run", include_str!("../../data/github/workflow_run.json")),
    ("pull_request", include_str!("../../data/github/pull_request.json")),
    ("pull_request_review", include_str!("../../data/github/pull_request_review.json")),
    ("pull_request_review_comment", include_str!("../../data/github/pull_request_review_comment.json")),
    ("issue_comment", include_str!("../../data/github/issue_comment.json")),
    ("push", include_str!("../../data/github/push.json")),
    ("ping", include_str!("../../data/github/ping.json")),
    ("repository", include_str!("../../data/github/repository.json")),
];

/// The answer about the same situation.
const ANSWER: &str = include_str!("../../data/github/answer.json");

/// A minute of the morning on which everything in the bodies happens.
fn ten(minute: i64, second: i64) -> Timestamp {
    Timestamp((1_795_168_800 + minute * 60 + second) * 1_000)
}

fn ours() -> CommitSha {
    CommitSha::new("a1".repeat(20)).unwrap()
}

fn branch(name: &str) -> Option<BranchName> {
    Some(BranchName::new(name).unwrap())
}

fn seven() -> Option<PrNumber> {
    PrNumber::new(7)
}

fn body(event: &str) -> Value {
    let (_, text) = BODIES.iter().find(|(name, _)| *name == event).unwrap();
    serde_json::from_str(text).unwrap()
}

/// The body with the value at each pointer put in the place of what is there.
fn with(event: &str, changes: &[(&str, Value)]) -> Value {
    let mut body = body(event);
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[key] = value.clone();
    }
    body
}

fn read(event: &str, body: &Value) -> Result<Reading, Misfit> {
    GitHubPayloads.read(event, body.to_string().as_bytes())
}

/// The one group of facts that a body has.
fn told(event: &str, body: &Value) -> (Address, ForgeFact) {
    let Ok(Reading::Facts(mut told)) = read(event, body) else {
        panic!("{event} says {:?}", read(event, body));
    };
    let Some(Told { address, mut facts }) = told.pop() else { panic!("nobody is told") };
    assert!(told.is_empty(), "a run would be told twice");
    let fact = facts.pop().unwrap();
    assert!(facts.is_empty());
    (address, fact)
}

fn fact(event: &str, changes: &[(&str, Value)]) -> ForgeFact {
    told(event, &with(event, changes)).1
}

fn says_nothing(event: &str, changes: &[(&str, Value)]) {
    let body = with(event, changes);
    assert!(
        matches!(read(event, &body), Ok(Reading::Nothing(_))),
        "{event} {changes:?}: {:?}",
        read(event, &body)
    );
}

fn is_misshapen(event: &str, changes: &[(&str, Value)]) {
    let body = with(event, changes);
    assert!(
        matches!(read(event, &body), Err(Misfit::Shape { .. })),
        "{event} {changes:?}: {:?}",
        read(event, &body)
    );
}

/// Where everything but comments and pushes is addressed to.
fn at_seven(sha: Option<CommitSha>) -> Address {
    Address {
        repo_id: Some(4242),
        repo: Some("acme/parser".to_owned()),
        pr: seven(),
        sha,
        ..Address::default()
    }
}
