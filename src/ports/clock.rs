//! The time, asked for.

use crate::domain::time::Moment;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Both clocks, read together.
    fn now(&self) -> Moment;
}
