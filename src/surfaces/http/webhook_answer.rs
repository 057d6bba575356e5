//! What a delivery is answered: one line of JSON, in the words of the first agentpr where it had one.
//!
//! Answers are kept by GitHub and shown to everybody who looks after the hook, so nothing of a payload, no error's own text and no
//! secret is in them.

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use crate::app::inbox::{Kept, Misfit, Received, ToldRun};
use crate::domain::forge::delivery::{DeliveryId, DeliveryStatus};

/// When a sender whose delivery could not be kept may come again.
const LATER: HeaderValue = HeaderValue::from_static("5");

/// What the app made of a delivery.
pub(super) fn received(id: &DeliveryId, event: &str, received: Received) -> Response {
    let about = |mut document: Value| {
        if let Some(fields) = document.as_object_mut() {
            fields.insert("delivery".to_owned(), id.as_str().into());
            fields.insert("event".to_owned(), event.into());
        }
        document
    };
    match received {
        Received::Kept(kept) => document(StatusCode::OK, &about(of_kept(&kept))),
        Received::Duplicate => {
            document(StatusCode::OK, &about(json!({ "ok": true, "duplicate_delivery": true })))
        }
        Received::OtherBody => refused(
            StatusCode::CONFLICT,
            about,
            "this delivery came before with another body; nothing was changed",
        ),
        Received::Malformed(misfit) => {
            tracing::warn!(delivery = %id, event, error = %misfit, "a signed delivery cannot be read");
            let why = match misfit {
                Misfit::NotJson(_) => "invalid JSON payload",
                Misfit::Shape { .. } => "the payload has not the shape of its event",
            };
            refused(StatusCode::BAD_REQUEST, about, why)
        }
        Received::Failed(_) => {
            let why = "it could not be processed; it is kept and tried again here";
            let body = json!({
                "ok": false,
                "processed": 0,
                "ignored": 0,
                "retryable_failures": 1,
                "failures": [{ "error": why }],
                "results": [],
                "error": why,
            });
            document(StatusCode::INTERNAL_SERVER_ERROR, &about(body))
        }
        Received::Unavailable(why) => {
            tracing::error!(delivery = %id, event, error = %why, "a delivery cannot be kept");
            let mut answer =
                refused(StatusCode::SERVICE_UNAVAILABLE, about, "it cannot be kept now; send it again");
            answer.headers_mut().insert(RETRY_AFTER, LATER);
            answer
        }
    }
}

fn of_kept(kept: &Kept) -> Value {
    let is_processed = kept.status == DeliveryStatus::Processed;
    let result = |told: &ToldRun| {
        json!({
            "run_id": told.run.as_str(),
            "state_before": told.before.name(),
            "state": told.after.name(),
            "events": told.events,
        })
    };
    let mut body = json!({
        "ok": true,
        "status": kept.status.name(),
        "processed": if is_processed { kept.told.len().max(1) } else { 0 },
        "ignored": usize::from(!is_processed),
        "retryable_failures": 0,
        "failures": [],
        "results": kept.told.iter().map(result).collect::<Vec<_>>(),
    });
    if let Some(fields) = body.as_object_mut().filter(|_| !kept.detail.is_empty()) {
        fields.insert("reason".to_owned(), kept.detail.as_str().into());
    }
    body
}

pub(super) fn alive() -> Response {
    document(StatusCode::OK, &json!({ "ok": true, "status": "alive" }))
}

pub(super) fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "not found")
}

pub(super) fn method_not_allowed() -> Response {
    with(
        error(StatusCode::METHOD_NOT_ALLOWED, "deliveries come by POST"),
        ALLOW,
        HeaderValue::from_static("GET, HEAD, POST"),
    )
}

pub(super) fn not_json(is_form: bool) -> Response {
    let why = if is_form {
        "deliveries come as application/json: set the hook's content type to application/json"
    } else {
        "deliveries come as application/json"
    };
    error(StatusCode::UNSUPPORTED_MEDIA_TYPE, why)
}

pub(super) fn too_large(cap: usize) -> Response {
    error(StatusCode::PAYLOAD_TOO_LARGE, &format!("the body is longer than {cap} bytes"))
}

pub(super) fn too_slow() -> Response {
    error(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")
}

pub(super) fn bad_request(why: &str) -> Response {
    error(StatusCode::BAD_REQUEST, why)
}

pub(super) fn unsigned() -> Response {
    error(StatusCode::UNAUTHORIZED, "invalid webhook signature")
}

pub(super) fn later(why: &str) -> Response {
    with(error(StatusCode::SERVICE_UNAVAILABLE, why), RETRY_AFTER, LATER)
}

fn refused(status: StatusCode, about: impl Fn(Value) -> Value, why: &str) -> Response {
    document(status, &about(json!({ "ok": false, "error": why })))
}

fn error(status: StatusCode, why: &str) -> Response {
    document(status, &json!({ "ok": false, "error": why }))
}

fn document(status: StatusCode, body: &Value) -> Response {
    let mut answer = Response::new(Body::from(format!("{body}\n")));
    *answer.status_mut() = status;
    with(answer, CONTENT_TYPE, HeaderValue::from_static("application/json"))
}

fn with(mut answer: Response, name: HeaderName, value: HeaderValue) -> Response {
    answer.headers_mut().insert(name, value);
    answer
}
