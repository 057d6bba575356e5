//! Time as the fake tells it: the system's, until it is pinned.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// The clock of one fake.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// Milliseconds since 1970, where a test holds the clock.
    pub pinned: Option<i64>,
}

impl Clock {
    pub(crate) fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.pinned.unwrap_or_else(|| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    pub(crate) fn seconds(&self) -> i64 {
        self.now_ms().div_euclid(1_000)
    }
}

/// A time as GitHub writes it: RFC 3339, whole seconds, `Z`.
pub(crate) fn stamp(ms: i64) -> String {
    jiff::Timestamp::from_second(ms.div_euclid(1_000)).unwrap_or_default().to_string()
}

/// As [`stamp`], `null` for a time that has not come.
pub(crate) fn maybe(ms: Option<i64>) -> Value {
    ms.map_or(Value::Null, |ms| json!(stamp(ms)))
}
