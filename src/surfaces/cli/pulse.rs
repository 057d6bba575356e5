//! How an agent at work is shown: one line for people, one object for machines.

use std::time::Duration;

use serde_json::{Value, json};

use super::words;
use crate::app::pulse::{AtWork, Seen};
use crate::domain::agent::liveness::Liveness;

/// Characters of a call or command that are shown.
const LONGEST_CALL: usize = 100;

/// How it is: the word for it, then the signs it rests on.
///
/// The newest call is an agent's own text: whoever prints the line cleans it, as `Ui` does.
pub(super) fn line(at_work: &AtWork) -> String {
    let mut parts = vec![at_work.liveness.name().to_owned()];
    let is_dead = at_work.liveness == Liveness::Dead;
    if is_dead {
        parts.push("its program is gone".to_owned());
    }
    if let Some(seen) = &at_work.seen {
        if seen.is_old() {
            let age = words::span(seen.age);
            parts.push(format!("no engine has looked at it for {age}"));
        }
        parts.extend(signs(seen, is_dead));
    }
    parts.join(", ")
}

fn signs(seen: &Seen, is_dead: bool) -> Vec<String> {
    let vitals = &seen.vitals;
    let mut parts = vec![
        format!("last byte {}", secs(vitals.bytes_secs)),
        format!("processor {}", secs(vitals.cpu_secs)),
    ];
    parts.extend(vitals.files_secs.map(|files| format!("files {}", secs(files))));
    parts.extend(vitals.tool_secs.map(|tool| format!("tool {}", secs(tool))));
    let tokens = &seen.pulse.usage.tokens;
    let tokens = tokens.input.saturating_add(tokens.output);
    if tokens > 0 {
        parts.push(format!("{} tokens", grouped(tokens)));
    }
    if !seen.pulse.doing.is_empty() {
        let verb = if is_dead { "was doing" } else { "doing" };
        parts.push(format!("{verb} `{}`", words::short(&seen.pulse.doing, LONGEST_CALL)));
    }
    parts
}

/// The same for machines; null where no agent is at work.
pub(super) fn document(at_work: Option<&AtWork>) -> Value {
    let Some(at_work) = at_work else { return Value::Null };
    let seen = at_work.seen.as_ref();
    json!({
        "attempt": at_work.attempt,
        "liveness": at_work.liveness,
        "at": seen.map(|seen| words::when(seen.pulse.at)),
        "age_secs": seen.map(|seen| seen.age.as_secs()),
        "signs": seen.map(|seen| seen.vitals),
        "usage": seen.map(|seen| seen.pulse.usage),
        "doing": seen.map(|seen| &seen.pulse.doing),
        "pid": seen.and_then(|seen| seen.pulse.pid),
    })
}

/// Seconds of a sign; the first second is `0 s`, since no sign is taken more exactly.
fn secs(secs: u64) -> String {
    match secs {
        0 => "0 s".to_owned(),
        _ => words::span(Duration::from_secs(secs)),
    }
}

/// A number with a comma before each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
