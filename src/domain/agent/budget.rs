//! Budgets: what agents may use, in tokens, money, time and turns, and over what.
//!
//! An attempt reserves what it may use at most before it starts and is charged what it used when it ended. One that was cut off
//! before anybody could read its use is charged what it had reserved.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::usage::{MOST_CHARGED, MoneySource, Usage};

/// Limits in four units; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Allowance {
    /// Tokens, in and out together.
    pub tokens: Option<u64>,
    /// Money, in millionths of a dollar.
    pub micros: Option<u64>,
    /// Time agents work, in seconds.
    pub secs: Option<u64>,
    /// Requests the model answers.
    pub turns: Option<u32>,
}

/// The budgets a run is made with. Days are of UTC; repository and day are counted over all runs in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Budgets {
    /// Of one attempt.
    pub attempt: Allowance,
    /// Of a run.
    pub run: Allowance,
    /// Of all runs of a repository in one day.
    pub repository: Allowance,
    /// Of all runs in one day.
    pub day: Allowance,
}

/// What a budget is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetScope {
    /// One attempt.
    Attempt,
    /// One run.
    Run,
    /// A repository's runs in a day.
    Repository,
    /// All runs in a day.
    Day,
}

impl BudgetScope {
    /// For people: the end of "the budget of ...".
    pub fn words(self) -> &'static str {
        match self {
            Self::Attempt => "this attempt",
            Self::Run => "this run",
            Self::Repository => "this repository for today",
            Self::Day => "today",
        }
    }
}

/// What some attempts used and have reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Tokens.
    pub tokens: u64,
    /// Money, in millionths of a dollar.
    pub micros: u64,
    /// Whether the cost of some of it is not known.
    pub has_unknown_cost: bool,
    /// Seconds.
    pub secs: u64,
    /// Turns.
    pub turns: u32,
}

impl Spent {
    /// Adds an attempt's use.
    pub fn add(&mut self, usage: &Usage, duration: Duration) {
        self.tokens = self.tokens.saturating_add(usage.tokens.total());
        self.micros = self.micros.saturating_add(usage.micros);
        self.has_unknown_cost |= usage.source == MoneySource::Unknown && usage.tokens.total() > 0;
        self.secs = self.secs.saturating_add(duration.as_secs());
        self.turns = self.turns.saturating_add(usage.turns);
    }

    /// Adds what an attempt has reserved.
    pub fn reserve(&mut self, reserved: &Allowance) {
        self.tokens = self.tokens.saturating_add(reserved.tokens.unwrap_or_default());
        self.micros = self.micros.saturating_add(reserved.micros.unwrap_or_default());
        self.secs = self.secs.saturating_add(reserved.secs.unwrap_or_default());
        self.turns = self.turns.saturating_add(reserved.turns.unwrap_or_default());
    }
}

impl Allowance {
    /// Says whether it limits anything.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The same, with no number above [`MOST_CHARGED`].
    #[must_use]
    pub fn charged(&self) -> Self {
        let most = |limit: Option<u64>| limit.map(|limit| limit.min(MOST_CHARGED));
        Self {
            tokens: most(self.tokens),
            micros: most(self.micros),
            secs: most(self.secs),
            turns: self.turns,
        }
    }

    /// What is left after `spent`; 0 where it is used up.
    #[must_use]
    pub fn after(&self, spent: &Spent) -> Self {
        Self {
            tokens: self.tokens.map(|limit| limit.saturating_sub(spent.tokens)),
            micros: self.micros.map(|limit| limit.saturating_sub(spent.micros)),
            secs: self.secs.map(|limit| limit.saturating_sub(spent.secs)),
            turns: self.turns.map(|limit| limit.saturating_sub(spent.turns)),
        }
    }

    /// This one's limits, and the other's where it has none.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            tokens: self.tokens.or(other.tokens),
            micros: self.micros.or(other.micros),
            secs: self.secs.or(other.secs),
            turns: self.turns.or(other.turns),
        }
    }

    /// The tighter of two, unit by unit.
    #[must_use]
    pub fn tighter(&self, other: &Self) -> Self {
        fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
            match (one, other) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            }
        }
        Self {
            tokens: least(self.tokens, other.tokens),
            micros: least(self.micros, other.micros),
            secs: least(self.secs, other.secs),
            turns: least(self.turns, other.turns),
        }
    }

    /// The unit that `spent` has used up, with both numbers for people; `None` when something is left of each.
    ///
    /// A limit on money is used up, too, by spending of which nobody knows the cost: it could be any sum.
    pub fn used_up(&self, spent: &Spent) -> Option<String> {
        if let Some(limit) = self.tokens.filter(|limit| spent.tokens >= *limit) {
            return Some(format!("{} of {limit} tokens", spent.tokens));
        }
        if let Some(limit) = self.micros {
            if spent.micros >= limit {
                return Some(format!("{} of {} dollars", dollars(spent.micros), dollars(limit)));
            }
            if spent.has_unknown_cost {
                return Some(format!(
                    "an unknown part of {} dollars: the model has no price",
                    dollars(limit)
                ));
            }
        }
        if let Some(limit) = self.secs.filter(|limit| spent.secs >= *limit) {
            return Some(format!("{} of {limit} seconds", spent.secs));
        }
        let limit = self.turns.filter(|limit| spent.turns >= *limit)?;
        Some(format!("{} of {limit} turns", spent.turns))
    }
}

/// The millionths of a dollar in a decimal text such as `1.25`, exactly; `None` when it is no sum, or is finer than a millionth.
pub fn micros(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let part = if part.len() > 1 { part.trim_end_matches('0') } else { part };
    if !is_plain(whole) || part.len() > 6 || !(part.is_empty() || is_plain(part)) {
        return None;
    }
    let part: u64 = format!("{part:0<6}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(part)
}

/// A sum for people, in dollars with four digits: `0.0123`.
pub fn dollars(micros: u64) -> String {
    format!("{}.{:04}", micros / 1_000_000, micros % 1_000_000 / 100)
}
