//! The system's clocks.
//!
//! The one place that reads them; everything else is handed a [`Moment`].

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::time::{Moment, Timestamp};
use crate::ports::clock::Clock;

/// Names the boot the monotonic clock belongs to.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The wall clock, and the clock that counts from boot and goes on through sleep.
#[derive(Debug, Clone)]
pub struct SystemClock {
    boot: String,
}

impl SystemClock {
    /// Reads once which boot this is.
    ///
    /// Where the system does not say, the boot is called `unknown`: then a reading from an earlier boot is larger or
    /// looks fresh, and the wall clock alone tells the age.
    pub fn new() -> Self {
        let boot =
            std::fs::read_to_string(BOOT_ID).map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned());
        Self { boot }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock port")]
    fn now(&self) -> Moment {
        let wall = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
        };
        let boottime = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(boottime.tv_sec).unwrap_or(0);
        let millis = u64::try_from(boottime.tv_nsec / 1_000_000).unwrap_or(0);
        Moment {
            wall: Timestamp(wall),
            boot: self.boot.clone(),
            monotonic_ms: seconds.saturating_mul(1_000).saturating_add(millis),
        }
    }
}
