//! What an answer says of limits. It only reads; [`super::meter`] keeps to it.
//!
//! GitHub's rules: heed `retry-after`; else, with nothing remaining, wait until `x-ratelimit-reset`; else wait a minute, and twice as
//! long each time after that. A refusal comes as 403 or 429. Nobody is told of a secondary limit before it holds.

use std::time::Duration;

use http::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::domain::time::Timestamp;

/// What a wait that nobody gave a length takes, at first.
const MINUTE: Duration = Duration::from_secs(60);

/// The longest such wait.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// No wait is longer: a number beyond it is taken for nonsense.
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What a limit stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Scope {
    /// Everything that this login asks.
    All,
    /// The REST API.
    Core,
    /// Reading by the REST API; what is left of its budget is kept for writes.
    CoreReads,
    /// The GraphQL API.
    Graphql,
    /// What an App asks as itself.
    App,
}

/// What one answer said.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// What is to be left alone, and how long, counted from now.
    pub waits: Vec<(Scope, Duration)>,
    /// Why the call was not carried out, where a limit was the reason.
    pub refused: Option<&'static str>,
    /// Whether the wait has no length of GitHub's, and so doubles.
    pub is_blind: bool,
}

/// An answer as far as limits go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard<'a> {
    /// Its code; 403 for a GraphQL answer that was refused under another one.
    pub status: u16,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// What it says for people.
    pub message: &'a str,
}

/// Reads the limits of an answer to a call on `scope`, after `blind` waits in a row that GitHub gave no length.
pub(super) fn read(heard: Heard<'_>, scope: Scope, blind: u32, now: Timestamp) -> Told {
    let Heard { status, headers, message } = heard;
    // Both numbers of a reset are GitHub's own clock's, where it tells it; ours may be wrong.
    let theirs = text(headers, "date").and_then(moment).unwrap_or(now);
    let mut told = Told::default();
    if let Some(wait) = text(headers, "retry-after").and_then(|value| after(value, theirs))
        && status >= 400
    {
        told.waits.push((Scope::All, wait));
        told.refused = Some("GitHub asks to wait");
    }
    let remaining = number(headers, "x-ratelimit-remaining");
    let until_reset = number(headers, "x-ratelimit-reset").map(|reset| {
        let reset = Timestamp(i64::try_from(reset).unwrap_or(i64::MAX).saturating_mul(1_000));
        reset.since(theirs).max(Duration::from_secs(1))
    });
    if remaining == Some(0) {
        told.waits.push((scope, until_reset.unwrap_or(MINUTE)));
        if is_refusal(status) {
            told.refused = told.refused.or(Some("the requests of this hour are used up"));
        }
    }
    if told.refused.is_none() && (status == 429 || (status == 403 && speaks_of_limit(message))) {
        told.waits.push((Scope::All, MINUTE.saturating_mul(1 << blind.min(8)).min(HOUR)));
        told.refused = Some("GitHub limits how fast it is asked");
        told.is_blind = true;
    }
    let is_low = remaining.is_some_and(|left| left < reserve(number(headers, "x-ratelimit-limit")));
    if scope == Scope::Core && is_low {
        told.waits.push((Scope::CoreReads, until_reset.unwrap_or(MINUTE)));
    }
    for (_, wait) in &mut told.waits {
        *wait = with_jitter((*wait).min(WEEK));
    }
    told
}

/// Says whether words are those of a limit; GitHub has no code for it.
pub(super) fn speaks_of_limit(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("rate limit") || message.contains("abuse detection")
}

fn is_refusal(status: u16) -> bool {
    matches!(status, 403 | 429)
}

/// The requests that are kept for writes: 50 or a hundredth, and of a small budget no more than a tenth.
fn reserve(limit: Option<u64>) -> u64 {
    let limit = limit.unwrap_or(5_000);
    (limit / 100).max(50).min(limit / 10)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.trim().parse().ok()
}

/// `retry-after` counts seconds or names a moment.
fn after(value: &str, now: Timestamp) -> Option<Duration> {
    match value.trim().parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => moment(value).map(|moment| moment.since(now)),
    }
}

/// A date of HTTP.
fn moment(value: &str) -> Option<Timestamp> {
    let zoned = jiff::fmt::rfc2822::parse(value.trim()).ok()?;
    Some(Timestamp(zoned.timestamp().as_millisecond()))
}

/// Up to a tenth more, half a minute at most, so that not everybody comes back at once; always later and never earlier.
fn with_jitter(wait: Duration) -> Duration {
    let most = (wait / 10).min(Duration::from_secs(30));
    let share = getrandom::u32().unwrap_or(0);
    let more = u128::from(share) * most.as_millis() / u128::from(u32::MAX);
    // The clock that is read cuts a millisecond off.
    wait + Duration::from_millis(u64::try_from(more).unwrap_or(0) + 1)
}
