//! The receiver's contract, row by row: what is looked at before a delivery is believed, and what each is answered.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use agentpr::adapters::store::SqliteStore;
use agentpr::app::App;
use agentpr::domain::forge::delivery::{DeliveryId, DeliveryStatus};
use agentpr::domain::id::EventSeq;
use agentpr::ports::inbox::Inbox;
use agentpr::ports::store::EventStore;
use agentpr::surfaces::http::signature::Signatures;
use agentpr::surfaces::http::webhook::{Signing, WebhookDoor, nowhere, router};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::harness::deliveries::{Delivery, PATH, SECRET, head, publish, repository, run_id, suite};
use crate::harness::world::World;

/// The receiver in this process, over a real store with two runs that have their pull requests.
pub(super) struct Scene {
    _directory: tempfile::TempDir,
    pub(super) world: Arc<World>,
    pub(super) store: Arc<SqliteStore>,
    pub(super) app: Arc<App>,
    pub(super) router: Router,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Scene {
    pub(super) fn new() -> Self {
        Self::with(Signing::Required(Signatures::new([SECRET, "the one before"]).unwrap()))
    }

    pub(super) fn with(signing: Signing) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::create(&directory.path().join("agentpr.db")).unwrap());
        for n in 0..2 {
            publish(&store, n, true);
        }
        let world = World::new();
        let app = world.app(&store, "receiver");
        let door = WebhookDoor {
            path: PATH.to_owned(),
            signing,
            max_body_bytes: 64 * 1024,
            body_deadline: Duration::from_secs(10),
        };
        let router = router(door, Arc::clone(&app)).fallback(nowhere);
        Self { _directory: directory, world, store, app, router }
    }

    pub(super) async fn ask(&self, request: Request<Body>) -> Answer {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = answer.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), usize::from(!bytes.is_empty()));
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: head.status, headers: head.headers, body }
    }

    pub(super) async fn send(&self, delivery: &Delivery) -> Answer {
        self.ask(request(delivery, |_| {})).await
    }

    /// A delivery with its headers changed; the answer's status and error.
    async fn refusal(&self, change: impl FnOnce(&mut HeaderMap)) -> (u16, String) {
        let answer = self.ask(request(&Delivery::suite(1, 0, 0), change)).await;
        assert_eq!(answer.body["ok"], false);
        (answer.status.as_u16(), answer.body["error"].as_str().unwrap().to_owned())
    }

    /// How many events there are.
    pub(super) fn events(&self) -> u64 {
        self.store.last_seq().unwrap().0
    }

    /// Names of the events since.
    pub(super) fn since(&self, seq: u64) -> Vec<&'static str> {
        let events = self.store.events_after(EventSeq(seq), 1_000).unwrap();
        events.iter().map(|recorded| recorded.event.name()).collect()
    }

    pub(super) fn status(&self, delivery: &Delivery) -> Option<DeliveryStatus> {
        let id = DeliveryId::new(&delivery.id).unwrap();
        Some(self.store.delivery("github", &id).unwrap()?.status)
    }
}

/// The request that brings a delivery, with its headers changed.
pub(super) fn request(delivery: &Delivery, change: impl FnOnce(&mut HeaderMap)) -> Request<Body> {
    let mut request = Request::post(PATH)
        .header("content-type", "application/json")
        .header("x-github-event", &delivery.event)
        .header("x-github-delivery", &delivery.id)
        .header("x-hub-signature-256", &delivery.signature)
        .body(Body::from(delivery.body.clone()))
        .unwrap();
    change(request.headers_mut());
    request
}

fn set(name: &'static str, value: &'static [u8]) -> impl FnOnce(&mut HeaderMap) {
    move |headers| {
        headers.insert(name, axum::http::HeaderValue::from_bytes(value).unwrap());
    }
}

fn without(name: &'static str) -> impl FnOnce(&mut HeaderMap) {
    move |headers| {
        headers.remove(name);
    }
}

