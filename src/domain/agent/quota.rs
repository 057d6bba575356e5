//! Waiting for an allowance: which runs share one, until when, and how often.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::id::RunId;
use crate::domain::time::Timestamp;

/// The name of what shares one allowance: a credential, named for people and never by its value. Like `codex:CODEX_API_KEY`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pool(String);

impl Pool {
    /// Names a pool; what is not a letter, digit or one of `-_.:/` becomes `_`, at most 120 characters.
    pub fn new(name: &str) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.:/".contains(c) { c } else { '_' };
        Self(name.chars().take(120).map(plain).collect())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// An allowance that is used up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exhausted {
    /// Whose.
    pub pool: Pool,
    /// When it is there again, as far as the provider said.
    #[serde(default)]
    pub reset_at: Option<Timestamp>,
    /// The same as seconds from the end of the attempt, where the provider said it so.
    #[serde(default)]
    pub reset_secs: Option<u64>,
}

impl Exhausted {
    /// When it is there again, told at `now`; a month ahead at most.
    pub fn reset(&self, now: Timestamp) -> Option<Timestamp> {
        let told = self.reset_at.or_else(|| self.reset_secs.map(|secs| now.plus(Duration::from_secs(secs))));
        told.map(|reset| reset.min(now.plus(LONGEST_RESET)))
    }
}

/// A run that waits for an allowance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The allowance.
    pub pool: Pool,
    /// Until when.
    pub until: Timestamp,
    /// How many times in a row it has waited, this time included.
    pub times: u32,
}

/// A program's word on when an allowance is back counts up to this far ahead: the longest plans are by the month.
const LONGEST_RESET: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Waited after a reset, for clocks that differ.
const GRACE: Duration = Duration::from_secs(5);

/// Runs that share an allowance wake within this time of each other, not at once.
const SPREAD: Duration = Duration::from_secs(30);

/// The wait when nobody says how long, doubled each time in a row, up to [`LONGEST_GUESS`].
const FIRST_GUESS: Duration = Duration::from_secs(5 * 60);

/// The longest wait that nobody asked for.
const LONGEST_GUESS: Duration = Duration::from_secs(60 * 60);

/// Times in a row a run waits for the same allowance before a person is asked.
pub const MOST_WAITS: u32 = 12;

/// Until when `run` waits. `before` is how many times in a row it has waited already.
///
/// Each run gets its own place within `SPREAD`, the same every time.
pub fn until(exhausted: &Exhausted, run: &RunId, before: u32, now: Timestamp) -> Timestamp {
    let reset = exhausted.reset(now).filter(|reset| *reset > now).unwrap_or_else(|| {
        let guess = FIRST_GUESS.saturating_mul(1 << before.min(8)).min(LONGEST_GUESS);
        now.plus(guess)
    });
    let sum: u64 =
        run.as_str().bytes().fold(0, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let spread = u64::try_from(SPREAD.as_millis()).unwrap_or(u64::MAX).max(1);
    reset.plus(GRACE).plus(Duration::from_millis(sum % spread))
}

/// One line of what is known of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRow {
    /// The pool.
    pub pool: Pool,
    /// Until when it is used up, without a run's own spread.
    pub until: Timestamp,
    /// The run that met it.
    pub run: RunId,
}
