//! What comes in from the forge while something here is broken: one run's trouble, one delivery's, and nobody else's.

use std::time::Duration;

use agentpr::app::execute::By;
use agentpr::app::inbox::Received;
use agentpr::app::sync::SyncOptions;
use agentpr::domain::actor::Actor;
use agentpr::domain::command::Command;
use agentpr::domain::event::DiscoveryStarted;
use agentpr::domain::forge::delivery::{Address, DeliveryOrigin, DeliveryStatus};
use agentpr::domain::forge::fact::{CommentFact, CommentKind, ForgeFact, PullState};
use agentpr::domain::gate::Gate;
use agentpr::domain::id::{Digest, PrNumber, RunId, Version};
use agentpr::domain::state::State;
use agentpr::ports::inbox::{DeliveryRow, Inbox};
use agentpr::ports::store::{Append, EventStore};
use serde_json::{Value, json};

use super::Scene;
use super::forge::{check, pull};
use super::inbox::{comment, delivery};

fn archived() -> Value {
    json!({
        "action": "archived",
        "repository": {
            "id": 42, "name": "parser", "full_name": "acme/parser", "owner": {"login": "acme", "id": 5}, "archived": true,
            "updated_at": "2036-01-01T00:00:00Z",
        },
        "sender": {"login": "grace", "id": 6, "type": "User"},
    })
}

impl Scene {
    /// Two runs with pull requests, the first of which can be read no more.
    async fn one_of_two_is_damaged() -> (Self, RunId, RunId) {
        let scene = Self::new();
        let mut runs = Vec::new();
        for name in ["r1", "r2"] {
            let run = scene.submit(name);
            scene.app.drive(&run, &scene.stop).await.unwrap();
            let token = scene.world.token(&run);
            scene.opens(&run, &token).await;
            runs.push(run);
        }
        let run = scene.app.run(&runs[0]).unwrap();
        let append = Append {
            run: run.id,
            expected: run.version,
            fence: None,
            actor: Actor::engine(),
            at: run.updated_at,
            cause: None,
            key: None,
            events: vec![(DiscoveryStarted {}.into(), State::CiWait)],
        };
        scene.store.append(&append).unwrap();
        let [damaged, fine] = runs.try_into().unwrap();
        (scene, damaged, fine)
    }

    /// A delivery that is kept as it is, however it came to that.
    fn put(&self, number: u64, event: &str, body: &[u8], status: DeliveryStatus, pr: u64) -> DeliveryRow {
        let row = DeliveryRow {
            source: "github".to_owned(),
            id: delivery(number, "ping", &json!({})).id,
            origin: DeliveryOrigin::Webhook,
            event: event.to_owned(),
            hook: None,
            digest: Digest::new("0".repeat(64)).unwrap(),
            body: Some(body.to_vec()),
            received_at: self.app.now().wall,
            status,
            detail: String::new(),
            addresses: vec![Address {
                repo: Some("acme/parser".to_owned()),
                pr: PrNumber::new(pr),
                ..Address::default()
            }],
            runs: Vec::new(),
            tries: 1,
            next_at: (status == DeliveryStatus::Failed).then(|| self.app.now().wall),
        };
        self.store.take(&row, &[]).unwrap();
        row
    }
}

#[tokio::test]
async fn a_run_that_cannot_be_read_keeps_no_delivery_from_the_others() {
    let (scene, damaged, fine) = Scene::one_of_two_is_damaged().await;
    let told = delivery(1, "repository", &archived());
    assert!(matches!(scene.app.receive(&told.incoming()), Received::Failed(_)));
    let after = scene.app.run(&fine).unwrap();
    assert_eq!((after.state, after.reason.code.as_str()), (State::NeedsHumanReview, "repository_archived"));
    let (events, others) = (scene.names(&fine).len(), scene.names(&damaged).len());
    let row = scene.store.delivery("github", &told.id).unwrap().unwrap();
    assert_eq!((row.status, row.tries, row.runs), (DeliveryStatus::Failed, 1, vec![fine.clone()]));

    for _ in 0..20 {
        scene.world.pass(Duration::from_secs(3_601));
        scene.app.retry_deliveries().unwrap();
    }
    assert_eq!((scene.names(&fine).len(), scene.names(&damaged).len()), (events, others));
    let row = scene.store.delivery("github", &told.id).unwrap().unwrap();
    assert_eq!((row.status, row.tries), (DeliveryStatus::Dead, 12));
    let incidents = scene.store.incidents(10).unwrap();
    assert_eq!((incidents.len(), incidents[0].kind.as_str()), (1, "given_up"));
    assert!(incidents[0].detail.contains("webhook replay"), "{}", incidents[0].detail);
}

