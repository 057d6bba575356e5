//! What codex's error messages mean: it gives no codes, so its words are all there is.
//!
//! The words are those of version 0.169. What none of them fits is [`Trouble::Protocol`], which a person looks at.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use crate::domain::agent::class::Trouble;

/// Words that mean an allowance of a plan or an account is used up, whatever the status.
const QUOTA: [&str; 6] = [
    "usage limit",
    "quota exceeded",
    "insufficient_quota",
    "out of credits",
    "credit limit",
    "plan and billing",
];

/// Words and their meaning where no status tells; the first that fits counts.
const WORDS: &[(&str, Trouble)] = &[
    ("rate limit", Trouble::RateLimited),
    ("too many requests", Trouble::RateLimited),
    ("ran out of room", Trouble::ContextOverflow),
    ("context window", Trouble::ContextOverflow),
    ("context_length", Trouble::ContextOverflow),
    ("missing environment variable", Trouble::Auth),
    ("unauthorized", Trouble::Auth),
    ("api key", Trouble::Auth),
    ("access token", Trouble::Auth),
    ("not logged in", Trouble::Auth),
    ("sign in again", Trouble::Auth),
    ("high demand", Trouble::Server),
    ("high load", Trouble::Server),
    ("at capacity", Trouble::Server),
    ("overloaded", Trouble::Server),
    ("server error", Trouble::Server),
    ("stream disconnected", Trouble::Network),
    ("error sending request", Trouble::Network),
    ("connection", Trouble::Network),
    ("network", Trouble::Network),
    ("timed out", Trouble::Network),
    ("timeout", Trouble::Network),
    ("dns", Trouble::Network),
    ("invalid request", Trouble::BadRequest),
    ("invalid_request", Trouble::BadRequest),
    ("not supported", Trouble::BadRequest),
];

/// The trouble a message is about.
pub fn classify(message: &str) -> Trouble {
    let lower = message.to_lowercase();
    if QUOTA.iter().any(|words| lower.contains(words)) {
        return Trouble::QuotaExhausted;
    }
    let by_words = WORDS.iter().find(|(words, _)| lower.contains(words)).map(|(_, trouble)| *trouble);
    match (status(&lower), by_words) {
        (Some(401 | 403), _) => Trouble::Auth,
        (Some(402), _) => Trouble::QuotaExhausted,
        (Some(429), _) => Trouble::RateLimited,
        (Some(408), _) => Trouble::Network,
        (Some(500..=599), _) => Trouble::Server,
        (Some(400..=499), Some(Trouble::ContextOverflow)) => Trouble::ContextOverflow,
        (Some(400..=499), _) => Trouble::BadRequest,
        (_, Some(trouble)) => trouble,
        (_, None) => Trouble::Protocol,
    }
}

/// The HTTP status in `unexpected status 401 Unauthorized` and `last status: 429 Too Many Requests`. The body of a 400 is told as it
/// came, without its status.
fn status(lower: &str) -> Option<u16> {
    if lower.starts_with('{') {
        return Some(400);
    }
    let after = lower.split_once("status")?.1.trim_start_matches([':', ' ']);
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|code| (100..600).contains(code))
}

/// When an allowance is there again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reset {
    /// In so many seconds.
    pub secs: Option<u64>,
    /// At this moment, in milliseconds since 1970.
    pub at_ms: Option<i64>,
}

/// Reads the reset out of a message: `try again in 11.054s`, `in 3 days 4 hours`, `at 3:07 PM`, `at Nov 23rd, 2026 9:34 PM`.
///
/// Moments are read as UTC: the program is started with that zone. A time of day is the next one after `began_ms`, the moment the
/// program started: it leaves out the date only for times of the same day. Seconds are left out, so the end of the minute is meant.
pub fn reset(message: &str, began_ms: i64) -> Reset {
    let lower = message.to_lowercase();
    let Some((_, after)) = lower.rsplit_once("try again ") else { return Reset::default() };
    if let Some(wait) = after.strip_prefix("in ") {
        return Reset { secs: duration(wait), at_ms: None };
    }
    let at_ms = after.strip_prefix("at ").and_then(|moment| self::moment(moment, began_ms));
    Reset { secs: None, at_ms }
}

/// Adds up numbers with units, as far as the text goes on with them.
fn duration(text: &str) -> Option<u64> {
    let mut total: Option<f64> = None;
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let (digits, tail) = rest.split_at_checked(end)?;
        let Ok(number) = digits.trim_end_matches('.').parse::<f64>() else { break };
        let tail = tail.trim_start();
        let end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(end)?;
        let secs = match unit {
            "ms" | "millisecond" | "milliseconds" => 0.001,
            "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3_600.0,
            "d" | "day" | "days" => 86_400.0,
            "w" | "week" | "weeks" => 604_800.0,
            _ => break,
        };
        total = Some(total.unwrap_or_default() + number * secs);
        rest = tail;
    }
    // A year at most: more is no wait but a slip.
    total
        .map(|secs| std::time::Duration::try_from_secs_f64(secs.ceil().min(31_536_000.0)).unwrap_or_default())
        .map(|wait| wait.as_secs())
}

/// Reads `3:07 pm` or `nov 23rd, 2026 9:34 pm`.
fn moment(text: &str, began_ms: i64) -> Option<i64> {
    let words: Vec<&str> = text
        .split([' ', ','])
        .filter(|word| !word.is_empty())
        .map(|word| word.trim_end_matches('.'))
        .collect();
    let began = jiff::Timestamp::from_millisecond(began_ms).ok()?.to_zoned(TimeZone::UTC).datetime();
    let found = match words.as_slice() {
        [clock, half, ..] if clock.contains(':') => {
            let today = DateTime::from_parts(began.date(), time(clock, half)?);
            // A minute of grace: the seconds were left out.
            if today.checked_add(jiff::Span::new().minutes(1)).ok()? < began {
                today.checked_add(jiff::Span::new().days(1)).ok()?
            } else {
                today
            }
        }
        [month, day, year, clock, half, ..] => {
            let day: i8 = day.trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse().ok()?;
            let date = Date::new(year.parse().ok()?, self::month(month)?, day).ok()?;
            DateTime::from_parts(date, time(clock, half)?)
        }
        _ => return None,
    };
    let end = found.checked_add(jiff::Span::new().minutes(1)).ok()?;
    Some(end.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

fn time(clock: &str, half: &str) -> Option<Time> {
    let (hour, minute) = clock.split_once(':')?;
    let hour: i8 = hour.parse().ok().filter(|hour| (1..=12).contains(hour))?;
    let afternoon = match half {
        "am" => 0,
        "pm" => 12,
        _ => return None,
    };
    Time::new(hour % 12 + afternoon, minute.parse().ok()?, 0, 0).ok()
}

fn month(name: &str) -> Option<i8> {
    let names = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let at = names.iter().position(|month| name.starts_with(month))?;
    i8::try_from(at + 1).ok()
}
