//! Deliveries taken in: what they say, what became of them, and what is done with them later.

use std::time::Duration;

use agentpr::app::inbox::{Incoming, Received};
use agentpr::domain::forge::delivery::{DeliveryId, DeliveryOrigin, DeliveryStatus};
use agentpr::domain::id::{CommitSha, PrNumber, RunId};
use agentpr::domain::state::State;
use agentpr::ports::inbox::Inbox;
use serde_json::{Value, json};

use super::Scene;

/// A delivery as it was sent.
pub(super) struct Sent {
    pub(super) id: DeliveryId,
    event: &'static str,
    body: Vec<u8>,
}

impl Sent {
    pub(super) fn incoming(&self) -> Incoming<'_> {
        Incoming {
            id: self.id.clone(),
            origin: DeliveryOrigin::Webhook,
            event: self.event.to_owned(),
            hook: Some(1),
            body: &self.body,
        }
    }
}

pub(super) fn delivery(number: u64, event: &'static str, body: &Value) -> Sent {
    let id = DeliveryId::new(&format!("00000000-0000-4000-8000-{number:012}")).unwrap();
    Sent { id, event, body: serde_json::to_vec(body).unwrap() }
}

/// A check run as GitHub tells it for a fork's pull request: without the pull request's number.
fn check_run(repo: &str, head: &CommitSha, conclusion: &str) -> Value {
    let (owner, name) = repo.split_once('/').unwrap();
    json!({
        "action": "completed",
        "check_run": {
            "id": 7, "name": "build", "head_sha": head.as_str(), "status": "completed", "conclusion": conclusion,
            "started_at": "2036-01-01T00:00:00Z", "completed_at": "2036-01-01T00:01:00Z",
            "html_url": "https://example.org/7", "output": {"title": null, "summary": null, "text": null},
            "check_suite": {"id": 3, "head_sha": head.as_str(), "head_branch": null},
            "app": {"id": 1, "slug": "github-actions", "name": "GitHub Actions"}, "pull_requests": [],
        },
        "repository": {"id": 42, "name": name, "full_name": repo, "owner": {"login": owner, "id": 5}, "archived": false},
        "sender": {"login": "grace", "id": 6, "type": "User"},
    })
}

pub(super) fn comment(number: u64) -> Value {
    json!({
        "action": "created",
        "issue": {"number": number, "pull_request": {"url": "https://example.org/pulls/1"}},
        "comment": {
            "id": 9, "user": {"login": "grace", "id": 6, "type": "User"}, "body": "nice", "author_association": "MEMBER",
            "created_at": "2036-01-01T00:00:00Z", "updated_at": "2036-01-01T00:00:00Z", "html_url": "https://example.org/9",
        },
        "repository": {"id": 42, "name": "parser", "full_name": "acme/parser", "owner": {"login": "acme", "id": 5}, "archived": false},
        "sender": {"login": "grace", "id": 6, "type": "User"},
    })
}

impl Scene {
    pub(super) fn status(&self, sent: &Sent) -> DeliveryStatus {
        self.store.delivery("github", &sent.id).unwrap().unwrap().status
    }

