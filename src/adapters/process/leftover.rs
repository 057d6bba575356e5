//! Leftovers: programs that outlived the engine that started them.
//!
//! A process id alone proves nothing, since ids are reused. A group or session is ended only when its leader is still the
//! recorded process (same boot, same start time), or when the leader is gone and a member carries a run's mark: as long as a group
//! or a session has members the system gives its number to no other process.

use super::members::Members;
use super::table::{all, boot_id, mark_of, stat};
use crate::domain::evidence::ProcessRef;

/// What became of a leftover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftover {
    /// It was there and was killed with its group.
    Ended,
    /// It is gone, or its number belongs to another program now; nothing was done.
    Gone,
}

/// Whether a recorded process is still there and is no other by now. One that has ended and was not yet waited for is gone.
pub fn is_there(process: &ProcessRef) -> bool {
    let is_known = !process.boot.is_empty() && process.start_ticks != 0;
    let found = stat(process.pid).filter(|found| !found.zombie && found.start_ticks == process.start_ticks);
    is_known && found.is_some() && process.boot == boot_id()
}

/// Kills the group of a recorded process, and whatever else carries its run's mark, if it is still that process.
pub fn end_leftover(process: &ProcessRef) -> Leftover {
    if process.boot.is_empty() || process.boot != boot_id() || process.start_ticks == 0 || process.pid <= 1 {
        return Leftover::Gone;
    }
    let run = match stat(process.pid) {
        Some(found) if found.start_ticks == process.start_ticks => {
            let run = mark_of(process.pid).or_else(|| mark_of_member(process));
            // A launcher that has not come as far as its own session is known by its mark alone.
            if found.group != process.pid && run.is_none() {
                return Leftover::Gone;
            }
            run
        }
        Some(_) => return Leftover::Gone,
        None => match mark_of_member(process) {
            Some(run) => Some(run),
            None => return Leftover::Gone,
        },
    };
    Members::of(process.pid, process.start_ticks, run).end();
    Leftover::Ended
}

fn mark_of_member(process: &ProcessRef) -> Option<String> {
    let is_member = |pid: &i32| {
        stat(*pid).is_some_and(|found| {
            (found.group == process.pid || found.session == process.pid)
                && !found.zombie
                && found.start_ticks >= process.start_ticks
        })
    };
    all().into_iter().filter(is_member).find_map(mark_of)
}
