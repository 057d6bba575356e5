//! How near an append comes to a bare INSERT of the same bytes: `cargo bench --bench append`.
//!
//! Both sides use the same table with the same indexes, the same settings and the same disk, in rounds that take turns;
//! the median of the rounds' ratios is what counts. The bare side has its bodies and hashes ready and projects nothing.

#![expect(clippy::unwrap_used, reason = "a measurement may stop where it stands")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::print_stdout, reason = "its output is for the person who started it")]

#[path = "../tests/it/store/life.rs"]
mod life;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use agentpr::adapters::store::SqliteStore;
use agentpr::domain::actor::Actor;
use agentpr::domain::event::Event;
use agentpr::domain::id::{RunId, Version};
use agentpr::domain::state::State;
use agentpr::domain::time::Timestamp;
use agentpr::ports::store::{Append, EventStore};
use rusqlite::{Connection, params};

/// Rounds with many producers; each side writes its whole share in each.
const ROUNDS: usize = 15;

/// Events of one producer in a round.
const EACH: usize = 500;

/// Turns with one producer, so short that whatever else uses the disk meets both sides.
const TURNS: usize = 80;

/// Events in one turn.
const TURN: usize = 50;

struct Row {
    run: String,
    version: i64,
    name: &'static str,
    schema: u32,
    state: &'static str,
    body: String,
}

type Lives = Vec<(RunId, Vec<(Event, State)>)>;

fn main() {
    many(32);
    one();
}

fn many(producers: usize) {
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let lives: Lives = (0..producers).map(|index| life_of(index, EACH)).collect();
        let rows = lives.iter().map(|(run, events)| bare_rows(run, events)).collect();
        // The order changes, so that neither side always meets the disk in the state the other left.
        let (bare, ours) = if round % 2 == 0 {
            let bare = bare(rows);
            (bare, appended(lives))
        } else {
            let ours = appended(lives);
            (bare(rows), ours)
        };
        println!("{producers} producers: bare {bare:>6.0}/s, append {ours:>6.0}/s, ratio {:.3}", ours / bare);
        ratios.push(ours / bare);
    }
    println!("{producers} producers: median ratio {:.3}, target 0.85", median(ratios));
}

fn one() {
    let (run, events) = life_of(0, TURNS * TURN);
    let rows = bare_rows(&run, &events);
    let place = place();
    let db = bare_db(&place);
    let store = SqliteStore::create(&place.path().join("store.db")).unwrap();
    let (mut bare, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for (turn, (rows, events)) in rows.chunks(TURN).zip(events.chunks(TURN)).enumerate() {
        let insert_all = || {
            let begin = Instant::now();
            for row in rows {
                db.prepare_cached("BEGIN IMMEDIATE").unwrap().execute([]).unwrap();
                insert(&db, row);
                db.prepare_cached("COMMIT").unwrap().execute([]).unwrap();
            }
            per_second(rows.len(), begin)
        };
        let append_all = || {
            let appends: Vec<Append> = events
                .iter()
                .enumerate()
                .map(|(at, event)| append(&run, turn * TURN + at, event.clone()))
                .collect();
            let begin = Instant::now();
            for append in &appends {
                store.append(append).unwrap();
            }
            per_second(appends.len(), begin)
        };
        let (inserted, appended) = if turn % 2 == 0 {
            (insert_all(), append_all())
        } else {
            let appended = append_all();
            (insert_all(), appended)
        };
        bare.push(inserted);
        ours.push(appended);
        ratios.push(appended / inserted);
    }
    println!(
        "1 producer: bare {:.0}/s, append {:.0}/s (medians of {TURNS} turns)",
        median(bare),
        median(ours)
    );
    println!("1 producer: median ratio {:.3}, target 0.90", median(ratios));
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn life_of(index: usize, count: usize) -> (RunId, Vec<(Event, State)>) {
    let run = RunId::new(format!("run-{index:06}")).unwrap();
    let events = life::life(&run, count);
    (run, events)
}

fn append(run: &RunId, expected: usize, event: (Event, State)) -> Append {
    Append {
        run: run.clone(),
        expected: Version(u64::try_from(expected).unwrap()),
        fence: None,
        actor: Actor::engine(),
        at: Timestamp(1_700_000_000_000),
        cause: None,
        key: None,
        events: vec![event],
    }
}

fn place() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn per_second(count: usize, begin: Instant) -> f64 {
    f64::from(u32::try_from(count).unwrap()) / begin.elapsed().as_secs_f64()
}

fn bare_rows(run: &RunId, events: &[(Event, State)]) -> Vec<Row> {
    let row = |(index, (event, state)): (usize, &(Event, State))| Row {
        run: run.to_string(),
        version: i64::try_from(index).unwrap() + 1,
        name: event.name(),
        schema: event.schema(),
        state: state.name(),
        body: event.body().unwrap(),
    };
    events.iter().enumerate().map(row).collect()
}

fn bare_db(place: &tempfile::TempDir) -> Connection {
    let db = Connection::open(place.path().join("bare.db")).unwrap();
    let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON;
                    PRAGMA wal_autocheckpoint = 4000;";
    db.execute_batch(settings).unwrap();
    db.execute_batch(include_str!("../src/adapters/store/sqlite/migrations/0001_events.sql")).unwrap();
    db
}

fn bare(lives: Vec<Vec<Row>>) -> f64 {
    let place = place();
    let db = bare_db(&place);
    let count = lives.iter().map(Vec::len).sum();
    let begin = Instant::now();
    let (ask, asked) = channel();
    std::thread::scope(|scope| {
        scope.spawn(move || write_groups(&db, &asked));
        for rows in lives {
            let ask = ask.clone();
            scope.spawn(move || {
                let (done, wait) = channel();
                for row in rows {
                    ask.send((row, done.clone())).unwrap();
                    wait.recv().unwrap();
                }
            });
        }
        drop(ask);
    });
    per_second(count, begin)
}

fn write_groups(db: &Connection, asked: &Receiver<(Row, Sender<()>)>) {
    while let Ok(first) = asked.recv() {
        let group: Vec<_> = std::iter::once(first).chain(asked.try_iter().take(255)).collect();
        db.prepare_cached("BEGIN IMMEDIATE").unwrap().execute([]).unwrap();
        for (row, _) in &group {
            insert(db, row);
        }
        db.prepare_cached("COMMIT").unwrap().execute([]).unwrap();
        for (_, done) in group {
            done.send(()).unwrap();
        }
    }
}

fn insert(db: &Connection, row: &Row) {
    let sql = "INSERT INTO events (run_id, version, name, schema, at, actor, cause, key, state, body, prev_hash, hash)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, NULL, ?7, ?8, ?9, ?10)";
    let Row { run, version, name, schema, state, body } = row;
    let (at, hash) = (1_700_000_000_000_i64, [7_u8; 32]);
    let values = params![run, version, name, schema, at, "engine:engine", state, body, hash, hash];
    db.prepare_cached(sql).unwrap().execute(values).unwrap();
}

fn appended(lives: Lives) -> f64 {
    let place = place();
    let store = SqliteStore::create(&place.path().join("store.db")).unwrap();
    let count = lives.iter().map(|(_, events)| events.len()).sum();
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for (run, events) in lives {
            let store = &store;
            scope.spawn(move || {
                for (index, event) in events.into_iter().enumerate() {
                    store.append(&append(&run, index, event)).unwrap();
                }
            });
        }
    });
    per_second(count, begin)
}
