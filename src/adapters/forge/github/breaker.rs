//! The breaker: who failed five times in a row is left alone for a while, so that runs wait and do not fail.
//!
//! It is only a rule over remembered numbers. That one call alone tries again follows from the meter, which lets one call through at a
//! time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::deadline::{Deadline, elapsed};
use crate::domain::time::Moment;

/// Failures in a row that open it.
const FAILURES: u32 = 5;

/// A failure that is older does not count to the next one's row.
const ROW: Duration = Duration::from_secs(60);

/// How long it stays open at first; twice as long each time after that.
const FIRST: Duration = Duration::from_secs(30);

/// And never longer than this.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// What is remembered of failures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Breaker {
    failures: u32,
    last: Option<Moment>,
    open: Option<Deadline>,
    times: u32,
}

impl Breaker {
    /// How long nothing is asked yet; `None` when it may be asked.
    pub(super) fn left(&self, now: &Moment) -> Option<Duration> {
        self.open.as_ref().and_then(|open| open.left(now))
    }

    /// Forgets everything: an answer came.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// Counts a failure. One after the breaker was open opens it again at once, for twice as long.
    pub(super) fn failed(&mut self, now: &Moment) {
        let is_row = self.last.as_ref().is_some_and(|last| elapsed(last, now) <= ROW);
        self.failures = if is_row { self.failures.saturating_add(1) } else { 1 };
        self.last = Some(now.clone());
        if self.open.is_some() || self.failures >= FAILURES {
            let span = FIRST.saturating_mul(1 << self.times.min(8)).min(LONGEST);
            self.open = Some(Deadline::after(now, span));
            self.times = self.times.saturating_add(1);
        }
    }
}
