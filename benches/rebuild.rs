//! How fast the projections are made again, the log is verified and a store is opened, small and large:
//! `cargo bench --bench rebuild -- SMALL LARGE`, where both are stores written by the example `make_store`.

#![expect(clippy::unwrap_used, reason = "a measurement may stop where it stands")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::print_stdout, reason = "its output is for the person who started it")]

use std::path::Path;
use std::time::Instant;

use agentpr::adapters::store::SqliteStore;
use agentpr::domain::id::RunId;
use agentpr::ports::store::{EventStore, RunQuery, Upkeep};

/// Openings of which the median counts.
const OPENINGS: usize = 21;

fn main() {
    let stores: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    assert!(!stores.is_empty(), "name the stores to measure; `make_store` writes them");
    for store in &stores {
        measure(Path::new(store));
    }
}

fn measure(path: &Path) {
    println!("{}", path.display());
    let opened = median(|| drop(SqliteStore::open(path).unwrap()));
    let opened_to_read = median(|| drop(SqliteStore::open_read_only(path).unwrap()));
    println!("  open {opened:.2} ms, open to read {opened_to_read:.2} ms");

    let store = SqliteStore::open(path).unwrap();
    let newest = RunQuery { states: Vec::new(), limit: Some(20) };
    let run = store.run_rows(&newest).unwrap()[0].run.clone();
    let listed = median(|| drop(store.run_rows(&newest).unwrap()));
    let shown = median(|| show(&store, &run));
    println!("  newest 20 runs {listed:.2} ms, one run with its events and attempts {shown:.2} ms");

    let begin = Instant::now();
    let report = store.rebuild().unwrap();
    let seconds = begin.elapsed().as_secs_f64();
    assert!(report.differences.is_empty(), "{:?}", report.differences);
    let events = f64::from(u32::try_from(report.events).unwrap());
    println!(
        "  rebuild of {} runs, {events} events: {seconds:.2} s, {:.0} events/s",
        report.runs,
        events / seconds
    );

    let begin = Instant::now();
    let report = store.verify().unwrap();
    let seconds = begin.elapsed().as_secs_f64();
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    println!("  verify: {seconds:.2} s, {:.0} events/s", events / seconds);
}

fn show(store: &SqliteStore, run: &RunId) {
    store.run_row(run).unwrap();
    store.attempts_of(run).unwrap();
    store.events_of(run, agentpr::domain::id::Version(0)).unwrap();
}

fn median(work: impl Fn()) -> f64 {
    let mut millis: Vec<f64> = (0..OPENINGS)
        .map(|_| {
            let begin = Instant::now();
            work();
            begin.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    millis.sort_by(f64::total_cmp);
    millis[OPENINGS / 2]
}