#[tokio::test]
async fn only_its_path_is_there_and_get_says_that_it_is_alive() {
    let scene = Scene::new();
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let alive = scene.ask(get(PATH)).await;
    assert_eq!((alive.status.as_u16(), alive.body), (200, json!({ "ok": true, "status": "alive" })));
    let alive = scene.ask(get(&format!("{PATH}?whatever=1"))).await;
    assert_eq!(alive.status.as_u16(), 200);
    for path in ["/", "/github", "/github/webhook/", "/github/webhooks", "/GitHub/Webhook"] {
        let answer = scene.ask(get(path)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body),
            (404, json!({ "ok": false, "error": "not found" }))
        );
    }
}

#[tokio::test]
async fn deliveries_come_by_post() {
    let scene = Scene::new();
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        let request = Request::builder().method(method).uri(PATH).body(Body::empty()).unwrap();
        let answer = scene.ask(request).await;
        assert_eq!(answer.status.as_u16(), 405, "{method}");
        assert_eq!(answer.headers["allow"], "GET, HEAD, POST");
    }
}

#[tokio::test]
async fn a_delivery_is_json() {
    let scene = Scene::new();
    let kinds: [&'static [u8]; 3] = [b"text/plain", b"application/jsonp", b"application/octet-stream"];
    for kind in kinds {
        assert_eq!(scene.refusal(set("content-type", kind)).await.0, 415);
    }
    assert_eq!(scene.refusal(without("content-type")).await.0, 415);
    let (status, why) = scene.refusal(set("content-type", b"application/x-www-form-urlencoded")).await;
    assert_eq!(status, 415);
    assert!(why.contains("set the hook's content type to application/json"), "{why}");
    let with_charset = set("content-type", b"Application/JSON; charset=utf-8");
    assert_eq!(scene.ask(request(&Delivery::suite(1, 0, 0), with_charset)).await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_body_that_says_it_is_too_long_is_refused_before_it_is_read() {
    let scene = Scene::new();
    let never = Body::new(Forever);
    let mut request = request(&Delivery::suite(1, 0, 0), set("content-length", b"65537"));
    *request.body_mut() = never;
    let answer = scene.ask(request).await;
    assert_eq!(answer.status.as_u16(), 413);
    assert_eq!(scene.send(&Delivery::suite(2, 0, 70_000)).await.status.as_u16(), 413, "it says nothing");
    assert_eq!(scene.send(&Delivery::suite(3, 0, 65_000)).await.status.as_u16(), 200);
}

/// A body of which nothing ever comes.
struct Forever;

impl hyper::body::Body for Forever {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn f18_event_and_delivery_are_named_once_and_properly() {
    let scene = Scene::new();
    assert_eq!(scene.refusal(without("x-github-event")).await.0, 400);
    let events: [&'static [u8]; 5] = [b"", b"  ", b"check run", b"check-run", b"\xff"];
    for event in events {
        assert_eq!(scene.refusal(set("x-github-event", event)).await.0, 400, "{event:?}");
    }
    assert_eq!(scene.refusal(without("x-github-delivery")).await.0, 400);
    let names: [&'static [u8]; 4] =
        [b"", b"1", b"72d3162ecc7811e381ab4c9367dc0958", b"72d3162e-cc78-11e3-81ab-4c9367dc095g"];
    for name in names {
        assert_eq!(scene.refusal(set("x-github-delivery", name)).await.0, 400, "{name:?}");
    }
    let twice = |headers: &mut HeaderMap| {
        headers.append("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958".parse().unwrap());
    };
    assert_eq!(scene.refusal(twice).await.0, 400);
    assert_eq!(scene.status(&Delivery::suite(1, 0, 0)), None, "nothing was kept");
}

#[tokio::test(start_paused = true)]
async fn f17_a_body_has_ten_seconds() {
    let scene = Scene::new();
    let mut request = request(&Delivery::suite(1, 0, 0), |_| {});
    *request.body_mut() = Body::new(Forever);
    let answer = scene.ask(request).await;
    assert_eq!((answer.status.as_u16(), answer.body["ok"].as_bool()), (408, Some(false)));
}

#[tokio::test]
async fn f20_whatever_is_no_good_signature_is_401() {
    let scene = Scene::new();
    let expected = (401, "invalid webhook signature".to_owned());
    assert_eq!(scene.refusal(without("x-hub-signature-256")).await, expected);
    let headers: [&'static [u8]; 6] = [
        b"sha256=",
        b"sha1=0000000000000000000000000000000000000000",
        b"sha256=zz57107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e1",
        b"sha256=0000000000000000000000000000000000000000000000000000000000000000",
        b"sha256=\xe4\xf6\xfc",
        b"\xff\xfe",
    ];
    for header in headers {
        assert_eq!(scene.refusal(set("x-hub-signature-256", header)).await, expected, "{header:?}");
    }
    let only_sha1 = |headers: &mut HeaderMap| {
        headers.remove("x-hub-signature-256");
        headers.insert("x-hub-signature", "sha1=0000000000000000000000000000000000000000".parse().unwrap());
    };
    assert_eq!(scene.refusal(only_sha1).await, expected);
    let twice = |headers: &mut HeaderMap| {
        let again = headers["x-hub-signature-256"].clone();
        headers.append("x-hub-signature-256", again);
    };
    assert_eq!(scene.refusal(twice).await, expected);
    assert_eq!(scene.status(&Delivery::suite(1, 0, 0)), None, "nothing was kept");
}

#[tokio::test]
async fn the_signature_is_looked_at_before_the_json() {
    let scene = Scene::new();
    let mut broken = Delivery::of(1, "check_suite", b"{".to_vec());
    broken.signature = broken.signature.replace("sha256=", "sha256=0");
    assert_eq!(scene.send(&broken).await.status.as_u16(), 401);
}

#[tokio::test]
async fn both_secrets_are_good_while_one_takes_the_place_of_the_other() {
    let scene = Scene::new();
    let mut delivery = Delivery::suite(1, 0, 0);
    delivery.signature = crate::harness::deliveries::sign("the one before", &delivery.body);
    assert_eq!(scene.send(&delivery).await.status.as_u16(), 200);
}

#[tokio::test]
async fn f13_a_processed_delivery_is_answered_with_what_it_told_each_run() {
    let scene = Scene::new();
    let (delivery, before) = (Delivery::suite(1, 0, 0), scene.events());
    let answer = scene.send(&delivery).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/json");
    let events = scene.since(before);
    assert_eq!(events.first(), Some(&"github.check.completed"));
    let expected = json!({
        "ok": true,
        "event": "check_suite",
        "delivery": delivery.id,
        "status": "processed",
        "processed": 1,
        "ignored": 0,
        "retryable_failures": 0,
        "failures": [],
        "results": [{
            "run_id": run_id(0).as_str(),
            "state_before": "CI_WAIT",
            "state": "REVIEW_WAIT",
            "events": events,
        }],
    });
    assert_eq!(answer.body, expected);
    assert_eq!(scene.status(&delivery), Some(DeliveryStatus::Processed));
}

#[tokio::test]
async fn a_delivery_that_concerns_nothing_here_is_ignored_with_a_reason() {
    let scene = Scene::new();
    let before = scene.events();
    let mut elsewhere = suite(1, &"c".repeat(40), "success", 0);
    elsewhere["repository"]["id"] = 777.into();
    elsewhere["repository"]["full_name"] = "Other/Thing".into();
    elsewhere["repository"]["name"] = "Thing".into();
    elsewhere["repository"]["owner"]["login"] = "Other".into();
    let star = json!({ "action": "created", "starred_at": null, "repository": repository() });
    for (number, event, body) in [(1, "check_suite", elsewhere), (2, "star", star)] {
        let delivery = Delivery::of(number, event, body.to_string().into_bytes());
        let answer = scene.send(&delivery).await;
        let said = |name: &str| answer.body[name].clone();
        assert_eq!((answer.status.as_u16(), said("ok")), (200, json!(true)), "{}", answer.body);
        assert_eq!((said("processed"), said("ignored")), (json!(0), json!(1)), "{}", answer.body);
        assert_eq!(said("status"), "ignored");
        assert!(said("reason").is_string());
        let id = DeliveryId::new(&delivery.id).unwrap();
        assert_eq!(scene.store.body("github", &id).unwrap(), None, "its bytes are not kept");
    }
    assert_eq!(scene.events(), before);
}

#[tokio::test]
async fn a_ping_is_remembered_with_what_its_hook_sends() {
    let scene = Scene::new();
    let ping = include_str!("../data/github/ping.json");
    let answer = scene.send(&Delivery::of(1, "ping", ping.as_bytes().to_vec())).await;
    assert_eq!((answer.status.as_u16(), &answer.body["processed"]), (200, &json!(1)), "{}", answer.body);
    let hooks = scene.app.inbox_status().unwrap().hooks;
    assert_eq!(hooks.len(), 1);
    assert_eq!((hooks[0].id, hooks[0].repo.as_deref()), (3, Some("acme/Parser")));
    assert_eq!(hooks[0].events, ["check_run", "push"]);
}

#[tokio::test]
async fn f14_f21_what_is_not_the_json_of_its_event_is_400_and_leaves_nothing() {
    let scene = Scene::new();
    let before = scene.events();
    let deep = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    let bodies: [(&str, &[u8]); 7] = [
        ("check_suite", b""),
        ("check_suite", b"{"),
        ("check_suite", b"\xff\xfe{}"),
        ("check_suite", b"[]"),
        ("check_suite", b"null"),
        ("check_suite", deep.as_bytes()),
        ("check_run", br#"{"check_run": 5, "repository": {}}"#),
    ];
    for (number, (event, body)) in bodies.into_iter().enumerate() {
        let delivery = Delivery::of(u64::try_from(number).unwrap(), event, body.to_vec());
        let answer = scene.send(&delivery).await;
        assert_eq!(answer.status.as_u16(), 400, "{event}: {}", answer.body);
        assert_eq!((&answer.body["ok"], &answer.body["delivery"]), (&json!(false), &json!(delivery.id)));
        assert_eq!(scene.status(&delivery), None, "the same delivery may come again, whole");
    }
    let invalid = scene.send(&Delivery::of(0, "check_suite", b"{".to_vec())).await;
    assert_eq!(invalid.body["error"], "invalid JSON payload");
    assert_eq!(scene.events(), before);
}

#[tokio::test]
async fn no_answer_repeats_what_a_payload_says() {
    let scene = Scene::new();
    let canary = "zzcanary";
    let bodies = [
        json!({ "action": canary, "check_run": { "id": canary }, "repository": repository() }),
        json!({ "action": "completed", "check_suite": canary }),
        json!([canary]),
    ];
    for (number, body) in (1..).zip(bodies) {
        let answer = scene.send(&Delivery::of(number, "check_run", body.to_string().into_bytes())).await;
        assert!(!answer.body.to_string().contains(canary), "{}", answer.body);
    }
    let odd = scene.send(&Delivery::of(9, "check_run", format!("{{\"a\": {canary}}}").into_bytes())).await;
    assert!(!odd.body.to_string().contains(canary), "{}", odd.body);
}

#[tokio::test]
async fn f15_names_of_repositories_are_compared_without_their_case() {
    let scene = Scene::new();
    let before = scene.events();
    let mut body: Value = serde_json::from_str(include_str!("../data/github/issue_comment.json")).unwrap();
    body["repository"] = repository();
    body["repository"]["full_name"] = "ACME/wIDGET".into();
    body["repository"]["name"] = "wIDGET".into();
    body["repository"]["owner"]["login"] = "ACME".into();
    body["issue"]["number"] = 1.into();
    let answer = scene.send(&Delivery::of(1, "issue_comment", body.to_string().into_bytes())).await;
    assert_eq!(answer.body["results"][0]["run_id"], run_id(0).as_str(), "{}", answer.body);
    assert!(!scene.since(before).is_empty());
}

#[tokio::test]
async fn unsigned_deliveries_are_taken_where_that_was_asked_for() {
    let scene = Scene::with(Signing::Unsigned);
    let answer = scene.ask(request(&Delivery::suite(1, 0, 0), without("x-hub-signature-256"))).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
}

#[tokio::test]
async fn f19_a_result_for_a_commit_that_is_not_the_runs_changes_no_verdict() {
    let scene = Scene::new();
    let before = scene.events();
    let mut body = suite(1, &"d".repeat(40), "failure", 0);
    body["check_suite"]["pull_requests"] = json!([{ "id": 1, "number": 1, "head": { "ref": "agentpr/run-0", "sha": "d".repeat(40), "repo": { "id": 4242 } }, "base": { "ref": "main", "sha": head(0), "repo": { "id": 4242 } } }]);
    let answer = scene.send(&Delivery::of(1, "check_suite", body.to_string().into_bytes())).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
    assert_eq!(scene.since(before), [""; 0]);
}
