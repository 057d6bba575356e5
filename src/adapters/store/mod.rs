//! Stores of events: one in memory, one in SQLite, told the same story (`tests/it/store`).
//!
//! What both must agree on is here: the rows of a run ([`fold`]), the rule of leases ([`lease`]), who an owner is
//! ([`owner`]), what becomes of deliveries ([`inbox_rule`]) and the hash chain ([`chain`]). A store never decides what may happen to a run.

pub mod chain;
pub mod fold;
pub mod inbox_rule;
pub mod lease;
pub mod memory;
mod memory_inbox;
mod memory_ledger;
pub mod owner;
pub mod sqlite;

pub use memory::MemoryStore;
pub use owner::this_process;
pub use sqlite::SqliteStore;

use crate::domain::event::{Event, Recorded};
use crate::domain::id::{EventSeq, Version};
use crate::domain::state::State;
use crate::ports::store::Append;

/// One event of an append as the log will hold it; the caller's key stays with the first.
fn recorded(
    append: &Append,
    index: usize,
    seq: EventSeq,
    version: Version,
    event: Event,
    state: State,
) -> Recorded {
    Recorded {
        seq,
        run: append.run.clone(),
        version,
        at: append.at,
        actor: append.actor.clone(),
        cause: append.cause,
        key: append.key.clone().filter(|_| index == 0),
        state,
        event,
    }
}
