//! The door for GitHub's webhooks: looks at a delivery from outside, in the order of decision D5, and hands it to the app once its
//! signature holds.
//!
//! Nothing of a body is read as JSON, and nothing is written, before the signature was found good. What an answer says is in
//! `webhook_answer`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, Request};
use axum::response::Response;
use axum::routing::any;
use tokio::time::timeout;

use super::body::{BodyError, HeldBody, Room};
use super::signature::Signatures;
use super::webhook_answer as answer;
use crate::app::App;
use crate::app::inbox::{Incoming, Received};
use crate::domain::forge::delivery::{DeliveryId, DeliveryOrigin};

/// GitHub cuts a connection that was not answered within ten seconds.
pub const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// How long the disk may take before the sender is told to come again; sooner than it hangs up by itself.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);

/// Bytes of all bodies held at once: one of GitHub's largest, and some hundred of its usual ones beside it.
const ROOM: usize = 34 * 1024 * 1024;

/// The longest name of an event; GitHub's have at most 40 bytes.
const LONGEST_EVENT: usize = 64;

/// Whose deliveries are taken.
#[derive(Debug, Clone)]
pub enum Signing {
    /// Of those who know a secret.
    Required(Signatures),
    /// Of everybody: for trying things out on one machine.
    Unsigned,
}

/// How the door stands.
#[derive(Debug, Clone)]
pub struct WebhookDoor {
    /// The path of deliveries, with its slash.
    pub path: String,
    /// Whose deliveries are taken.
    pub signing: Signing,
    /// The longest body that is taken, in bytes.
    pub max_body_bytes: usize,
    /// How long a body may take.
    pub body_deadline: Duration,
}

/// What every request is answered with.
struct Door {
    settings: WebhookDoor,
    room: Room,
    app: Arc<App>,
}

/// The router of the door: its path, and nothing else. Whoever mounts it says what other paths are answered, with [`nowhere`] when
/// there are none.
pub fn router(settings: WebhookDoor, app: Arc<App>) -> Router {
    let path = settings.path.clone();
    let room = Room::new(ROOM.max(settings.max_body_bytes), 1);
    Router::new().route(&path, any(take)).with_state(Arc::new(Door { settings, room, app }))
}

/// The answer on every path where nothing is.
pub async fn nowhere() -> Response {
    answer::not_found()
}

async fn take(State(door): State<Arc<Door>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    if head.method == Method::GET || head.method == Method::HEAD {
        return answer::alive();
    }
    if head.method != Method::POST {
        return answer::method_not_allowed();
    }
    match admit(&door, &head.headers, body).await {
        Ok(delivery) => received(door, delivery).await,
        Err(refusal) => refusal,
    }
}

/// A delivery whose signature holds.
struct Delivery {
    id: DeliveryId,
    event: String,
    hook: Option<u64>,
    body: HeldBody,
}

/// Everything that is looked at before anything is believed.
async fn admit(door: &Door, headers: &HeaderMap, body: Body) -> Result<Delivery, Response> {
    let kind = media_type(headers);
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(answer::not_json(kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")));
    }
    let cap = door.settings.max_body_bytes;
    let announced =
        one(headers, CONTENT_LENGTH.as_str()).and_then(|length| text(length)?.parse::<u64>().ok());
    if announced.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > cap)) {
        return Err(answer::too_large(cap));
    }
    let event = one(headers, "x-github-event").and_then(text).map(str::trim).filter(|event| is_event(event));
    let event = event
        .ok_or_else(|| answer::bad_request("the header X-GitHub-Event is missing or no event's name"))?;
    let id = one(headers, "x-github-delivery").and_then(text).and_then(|id| DeliveryId::new(id.trim()).ok());
    let id = id.ok_or_else(|| answer::bad_request("the header X-GitHub-Delivery is missing or no UUID"))?;
    let body = door.room.read(body, cap, door.settings.body_deadline).await.map_err(|err| match err {
        BodyError::TooLarge => answer::too_large(cap),
        BodyError::TooSlow => answer::too_slow(),
        BodyError::Broken => answer::bad_request("the body ends too early"),
        BodyError::NoRoom => answer::later("there is no room for the body now"),
    })?;
    if let Signing::Required(signatures) = &door.settings.signing
        && !signatures.accept(one(headers, "x-hub-signature-256"), &body)
    {
        return Err(answer::unsigned());
    }
    let hook = one(headers, "x-github-hook-id").and_then(text).and_then(|hook| hook.trim().parse().ok());
    Ok(Delivery { id, event: event.to_owned(), hook, body })
}

/// Hands it to the app, which waits for the disk. Where that takes too long the work goes on without its sender: a delivery that is
/// kept after all is known when it is sent again.
async fn received(door: Arc<Door>, delivery: Delivery) -> Response {
    let (id, event) = (delivery.id.clone(), delivery.event.clone());
    let work = move || {
        let Delivery { id, event, hook, body } = delivery;
        let incoming = Incoming { id, origin: DeliveryOrigin::Webhook, event, hook, body: &body };
        door.app.receive(&incoming)
    };
    let received = match timeout(ANSWER_WITHIN, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(received)) => received,
        Ok(Err(_)) => Received::Unavailable("the work on it broke off".to_owned()),
        Err(_) => Received::Unavailable("the disk takes too long".to_owned()),
    };
    answer::received(&id, &event, received)
}

/// What kind of body it says it is, without parameters such as its character set.
fn media_type(headers: &HeaderMap) -> &str {
    let given = one(headers, CONTENT_TYPE.as_str()).and_then(text).unwrap_or_default();
    given.split(';').next().unwrap_or_default().trim()
}

/// The value of a header that is there once; one that is there twice says nothing.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then(|| first.as_bytes())
}

fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok()
}

fn is_event(name: &str) -> bool {
    (1..=LONGEST_EVENT).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
