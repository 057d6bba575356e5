//! Time as the domain sees it: a number that was handed in.
//!
//! Nothing here reads a clock. Durations are `std::time::Duration`; texts for people are made at the edges.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment by the wall clock, in milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment `span` later; stays at the last representable one instead of overflowing.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The beginning of its day, in UTC.
    #[must_use]
    pub fn day(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(86_400_000)))
    }

    /// Time from `earlier` to this moment, zero when the clock went backwards.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// One reading of both clocks.
///
/// The monotonic reading counts from the machine's boot and goes on while it sleeps, so two readings compare only
/// within one boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The wall clock.
    pub wall: Timestamp,
    /// Which boot of which machine the monotonic reading belongs to.
    pub boot: String,
    /// Milliseconds since that boot.
    pub monotonic_ms: u64,
}

impl Moment {
    /// Says whether `span` has passed since `start` by either clock, whichever says so first.
    ///
    /// A wall clock that was set back therefore keeps nothing alive within one boot; after another boot only the wall
    /// clock can tell.
    pub fn has_passed_since(&self, start: &Self, span: Duration) -> bool {
        let by_wall = self.wall >= start.wall.plus(span);
        let span_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let by_monotonic =
            self.boot == start.boot && self.monotonic_ms.saturating_sub(start.monotonic_ms) >= span_ms;
        by_wall || by_monotonic
    }
}
