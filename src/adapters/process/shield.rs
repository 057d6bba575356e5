//! Keeping what this process knows from programs of the same user: an agent is one.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Closes this process's memory and environment in `/proc` to every program of the same user (prctl(2), `PR_SET_DUMPABLE`),
/// and leaves no core file behind. What it starts is not affected: another program is readable again.
///
/// A system that refuses is no reason not to work; the environment of children is made from nothing in any case.
pub fn close_to_neighbours() {
    if let Err(err) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(error = %err, "this process can be looked into by programs of the same user");
    }
}
