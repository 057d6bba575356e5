//! Which trouble claude ended in.
//!
//! The status of the last request comes first, then the word the program has for the error, then its words for people: some troubles
//! have no status, such as a missing login. Recorded from 2.1.197, and from the messages that stand in its program file.

use super::protocol::Event;
use crate::adapters::worker::agent::Exit;
use crate::domain::agent::class::{Judgement, Trouble};
use crate::domain::agent::signal::cut;

/// Words of an allowance that is used up, in small letters.
const QUOTA: [&str; 7] = [
    "credit balance",
    "you've hit your",
    "you've reached your",
    "out of usage",
    "out of extra usage",
    "usage limit",
    "limit reached",
];

/// Words of a login that is missing or not taken.
const AUTH: [&str; 6] = [
    "not logged in",
    "run /login",
    "invalid api key",
    "oauth token",
    "session has expired",
    "organization has been disabled",
];

/// Words of a server that was not reached.
const NETWORK: [&str; 6] =
    ["unable to connect", "connection error", "timed out", "econn", "fetch failed", "socket"];

/// Words of a server that answers with something else than its protocol.
const SERVER: [&str; 2] = ["malformed response", "empty response"];

/// Words of a conversation that is too long.
const CONTEXT: [&str; 3] = ["prompt is too long", "context window", "request too large"];

/// What a `result` that is no success means; `kind` is the error the program named before it.
pub fn of_result(event: &Event, kind: &str) -> Judgement {
    let told = event.result.clone().filter(|told| !told.is_empty());
    let message = told.unwrap_or_else(|| event.errors.join("; "));
    let lower = message.to_lowercase();
    let reason = event.terminal_reason.as_deref().unwrap_or_default();
    let trouble = match event.subtype.as_str() {
        "error_max_turns" | "error_max_budget_usd" => Trouble::Budget,
        "error_max_structured_output_retries" => Trouble::GaveUp,
        "error_during_execution" if lower.contains("no conversation found") => Trouble::SessionLost,
        _ if reason.starts_with("aborted") => Trouble::Protocol,
        _ if reason == "prompt_too_long" || has(&lower, &CONTEXT) => Trouble::ContextOverflow,
        _ => of_answer(event.api_error_status, kind, &lower),
    };
    let message = match trouble {
        // What it says then is for its own makers.
        Trouble::Protocol if reason.starts_with("aborted") => "claude was interrupted".to_owned(),
        _ if message.is_empty() => format!("claude ended with `{}`", event.subtype),
        _ => message,
    };
    Judgement::trouble(trouble, cut(&message))
}

fn of_answer(status: Option<u16>, kind: &str, lower: &str) -> Trouble {
    // A used-up account answers 400, a used-up plan 429.
    if has(lower, &QUOTA) || kind == "billing_error" {
        return Trouble::QuotaExhausted;
    }
    match (status, kind) {
        (Some(401 | 403), _) | (None, "authentication_failed") => Trouble::Auth,
        (Some(429), _) | (None, "rate_limit") => Trouble::RateLimited,
        (Some(408), _) => Trouble::Network,
        (Some(413), _) => Trouble::ContextOverflow,
        (Some(500..), _) => Trouble::Server,
        (Some(400..), _) | (None, "invalid_request") => Trouble::BadRequest,
        // The program calls a lost connection and a server's fault by one name, so its words come first.
        _ if has(lower, &NETWORK) => Trouble::Network,
        _ if has(lower, &AUTH) => Trouble::Auth,
        (None, "server_error" | "overloaded") => Trouble::Server,
        _ if has(lower, &SERVER) => Trouble::Server,
        _ => Trouble::Protocol,
    }
}

/// What an end without a `result` means.
pub fn of_end(exit: &Exit<'_>, has_events: bool, ending: &str) -> Judgement {
    let last = exit.tail.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    // The program ends with 1 and plain words when it does not take its options.
    if exit.code.is_some_and(|code| code != 0 && code < 128) && !has_events {
        let is_lost = last.to_lowercase().contains("no conversation found");
        let trouble = if is_lost { Trouble::SessionLost } else { Trouble::Usage };
        return Judgement::trouble(trouble, cut(&format!("claude ended with {ending}: {last}")));
    }
    Judgement::trouble(Trouble::Protocol, format!("claude ended with {ending} and without a result"))
}

/// The moment in a message such as `usage limit reached|1699999999`, in milliseconds since 1970.
///
/// A time of day (`resets 3pm`) is passed over: it does not say the day, and its time zone is the program's.
pub fn reset(message: &str) -> Option<i64> {
    let after = message.rsplit_once('|')?.1.trim();
    let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
    // Ten digits are seconds from 2001 to 2286.
    let secs: i64 = digits.parse().ok().filter(|_| digits.len() == 10)?;
    secs.checked_mul(1_000)
}

/// Seconds since 1970 as milliseconds; `None` for what is no moment.
#[expect(clippy::cast_possible_truncation, reason = "the number is checked to be within bounds")]
pub fn millis(secs: f64) -> Option<i64> {
    (0.0..1e11).contains(&secs).then_some((secs * 1_000.0) as i64)
}

fn has(lower: &str, words: &[&str]) -> bool {
    words.iter().any(|word| lower.contains(word))
}
