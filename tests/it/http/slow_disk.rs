//! A disk that takes its time: the sender is told so before it hangs up, and what was begun is finished.

use std::sync::Arc;
use std::time::Duration;

use agentpr::adapters::store::memory::MemoryStore;
use agentpr::domain::forge::delivery::{DeliveryId, DeliveryStatus};
use agentpr::ports::inbox::Inbox;
use agentpr::surfaces::http::signature::Signatures;
use agentpr::surfaces::http::webhook::{Signing, WebhookDoor, router};
use axum::http::StatusCode;
use tower::ServiceExt;

use super::receiver::request;
use crate::harness::deliveries::{Delivery, PATH, SECRET};
use crate::harness::faulty::FaultyStore;
use crate::harness::world::World;

#[tokio::test(start_paused = true)]
async fn a_delivery_that_the_disk_does_not_take_in_time_is_answered_503_and_kept_all_the_same() {
    let memory = Arc::new(MemoryStore::new());
    let store = FaultyStore::over(&memory);
    let door = WebhookDoor {
        path: PATH.to_owned(),
        signing: Signing::Required(Signatures::new([SECRET]).unwrap()),
        max_body_bytes: 64 * 1024,
        body_deadline: Duration::from_secs(10),
    };
    let router = router(door, World::new().app(&store, "receiver"));
    let delivery = Delivery::suite(1, 0, 0);
    store.hold(true);
    let asked = tokio::spawn(router.clone().oneshot(request(&delivery, |_| {})));
    for _ in 0..9 {
        // Time stands still while a thread of its own waits for the disk.
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let in_time = asked.is_finished();
    store.hold(false);
    assert!(in_time, "GitHub hangs up after ten seconds");
    let answer = asked.await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    // It is sent again: known, or kept now; in neither case lost.
    let again = router.oneshot(request(&delivery, |_| {})).await.unwrap();
    assert_eq!(again.status(), StatusCode::OK);
    let id = DeliveryId::new(&delivery.id).unwrap();
    assert_eq!(memory.delivery("github", &id).unwrap().unwrap().status, DeliveryStatus::Ignored);
}
