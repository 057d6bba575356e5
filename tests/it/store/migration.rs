//! Migrations meet stores that hold something: sample rows stand for what each schema left behind.

use agentpr::adapters::store::SqliteStore;
use agentpr::adapters::store::sqlite::SCHEMA;
use agentpr::domain::agent::usage::Usage;
use agentpr::domain::forge::delivery::{DeliveryOrigin, DeliveryStatus};
use agentpr::domain::id::{EventSeq, Version};
use agentpr::domain::state::State;
use agentpr::ports::inbox::{DeliveryQuery, Inbox};
use agentpr::ports::ledger::{Ledger, UsageQuery};
use agentpr::ports::store::{EventStore, RunQuery, StoreError, Upkeep};

use super::{Place, append, life, moment, owner, run};

/// Every migration with the rows that a store of its schema holds; one line for each number.
const STEPS: &[(&str, &str)] = &[
    (
        include_str!("../../../src/adapters/store/sqlite/migrations/0001_events.sql"),
        include_str!("../data/migrations/0001.sql"),
    ),
    (
        include_str!("../../../src/adapters/store/sqlite/migrations/0002_projections.sql"),
        include_str!("../data/migrations/0002.sql"),
    ),
    (
        include_str!("../../../src/adapters/store/sqlite/migrations/0003_ledger.sql"),
        include_str!("../data/migrations/0003.sql"),
    ),
    (
        include_str!("../../../src/adapters/store/sqlite/migrations/0004_inbox.sql"),
        include_str!("../data/migrations/0004.sql"),
    ),
];

/// A store as the program of `schema` left it.
fn store_of(schema: usize) -> Place {
    let place = Place::new();
    let raw = place.raw();
    for (migration, rows) in &STEPS[..schema] {
        raw.execute_batch(migration).unwrap();
        raw.execute_batch(rows).unwrap();
    }
    raw.pragma_update(None, "user_version", u32::try_from(schema).unwrap()).unwrap();
    drop(raw);
    place
}

#[test]
fn a_store_of_every_schema_is_brought_up_to_date() {
    assert_eq!(STEPS.len(), usize::try_from(SCHEMA).unwrap(), "each migration has its sample rows");
    for schema in 1..=STEPS.len() {
        let place = store_of(schema);
        let store = SqliteStore::open(&place.path()).unwrap();
        let report = store.verify().unwrap();
        assert_eq!((report.runs, report.events, report.faults), (2, 15, vec![]), "schema {schema}");
        assert_eq!(store.rebuild().unwrap().differences, Vec::<String>::new());
        let names: Vec<_> =
            store.run_rows(&RunQuery::default()).unwrap().into_iter().map(|row| row.run).collect();
        assert_eq!(names, [run("older"), run("newer")]);
        let row = store.run_row(&run("older")).unwrap().unwrap();
        assert_eq!((row.state, row.version, row.last_seq), (State::Implementing, Version(12), EventSeq(15)));
        assert_eq!(store.attempts_of(&run("older")).unwrap().len(), 3);
        let used: Vec<_> = store
            .usage_rows(&UsageQuery::default(), 9)
            .unwrap()
            .into_iter()
            .map(|row| (row.seq.0, row.repository, row.duration_ms, row.usage))
            .collect();
        let nothing = Some(Usage::default());
        assert_eq!(
            used,
            [(13, "acme/widget".to_owned(), 81_230, nothing), (9, "acme/widget".to_owned(), 81_230, nothing)]
        );

        let events = life::life(&run("older"), 13).split_off(12);
        store.append(&append(&run("older"), 12, events)).unwrap();
        let version: u32 = place.raw().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, SCHEMA);
    }
}

#[test]
fn a_lease_of_an_earlier_program_keeps_its_generation() {
    let place = store_of(2);
    let store = SqliteStore::open(&place.path()).unwrap();
    assert_eq!(store.take_lease(&run("older"), &owner("engine"), &moment(0)).unwrap().generation, 8);
}

#[test]
fn deliveries_of_an_earlier_program_are_read() {
    let place = store_of(4);
    let store = SqliteStore::open(&place.path()).unwrap();
    let rows = store.deliveries(&DeliveryQuery::default()).unwrap();
    let statuses: Vec<_> = rows.iter().map(|row| (row.status, row.origin, row.hook)).collect();
    let expected = [
        (DeliveryStatus::Processed, DeliveryOrigin::Reconciled, None),
        (DeliveryStatus::Waiting, DeliveryOrigin::Webhook, Some(77)),
    ];
    assert_eq!(statuses, expected);
    assert_eq!(rows[0].runs, [run("older")]);
    assert_eq!(store.body("github", &rows[1].id).unwrap(), Some(b"{}".to_vec()));
    let waiting_for = Some(rows[1].addresses[0].clone());
    let waiting = DeliveryQuery { waiting_for, ..DeliveryQuery::default() };
    assert_eq!(store.deliveries(&waiting).unwrap(), rows[1..]);
    assert_eq!(store.hooks().unwrap()[0].events, ["*"]);
    assert_eq!(store.incidents(9).unwrap()[0].delivery, rows[1].id);
}

#[test]
fn an_older_schema_is_not_read_before_it_is_brought_up_to_date() {
    let place = store_of(1);
    let refused = SqliteStore::open_read_only(&place.path()).err().unwrap();
    assert!(matches!(&refused, StoreError::Unavailable { why, .. } if why.contains("schema 1")), "{refused}");
    drop(SqliteStore::open(&place.path()).unwrap());
    SqliteStore::open_read_only(&place.path()).unwrap();
}

#[test]
fn a_migration_that_fails_leaves_the_store_at_its_old_schema() {
    let place = store_of(1);
    place.vandalise("UPDATE events SET body = 'no json' WHERE seq = 9");
    assert!(matches!(SqliteStore::open(&place.path()), Err(StoreError::Damaged { .. })));
    let raw = place.raw();
    let version: u32 = raw.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 1);
    let tables: u32 = raw
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'runs'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 0);
}

#[test]
fn two_programs_may_migrate_at_once() {
    let place = store_of(1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| SqliteStore::open(&place.path()).unwrap().last_seq().unwrap());
        }
    });
    assert_eq!(SqliteStore::open(&place.path()).unwrap().verify().unwrap().faults, Vec::<String>::new());
}
