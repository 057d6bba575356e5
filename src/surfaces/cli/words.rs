//! How times, sizes and untrusted text are written for people and machines.

use std::time::Duration;

use crate::app::views::Advice;
use crate::domain::evidence::DiffStat;
use crate::domain::time::Timestamp;

/// A moment as RFC 3339 in UTC with milliseconds.
pub(super) fn when(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        // A clock beyond the year 9999 is wrong, and its number says so best.
        Err(_) => at.0.to_string(),
    }
}

/// The time of day, for lines that follow each other.
pub(super) fn time_of_day(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(time) => time.strftime("%H:%M:%S").to_string(),
        Err(_) => at.0.to_string(),
    }
}

/// Reads a moment as RFC 3339; `None` for anything else.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|time| Timestamp(time.as_millisecond()))
}

/// A span in its two largest units.
pub(super) fn span(time: Duration) -> String {
    let secs = time.as_secs();
    match secs {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{secs} s"),
        60..3_600 => format!("{} min {} s", secs / 60, secs % 60),
        3_600..86_400 => format!("{} h {} min", secs / 3_600, secs % 3_600 / 60),
        _ => format!("{} d {} h", secs / 86_400, secs % 86_400 / 3_600),
    }
}

/// What a run waits for and, where that is known, until when.
pub(super) fn wait(advice: &Advice, now: Timestamp) -> String {
    match advice.until {
        Some(until) => format!("{} at {} (in {})", advice.waits_for, when(until), span(until.since(now))),
        None => advice.waits_for.clone(),
    }
}

/// A size in the largest unit that leaves a whole number.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KiB", bytes / 1_024),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes / 1_048_576),
        _ => format!("{} GiB", bytes / 1_073_741_824),
    }
}

/// A number of things, in the singular where there is one.
pub(super) fn count(number: u64, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

/// The size of a diff.
pub(super) fn diffstat(stat: &DiffStat) -> String {
    format!("{}, +{} -{}", count(stat.files.into(), "file"), stat.insertions, stat.deletions)
}

/// Untrusted text as one printable line: control characters and those that turn the direction of text are written out.
pub(super) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // Code is full of tabs, and a tab forges nothing.
            '\t' => cleaned.push('\t'),
            '\n' => cleaned.push_str("\\n"),
            '\r' => cleaned.push_str("\\r"),
            c if c.is_control() || is_direction(c) => cleaned.extend(c.escape_unicode()),
            c => cleaned.push(c),
        }
    }
    cleaned
}

/// A JSON text in which the characters that JSON need not escape, and a terminal obeys, are escaped too.
///
/// Outside its strings JSON is ASCII, so whatever is found lies in a string.
pub(super) fn harmless(json: String) -> String {
    // DEL and what lies beyond ASCII: the rest is JSON's own line breaks.
    let obeyed = |c: char| c == '\u{7f}' || (!c.is_ascii() && (c.is_control() || is_direction(c)));
    if !json.contains(obeyed) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len() + 8);
    for c in json.chars() {
        if obeyed(c) {
            // All of them lie in the basic plane, so four digits are enough.
            escaped.push_str("\\u");
            escaped.extend(
                [12, 8, 4, 0].map(|shift| char::from_digit((u32::from(c) >> shift) & 0xf, 16).unwrap_or('0')),
            );
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Characters that reorder what a person reads: with them a line can show another text than it has.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{061c}')
}

/// The first line of a text, cut at `limit` characters.
pub(super) fn short(text: &str, limit: usize) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if line.chars().count() <= limit {
        return line.to_owned();
    }
    let cut: String = line.chars().take(limit.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}
