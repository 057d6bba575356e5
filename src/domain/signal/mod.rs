//! Signals: what an agent's transcript says it did. They may stop a run; they never make a PASS (decision D7).
//!
//! Read in this order: `shape` (what comes out), [`read`] (lines and JSON in), `meaning` (what a command is),
//! `trouble` (lines that name an error). The transcript is the agent's word, so nothing here is proof of anything.

mod meaning;
mod read;
mod shape;
mod trouble;

pub(super) use meaning::broken_rule;
pub use read::read;
pub use shape::{SafetySignal, Signals};
