//! Writes a sound store of any size, by the way every event goes in: `make_store PATH --runs N --events M`.
//!
//! Runs are written side by side in slices, as a daemon's runs are, so that neighbours in the file belong to different runs.

#![expect(clippy::unwrap_used, reason = "a tool for measurements may stop where it stands")]
#![expect(clippy::print_stdout, reason = "its output is for the person who started it")]

#[path = "../tests/it/store/life.rs"]
mod life;

use std::path::PathBuf;

use agentpr::adapters::store::SqliteStore;
use agentpr::domain::actor::Actor;
use agentpr::domain::id::{RunId, Version};
use agentpr::domain::time::Timestamp;
use agentpr::ports::store::{Append, EventStore};

/// Producers that share each commit.
const PRODUCERS: usize = 32;

/// Events of one append: what an ended attempt usually comes to.
const SLICE: usize = 10;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == name);
        at.map_or(default, |at| arguments[at + 1].parse().unwrap())
    };
    let path = PathBuf::from(arguments.first().expect("make_store PATH --runs N --events M"));
    let (runs, events) = (option("--runs", 10_000), option("--events", 1_000_000));
    let store = SqliteStore::create(&path).unwrap();
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
    println!("{} runs, {} events in `{}`", runs, store.last_seq().unwrap().0, path.display());
}

fn write(store: &SqliteStore, runs: &[usize], length: impl Fn(usize) -> usize) {
    let mut lives: Vec<_> = runs
        .iter()
        .map(|index| {
            let run = RunId::new(format!("run-{index:06}")).unwrap();
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
