//! What GitHub's webhooks say, as facts.
//!
//! The name of an event comes beside the body and is not signed, so a body must have the shape of the event it is offered as, and no
//! other. `body` is what is read of them, `check`, `pull`, `talk` and `place` say what it means.

mod body;
mod check;
mod place;
mod pull;
mod talk;

use self::body::{Anything, Body, OnlyRepository};
use crate::domain::forge::fact::plain;
use crate::ports::payload::{Misfit, Payloads, Reading};

/// How deep a body may nest: the limit of the JSON reader, which does not look at what it skips. GitHub's nest to about ten.
const MAX_DEPTH: u32 = 128;

/// The longest reason that is kept, in bytes: it may quote the body.
const MAX_WHY: usize = 300;

/// Reads GitHub's deliveries.
#[derive(Debug, Clone, Copy, Default)]
pub struct GitHubPayloads;

type Read = fn(&Body) -> Result<Reading, String>;

/// The events that are read.
const EVENTS: [(&str, Read); 11] = [
    ("check_run", check::run),
    ("check_suite", check::suite),
    ("status", check::status),
    ("workflow_run", check::workflow),
    ("pull_request", pull::pull_request),
    ("push", pull::push),
    ("pull_request_review", talk::review),
    ("pull_request_review_comment", talk::line_comment),
    ("issue_comment", talk::issue_comment),
    ("repository", place::repository),
    ("ping", place::ping),
];

impl Payloads for GitHubPayloads {
    fn read(&self, event: &str, body: &[u8]) -> Result<Reading, Misfit> {
        let misfit = |why: &str| Misfit::Shape { event: plain(event, 100), why: plain(why, MAX_WHY) };
        let unread = |err: serde_json::Error| {
            if err.is_data() { misfit(&err.to_string()) } else { not_json(&err.to_string()) }
        };
        let text = std::str::from_utf8(body).map_err(|err| not_json(&err.to_string()))?;
        if is_too_deep(body) {
            return Err(not_json("it nests too deep"));
        }
        if !text.trim_start().starts_with('{') {
            serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(unread)?;
            return Err(misfit("it is no object"));
        }
        let Some((_, read)) = EVENTS.iter().find(|(name, _)| *name == event) else {
            serde_json::from_str::<Anything>(text).map_err(unread)?;
            return Ok(Reading::Nothing("an event that is not listened to"));
        };
        let body: Body = serde_json::from_str(text).map_err(unread)?;
        match body.event() {
            Some(shape) if shape == event => {}
            Some(shape) => return Err(misfit(&format!("it has the shape of `{shape}`"))),
            None => return Err(misfit("it has not what such a delivery has")),
        }
        if event == "repository" {
            serde_json::from_str::<OnlyRepository>(text).map_err(unread)?;
        }
        read(&body).map_err(|why| misfit(&why))
    }
}

fn not_json(why: &str) -> Misfit {
    Misfit::NotJson(plain(why, MAX_WHY))
}

/// Whether arrays and objects stand in one another deeper than allowed, wherever they stand.
fn is_too_deep(body: &[u8]) -> bool {
    let mut depth = 0_u32;
    let mut is_text = false;
    let mut is_escaped = false;
    for byte in body {
        if is_text {
            is_text = is_escaped || *byte != b'"';
            is_escaped = !is_escaped && *byte == b'\\';
            continue;
        }
        match byte {
            b'"' => is_text = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}
