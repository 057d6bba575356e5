//! Deliveries that come again: under their name, under another, at once, later, before their run is known.

use std::sync::Arc;

use agentpr::domain::forge::delivery::DeliveryStatus;
use agentpr::domain::id::RunId;
use serde_json::json;

use super::receiver::{Scene, request};
use crate::harness::deliveries::{Delivery, head, publish, run_id, suite};

#[tokio::test]
async fn a_delivery_that_comes_again_is_a_duplicate_and_changes_nothing() {
    let scene = Scene::new();
    let delivery = Delivery::suite(1, 0, 0);
    let first = scene.send(&delivery).await;
    assert_eq!(first.body["processed"], 1);
    let before = scene.events();
    let mut shouted = delivery.clone();
    shouted.id = shouted.id.to_uppercase();
    for again in [&delivery, &shouted] {
        let answer = scene.send(again).await;
        let expected = json!({
            "ok": true,
            "event": "check_suite",
            "delivery": delivery.id,
            "duplicate_delivery": true,
        });
        assert_eq!((answer.status.as_u16(), answer.body), (200, expected));
    }
    assert_eq!(scene.events(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_one_delivery_on_eight_connections_at_once_one_is_processed() {
    let scene = Arc::new(Scene::new());
    for round in 0..20 {
        let before = scene.events();
        let delivery = Delivery::suite(round, 0, 0);
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (scene, delivery) = (Arc::clone(&scene), delivery.clone());
                tokio::spawn(async move { scene.send(&delivery).await })
            })
            .collect();
        let mut processed = 0;
        for task in tasks {
            let answer = task.await.unwrap();
            assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
            processed += u32::from(answer.body["processed"] == 1);
        }
        assert_eq!(processed, 1, "round {round}");
        let checks = scene.since(before).into_iter().filter(|name| *name == "github.check.completed").count();
        assert_eq!(checks, 1, "round {round}");
    }
}

#[tokio::test]
async fn f18_another_body_under_a_known_name_is_409_and_noted() {
    let scene = Scene::new();
    let first = Delivery::suite(1, 0, 0);
    assert_eq!(scene.send(&first).await.status.as_u16(), 200);
    let before = scene.events();
    let mut other = Delivery::suite(2, 1, 0);
    other.id.clone_from(&first.id);
    let answer = scene.send(&other).await;
    assert_eq!((answer.status.as_u16(), &answer.body["ok"]), (409, &json!(false)), "{}", answer.body);
    assert_eq!(scene.events(), before);
    let incidents = scene.app.inbox_status().unwrap().incidents;
    assert_eq!(incidents.len(), 1);
    assert_eq!(
        (incidents[0].kind.as_str(), incidents[0].delivery.as_str()),
        ("other_body", first.id.as_str())
    );
}

#[tokio::test]
async fn f18_the_same_body_under_another_name_is_a_suspected_replay_and_changes_nothing() {
    let scene = Scene::new();
    let first = Delivery::suite(1, 0, 0);
    assert_eq!(scene.send(&first).await.status.as_u16(), 200);
    let before = scene.events();
    let mut replay = first.clone();
    replay.id = crate::harness::deliveries::id(99);
    let answer = scene.send(&replay).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["status"]),
        (200, &json!("replayed")),
        "{}",
        answer.body
    );
    assert_eq!((&answer.body["processed"], &answer.body["ignored"]), (&json!(0), &json!(1)));
    assert_eq!(scene.events(), before);
    let incidents = scene.app.inbox_status().unwrap().incidents;
    assert_eq!(
        (incidents[0].kind.as_str(), incidents[0].delivery.as_str()),
        ("suspected_replay", replay.id.as_str())
    );
}

#[tokio::test]
async fn f12_what_comes_before_the_pull_request_is_linked_waits_and_is_applied_then() {
    let scene = Scene::new();
    let mut body = suite(1, &"e".repeat(40), "success", 0);
    body["check_suite"]["pull_requests"] = json!([]);
    let early = Delivery::of(1, "check_suite", body.to_string().into_bytes());
    let answer = scene.send(&early).await;
    assert_eq!((answer.status.as_u16(), &answer.body["status"]), (200, &json!("waiting")), "{}", answer.body);
    let of_five = Delivery::of(2, "check_suite", suite(2, &head(5), "success", 0).to_string().into_bytes());
    assert_eq!(scene.send(&of_five).await.body["status"], "waiting");
    let before = scene.events();
    publish(&scene.store, 5, true);
    let applied = scene.app.apply_waiting().unwrap();
    assert_eq!((applied.tried, applied.settled), (1, 1));
    assert!(scene.since(before).contains(&"github.check.completed"));
    assert_eq!(scene.status(&of_five), Some(DeliveryStatus::Processed));
    assert_eq!(scene.status(&early), Some(DeliveryStatus::Waiting), "nobody made that commit");
    assert_eq!(scene.app.run(&run_id(5)).unwrap().state.name(), "REVIEW_WAIT");
}

#[tokio::test]
async fn a_store_that_was_closed_and_opened_again_knows_its_deliveries() {
    let scene = Scene::new();
    let delivery = Delivery::suite(1, 0, 0);
    assert_eq!(scene.send(&delivery).await.status.as_u16(), 200);
    let other = scene.world.app(&scene.store, "another process");
    let known = other.deliveries(&agentpr::ports::inbox::DeliveryQuery::default()).unwrap();
    assert_eq!(known.len(), 1);
    assert_eq!(known[0].runs, [RunId::new("run-0").unwrap()]);
    let again = scene.ask(request(&delivery, |_| {})).await;
    assert_eq!(again.body["duplicate_delivery"], true);
}