    pub(super) fn kept(&self, sent: &Sent) -> DeliveryStatus {
        match self.app.receive(&sent.incoming()) {
            Received::Kept(kept) => kept.status,
            other => panic!("not kept: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_forks_check_finds_its_run_by_the_commit_whatever_the_case_of_the_name() {
    let (scene, run, head) = Scene::with_pr("r1").await;
    let told = delivery(1, "check_run", &check_run("Acme/Parser", &head, "success"));
    assert_eq!(scene.kept(&told), DeliveryStatus::Processed);
    assert_eq!(scene.app.run(&run).unwrap().state, State::ReviewWait);
    assert!(matches!(scene.app.receive(&told.incoming()), Received::Duplicate));
}

#[tokio::test]
async fn the_same_name_with_other_bytes_changes_nothing_and_is_noted() {
    let (scene, run, head) = Scene::with_pr("r1").await;
    scene.kept(&delivery(1, "check_run", &check_run("acme/parser", &head, "success")));
    let before = scene.names(&run).len();
    let other = delivery(1, "check_run", &check_run("acme/parser", &head, "failure"));
    assert!(matches!(scene.app.receive(&other.incoming()), Received::OtherBody));
    assert_eq!(scene.names(&run).len(), before);
    assert_eq!(scene.store.incidents(10).unwrap()[0].kind, "other_body");
}

#[tokio::test]
async fn the_same_bytes_under_another_name_are_a_suspected_replay_for_a_week() {
    let (scene, run, head) = Scene::with_pr("r1").await;
    let body = check_run("acme/parser", &head, "success");
    scene.kept(&delivery(1, "check_run", &body));
    let before = scene.names(&run).len();
    assert_eq!(scene.kept(&delivery(2, "check_run", &body)), DeliveryStatus::Replayed);
    assert_eq!(scene.names(&run).len(), before);
    assert_eq!(scene.store.incidents(10).unwrap()[0].kind, "suspected_replay");
    scene.world.pass(Duration::from_secs(8 * 24 * 3_600));
    assert_eq!(scene.kept(&delivery(3, "check_run", &body)), DeliveryStatus::Processed);
    assert_eq!(scene.names(&run).len(), before, "what the log has already leaves no second event");
}

#[tokio::test]
async fn what_came_before_the_pull_request_was_linked_is_applied_in_that_moment() {
    let (scene, run, token) = Scene::at_the_gate("r1").await;
    let early = delivery(1, "issue_comment", &comment(1));
    assert_eq!(scene.kept(&early), DeliveryStatus::Waiting);
    scene.opens(&run, &token).await;
    assert_eq!(scene.status(&early), DeliveryStatus::Processed);
    assert!(scene.names(&run).contains(&"github.comment.created"));
}

#[tokio::test]
async fn what_waits_is_applied_by_the_next_look_when_a_crash_came_between() {
    let (scene, run, head) = Scene::with_pr("r1").await;
    let early = delivery(1, "issue_comment", &comment(77));
    assert_eq!(scene.kept(&early), DeliveryStatus::Waiting);
    assert_eq!(scene.app.apply_waiting().unwrap().tried, 0);
    let number = PrNumber::new(1).unwrap();
    assert_eq!(scene.app.run(&run).unwrap().pr.unwrap().number, number);
    let mine = delivery(2, "check_run", &check_run("acme/parser", &head, "success"));
    assert_eq!(scene.kept(&mine), DeliveryStatus::Processed);
}

#[tokio::test]
async fn a_repository_nobody_works_on_is_ignored_and_its_bytes_are_not_kept() {
    let (scene, _, _) = Scene::with_pr("r1").await;
    let sha = crate::harness::world::sha(4_242);
    let stranger = delivery(1, "check_run", &check_run("else/where", &sha, "success"));
    let mut stranger = stranger;
    let mut body: Value = serde_json::from_slice(&stranger.body).unwrap();
    body["repository"]["id"] = json!(43);
    stranger.body = serde_json::to_vec(&body).unwrap();
    assert_eq!(scene.kept(&stranger), DeliveryStatus::Ignored);
    assert!(scene.store.body("github", &stranger.id).unwrap().is_none());
}

#[tokio::test]
async fn bytes_that_do_not_fit_their_events_name_are_not_kept() {
    let (scene, _, head) = Scene::with_pr("r1").await;
    let bent = delivery(1, "pull_request_review", &check_run("acme/parser", &head, "success"));
    assert!(matches!(scene.app.receive(&bent.incoming()), Received::Malformed(_)));
    assert!(scene.store.delivery("github", &bent.id).unwrap().is_none());
}

#[tokio::test]
async fn a_result_for_an_older_commit_is_heard_and_changes_nothing() {
    let (scene, run, _) = Scene::with_pr("r1").await;
    let old = crate::harness::world::sha(31);
    let mut body = check_run("acme/parser", &old, "failure");
    body["check_run"]["pull_requests"] = json!([{"number": 1}]);
    assert_eq!(scene.kept(&delivery(1, "check_run", &body)), DeliveryStatus::Processed);
    assert_eq!(scene.app.run(&run).unwrap().state, State::CiWait);
}

#[tokio::test]
async fn many_at_once_for_one_run_leave_each_its_event_once() {
    let (scene, run, head) = Scene::with_pr("r1").await;
    let app = &scene.app;
    let run_id: &RunId = &run;
    std::thread::scope(|scope| {
        for lane in 0..8_u64 {
            let head = head.clone();
            scope.spawn(move || {
                for number in 0..10_u64 {
                    let mut body = check_run("acme/parser", &head, "success");
                    body["check_run"]["id"] = json!(100 + lane * 10 + number);
                    body["check_run"]["name"] = json!(format!("job {lane} {number}"));
                    let told = delivery(1_000 + lane * 10 + number, "check_run", &body);
                    assert!(matches!(app.receive(&told.incoming()), Received::Kept(_)));
                    assert!(matches!(app.receive(&told.incoming()), Received::Duplicate));
                }
            });
        }
    });
    let checks = scene.names(run_id).iter().filter(|name| **name == "github.check.completed").count();
    assert_eq!(checks, 80);
}
