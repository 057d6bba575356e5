//! How tokens, money and budgets are written for people and machines.

use std::time::Duration;

use serde_json::{Value, json};

use super::words;
use crate::app::usage::UsageTotal;
use crate::domain::agent::budget::{Allowance, Budgets, dollars};
use crate::domain::agent::usage::{MoneySource, Tokens};
use crate::domain::projection::UsageRow;

/// A sum of money and where it comes from: `$0.0123`, `$0.0123 (reported)`, `at least $0.0123`, `unknown`; `-` where no program
/// said anything.
pub(super) fn money(total: &UsageTotal) -> String {
    share(total, 1)
}

/// A part of that money, for averages.
pub(super) fn share(total: &UsageTotal, parts: u64) -> String {
    let sum = dollars(total.micros() / parts.max(1));
    let source = match (total.by_table > 0, total.reported > 0) {
        (true, true) => " (partly reported)",
        (false, true) => " (reported)",
        (_, false) => "",
    };
    if let Some(word) = without_numbers(total) {
        return word.to_owned();
    }
    match (total.priced, total.without_cost) {
        (0, 0) => "-".to_owned(),
        (0, _) => "unknown".to_owned(),
        (_, 0) => format!("${sum}{source}"),
        (_, _) => format!("at least ${sum}{source}"),
    }
}

/// What is said in the place of numbers where no attempt was read.
fn without_numbers(total: &UsageTotal) -> Option<&'static str> {
    match (total.attempts, total.open, total.unread) {
        (0, _, _) => None,
        (all, open, 0) if all == open => Some("under way"),
        (all, open, unread) if all == open + unread => Some("not read"),
        _ => None,
    }
}

/// Everything about a sum in one line.
pub(super) fn line(total: &UsageTotal) -> String {
    let Tokens { input, cached, output, reasoning, .. } = total.tokens;
    if let Some(word) = without_numbers(total) {
        return word.to_owned();
    }
    let of = |part: u64, what: &str| if part > 0 { format!(" ({part} {what})") } else { String::new() };
    let turns = words::count(total.turns, "turn");
    let time = words::span(Duration::from_millis(total.duration_ms));
    let money = match money(total).as_str() {
        "-" => "cost not told".to_owned(),
        "unknown" => "cost unknown".to_owned(),
        money => money.to_owned(),
    };
    let tokens =
        format!("{input} tokens in{}, {output} out{}", of(cached, "cached"), of(reasoning, "reasoning"));
    format!("{money}; {tokens}; {turns}; {time}{}", open_end(total))
}

/// What is charged by reservation, to be added to a line; empty where everything was read.
fn open_end(total: &UsageTotal) -> String {
    match (total.open, total.unread) {
        (0, 0) => String::new(),
        (open, 0) => format!("; {open} under way"),
        (0, unread) => format!("; {unread} not read"),
        (open, unread) => format!("; {open} under way, {unread} not read"),
    }
}

/// What attempts are charged whose use nobody could read; `None` where there are none, or they had reserved nothing.
pub(super) fn reserved(total: &UsageTotal) -> Option<String> {
    let spent = &total.reserved;
    let parts = [
        (spent.tokens > 0).then(|| format!("{} tokens", spent.tokens)),
        (spent.micros > 0).then(|| format!("${}", dollars(spent.micros))),
        (spent.secs > 0).then(|| format!("{} s", spent.secs)),
        (spent.turns > 0).then(|| format!("{} turns", spent.turns)),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The limits of an allowance; `None` where it has none.
fn limits(allowance: &Allowance) -> Option<String> {
    let parts = [
        allowance.tokens.map(|limit| format!("{limit} tokens")),
        allowance.micros.map(|limit| format!("${}", dollars(limit))),
        allowance.secs.map(|limit| format!("{limit} s")),
        allowance.turns.map(|limit| format!("{limit} turns")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The budgets of a run in one line; `None` where it has none.
pub(super) fn budgets(budgets: &Budgets) -> Option<String> {
    let scopes = [
        ("an attempt", &budgets.attempt),
        ("the run", &budgets.run),
        ("its repository a day", &budgets.repository),
        ("all runs a day", &budgets.day),
    ];
    let parts: Vec<String> = scopes
        .into_iter()
        .filter_map(|(name, budget)| limits(budget).map(|limits| format!("{name}: {limits}")))
        .collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// A sum as a document. Money is in millionths of a dollar, and as text in dollars.
pub(super) fn document(total: &UsageTotal) -> Value {
    let source = match (total.by_table > 0, total.reported > 0) {
        (true, true) => "mixed",
        (false, true) => "reported",
        (true, false) => "table",
        (false, false) if total.priced > 0 => "table",
        (false, false) => "unknown",
    };
    json!({
        "attempts": total.attempts,
        "under_way": total.open,
        "not_read": total.unread,
        "tokens": tokens(&total.tokens),
        "cost": {
            "micros": total.micros(),
            "dollars": dollars(total.micros()),
            "source": source,
            "attempts_of_unknown_cost": total.without_cost,
        },
        "turns": total.turns,
        "duration_ms": total.duration_ms,
        "reserved": {
            "tokens": total.reserved.tokens,
            "micros": total.reserved.micros,
            "secs": total.reserved.secs,
            "turns": total.reserved.turns,
        },
    })
}

fn tokens(tokens: &Tokens) -> Value {
    json!({
        "input": tokens.input,
        "cached": tokens.cached,
        "cache_write": tokens.cache_write,
        "output": tokens.output,
        "reasoning": tokens.reasoning,
        "total": tokens.total(),
    })
}

/// An attempt as a document; `usage` is null while it is under way and when nobody could read it.
pub(super) fn attempt(row: &UsageRow) -> Value {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    json!({
        "run_id": row.run.as_str(),
        "attempt": row.no,
        "repository": row.repository,
        "started_at": words::when(row.started_at),
        "ended_at": row.ended_at.map(words::when),
        "agent": text(&row.agent),
        "version": text(&row.version),
        "model": text(&row.model),
        "role": row.role.name(),
        "class": row.class.map(|class| class.name()),
        "reserved": row.reserved,
        "duration_ms": row.duration_ms,
        "usage": row.usage.as_ref().map(|usage| json!({
            "tokens": tokens(&usage.tokens),
            "cost": {
                "micros": usage.micros,
                "dollars": (usage.source != MoneySource::Unknown).then(|| dollars(usage.micros)),
                "source": usage.source,
            },
            "turns": usage.turns,
        })),
    })
}

/// How an attempt stands, in a word.
pub(super) fn class(row: &UsageRow) -> &'static str {
    match (row.class, row.ended_at) {
        (Some(class), _) => class.name(),
        (None, None) => "under way",
        (None, Some(_)) => "not read",
    }
}

/// Cells of the numbers of a sum: in, cached, out, reasoning, cost, turns, time.
pub(super) fn cells(total: &UsageTotal) -> Vec<String> {
    let number =
        |number: u64| if without_numbers(total).is_some() { String::new() } else { number.to_string() };
    let tokens = &total.tokens;
    vec![
        number(tokens.input),
        number(tokens.cached),
        number(tokens.output),
        number(tokens.reasoning),
        money(total),
        number(total.turns),
        words::span(Duration::from_millis(total.duration_ms)),
    ]
}

/// The heads of [`cells`].
pub(super) const HEADS: [&str; 7] = ["IN", "CACHED", "OUT", "REASONING", "COST", "TURNS", "TIME"];
