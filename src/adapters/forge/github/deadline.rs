//! Until when something is left alone, told so that it holds over processes, clocks that are set, and boots.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::time::Moment;

/// A span of time that began at a moment.
///
/// Within one boot the clock that counts from it decides, because nobody sets that one; after another boot the wall clock does. What
/// is left is never more than the whole span, so a clock that was set back keeps nothing waiting for long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Deadline {
    from: Moment,
    span_ms: u64,
}

impl Deadline {
    /// The end of `span`, counted from now.
    pub(super) fn after(now: &Moment, span: Duration) -> Self {
        Self { from: now.clone(), span_ms: u64::try_from(span.as_millis()).unwrap_or(u64::MAX) }
    }

    /// How long it still is; `None` when it is over.
    pub(super) fn left(&self, now: &Moment) -> Option<Duration> {
        let left = Duration::from_millis(self.span_ms).saturating_sub(elapsed(&self.from, now));
        (!left.is_zero()).then_some(left)
    }

    /// Whichever of the two ends later.
    pub(super) fn later(self, other: Option<Self>, now: &Moment) -> Self {
        match other {
            Some(other) if other.left(now) > self.left(now) => other,
            Some(_) | None => self,
        }
    }
}

/// The time since `from`, zero where no clock can tell.
pub(super) fn elapsed(from: &Moment, now: &Moment) -> Duration {
    if from.boot == now.boot
        && let Some(passed) = now.monotonic_ms.checked_sub(from.monotonic_ms)
    {
        return Duration::from_millis(passed);
    }
    now.wall.since(from.wall)
}
