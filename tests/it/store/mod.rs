//! Stores: one story told to all of them, and what only SQLite can get wrong.

mod address;
mod commit;
mod damage;
mod golden;
mod group;
mod inbox;
mod inbox_list;
mod ledger;
pub(crate) mod life;
mod migration;
mod opening;
mod story;
mod upkeep;

use agentpr::adapters::store::SqliteStore;
use agentpr::domain::actor::Actor;
use agentpr::domain::event::Event;
use agentpr::domain::id::{RunId, Version};
use agentpr::domain::state::State;
use agentpr::domain::time::{Moment, Timestamp};
use agentpr::ports::store::{Append, EventStore, LeaseOwner};

/// A store in a directory that goes away with it.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("agentpr.db")
    }

    fn create(&self) -> SqliteStore {
        SqliteStore::create(&self.path()).unwrap()
    }

    /// The file without any of our rules.
    fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }

    /// Runs statements that only a vandal would, with the guarding triggers out of the way.
    fn vandalise(&self, sql: &str) {
        let raw = self.raw();
        raw.execute_batch("DROP TRIGGER events_are_not_changed; DROP TRIGGER events_are_not_deleted;")
            .unwrap();
        raw.execute_batch(sql).unwrap();
    }
}

fn run(name: &str) -> RunId {
    RunId::new(name).unwrap()
}

fn append(run: &RunId, expected: u64, events: Vec<(Event, State)>) -> Append {
    Append {
        run: run.clone(),
        expected: Version(expected),
        fence: None,
        actor: Actor::engine(),
        at: Timestamp(1_700_000_000_000 + i64::try_from(expected).unwrap() * 1_000),
        cause: None,
        key: None,
        events,
    }
}

/// Gives a run its first `count` events, one append each.
fn live(store: &(impl EventStore + ?Sized), name: &str, count: usize) -> RunId {
    let run = run(name);
    for (index, event) in life::life(&run, count).into_iter().enumerate() {
        store.append(&append(&run, u64::try_from(index).unwrap(), vec![event])).unwrap();
    }
    run
}

fn owner(name: &str) -> LeaseOwner {
    agentpr::adapters::store::this_process(name)
}

fn moment(second: u64) -> Moment {
    Moment {
        wall: Timestamp(1_700_000_000_000 + i64::try_from(second).unwrap() * 1_000),
        boot: "boot".to_owned(),
        monotonic_ms: second * 1_000,
    }
}