#[tokio::test]
async fn a_run_that_cannot_be_read_is_one_failure_of_a_pass() {
    let (scene, damaged, fine) = Scene::one_of_two_is_damaged().await;
    let head = scene.app.run(&fine).unwrap().pushed.unwrap().sha;
    scene.world.forge_says(&[check(&head, "build", Some("success"), 1)]);
    let report = scene.app.sync(&SyncOptions::default()).await.unwrap();
    assert_eq!(scene.app.run(&fine).unwrap().state, State::ReviewWait);
    assert_eq!((report.open, report.scanned, report.results.len(), report.failures.len()), (2, 2, 1, 1));
    assert_eq!(report.failures[0].run, damaged);
}

#[tokio::test]
async fn what_waits_for_a_linked_run_is_found_however_much_waits_beside_it() {
    let (scene, run, _) = Scene::with_pr("r1").await;
    let body = serde_json::to_vec(&comment(1)).unwrap();
    let early = scene.put(1, "issue_comment", &body, DeliveryStatus::Waiting, 1);
    scene.world.pass(Duration::from_secs(1));
    for number in 2..1_100 {
        scene.put(number, "issue_comment", b"{}", DeliveryStatus::Waiting, 77);
    }
    assert_eq!(scene.app.apply_waiting().unwrap().settled, 1);
    let row = scene.store.delivery("github", &early.id).unwrap().unwrap();
    assert_eq!(row.status, DeliveryStatus::Processed);
    assert!(scene.names(&run).contains(&"github.comment.created"));
    assert_eq!(scene.app.apply_waiting().unwrap().tried, 0);
}

#[tokio::test]
async fn nothing_waits_for_runs_that_are_over() {
    let (scene, run, head) = Scene::with_pr("r1").await;
    scene.sync(&[pull(&head, PullState::Merged, 5)]).await;
    assert_eq!(scene.app.run(&run).unwrap().state, State::Done);
    assert_eq!(scene.kept(&delivery(1, "issue_comment", &comment(77))), DeliveryStatus::Ignored);
}

#[tokio::test]
async fn a_kept_delivery_that_can_be_read_no_more_is_given_up_in_the_end() {
    let (scene, _, _) = Scene::with_pr("r1").await;
    let bent = scene.put(1, "issue_comment", b"{\"action\": 7}", DeliveryStatus::Failed, 1);
    scene.app.retry_deliveries().unwrap();
    let row = scene.store.delivery("github", &bent.id).unwrap().unwrap();
    assert_eq!((row.status, row.tries), (DeliveryStatus::Failed, 2));
    assert!(row.next_at > Some(scene.app.now().wall));
    assert_eq!(scene.app.retry_deliveries().unwrap().tried, 0);
}

#[tokio::test]
async fn somebody_elses_pull_request_takes_no_approval_back() {
    let (scene, run, token) = Scene::at_the_gate("r1").await;
    scene.confirm(&run, &token).await.unwrap();
    let ForgeFact::Pull(mut foreign) = pull(&crate::harness::world::sha(5), PullState::Closed, 1) else {
        panic!("no pull request");
    };
    foreign.number = PrNumber::new(99).unwrap();
    let facts = vec![ForgeFact::Pull(foreign)];
    scene.app.execute(&run, &Command::Observe { facts }, &By::actor(Scene::person())).unwrap();
    assert!(matches!(scene.app.run(&run).unwrap().gate, Gate::Approved { .. }));
    let opened = scene.app.complete_approved(&run, &scene.stop).await.unwrap();
    assert_eq!(opened.state, State::CiWait);
}

#[tokio::test]
async fn f55_a_comment_with_a_secret_in_it_is_news_only_once() {
    let (scene, run, _) = Scene::with_pr("r1").await;
    let secret = "ghp_x7Qm2Zt9Lk4Vb8Nc1Ra6Ws3Ye5Ud0PfGhJiK";
    let mut told = comment(1);
    told["comment"]["body"] = json!(format!("use {secret} for it"));
    scene.kept(&delivery(1, "issue_comment", &told));
    let before = scene.names(&run).len();
    let events = scene.store.events_of(&run, Version(0)).unwrap();
    let text = events.iter().map(|recorded| recorded.event.body().unwrap()).collect::<String>();
    assert!(text.contains("use *** for it") && !text.contains(secret));
    let fact = ForgeFact::Comment(CommentFact {
        kind: CommentKind::Issue,
        id: 10,
        author: "grace".to_owned(),
        association: String::new(),
        path: None,
        line: None,
        body: format!("or {secret}"),
        at: scene.app.now().wall,
        deleted: false,
    });
    scene.sync(std::slice::from_ref(&fact)).await;
    for _ in 0..3 {
        assert_eq!(scene.sync(std::slice::from_ref(&fact)).await, [""; 0]);
    }
    // Of somebody who sends it again under another name, a week later.
    scene.world.pass(Duration::from_secs(8 * 24 * 3_600));
    scene.kept(&delivery(2, "issue_comment", &told));
    assert_eq!(scene.names(&run).len(), before + 1);
}
