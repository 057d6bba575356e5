//! Filling a store by the way every event goes in; shared by `make_store` and the bench of the command line.

use std::path::Path;

use agentpr::adapters::store::SqliteStore;
use agentpr::domain::actor::Actor;
use agentpr::domain::id::{RunId, Version};
use agentpr::domain::time::Timestamp;
use agentpr::ports::store::{Append, EventStore};

use crate::life;

/// Producers that share each commit.
const PRODUCERS: usize = 32;

/// Events of one append: what an ended attempt usually comes to.
const SLICE: usize = 10;

/// Makes the store at `path` with `events` events, spread evenly over `runs` runs; returns how many events it holds.
///
/// Runs are written side by side in slices, as a daemon's runs are, so that neighbours in the file belong to different
/// runs.
pub(crate) fn fill(path: &Path, runs: usize, events: usize) -> u64 {
    let store = SqliteStore::create(path).unwrap();
    std::thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let store = &store;
            scope.spawn(move || {
                let own: Vec<usize> = (producer..runs).step_by(PRODUCERS).collect();
                // A few dozen runs at a time are under way in each thread.
                for group in own.chunks(32) {
                    write(store, group, |index| events / runs + usize::from(index < events % runs));
                }
            });
        }
    });
    store.last_seq().unwrap().0
}

/// The name of a made-up run.
pub(crate) fn run_id(index: usize) -> RunId {
    RunId::new(format!("run-{index:06}")).unwrap()
}

fn write(store: &SqliteStore, runs: &[usize], length: impl Fn(usize) -> usize) {
    let mut lives: Vec<_> = runs
        .iter()
        .map(|index| {
            let run = run_id(*index);
            let events = life::life(&run, length(*index));
            (run, 0, events.into_iter())
        })
        .collect();
    while !lives.is_empty() {
        lives.retain_mut(|(run, version, events)| {
            let slice: Vec<_> = events.by_ref().take(SLICE).collect();
            if slice.is_empty() {
                return false;
            }
            let expected = Version(*version);
            *version += u64::try_from(slice.len()).unwrap();
            let at = Timestamp(1_700_000_000_000 + i64::try_from(*version).unwrap() * 1_000);
            let (run, actor) = (run.clone(), Actor::engine());
            store
                .append(&Append {
                    run,
                    expected,
                    fence: None,
                    actor,
                    at,
                    cause: None,
                    key: None,
                    events: slice,
                })
                .unwrap();
            true
        });
    }
}
