//! Making and opening: what is refused, by name, and who may read the file.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use agentpr::adapters::store::SqliteStore;
use agentpr::adapters::store::sqlite::SCHEMA;
use agentpr::domain::id::{EventSeq, Version};
use agentpr::ports::store::{EventStore, StoreError, Upkeep};

use super::{Place, append, life, live, moment, owner, run};
use crate::harness::skip::skipped;

/// Opens in every way there is and returns what each said.
fn refusals(place: &Place) -> [StoreError; 3] {
    [
        SqliteStore::open(&place.path()).err().unwrap(),
        SqliteStore::open_read_only(&place.path()).err().unwrap(),
        // A missing file is made by this one, so it is tried last.
        SqliteStore::create(&place.path()).err().unwrap(),
    ]
}

fn all_damaged(place: &Place, part: &str) {
    for refusal in refusals(place) {
        let told = refusal.to_string();
        assert!(matches!(refusal, StoreError::Damaged { .. }), "{told}");
        assert!(told.contains(part) && told.contains("agentpr.db"), "{told}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let place = Place::new();
    for refusal in [SqliteStore::open(&place.path()).err(), SqliteStore::open_read_only(&place.path()).err()]
    {
        assert!(matches!(refusal, Some(StoreError::Missing(path)) if path == place.path()));
    }
    assert!(!place.path().exists(), "looking made nothing");
}

#[test]
fn what_is_no_store_is_refused_and_left_as_it_is() {
    let place = Place::new();
    fs::write(place.path(), "").unwrap();
    all_damaged(&place, "empty");
    assert_eq!(fs::read(place.path()).unwrap(), b"");

    let garbage = "not a database\n".repeat(1_000);
    fs::write(place.path(), &garbage).unwrap();
    all_damaged(&place, "not a database");
    assert_eq!(fs::read_to_string(place.path()).unwrap(), garbage);

    fs::remove_file(place.path()).unwrap();
    fs::create_dir(place.path()).unwrap();
    all_damaged(&place, "directory");
}

#[test]
fn another_programs_database_is_refused() {
    let place = Place::new();
    place.raw().execute_batch("CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine');").unwrap();
    all_damaged(&place, "no store of agentpr");
}

#[test]
fn a_newer_schema_is_refused_by_its_number() {
    let place = Place::new();
    drop(place.create());
    place.raw().pragma_update(None, "user_version", SCHEMA + 1).unwrap();
    for refusal in refusals(&place) {
        assert!(
            matches!(refusal, StoreError::Newer { found, known, .. } if found == SCHEMA + 1 && known == SCHEMA)
        );
    }
}

#[test]
fn a_truncated_file_is_refused() {
    let place = Place::new();
    let store = place.create();
    live(&store, "one", 100);
    drop(store);
    let file = fs::OpenOptions::new().write(true).open(place.path()).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    drop(file);
    all_damaged(&place, "malformed");
}

#[test]
fn creating_an_existing_store_changes_nothing() {
    let place = Place::new();
    let store = place.create();
    let one = live(&store, "one", 5);
    let events = store.events_of(&one, Version(0)).unwrap();
    drop(store);
    let before = fs::read(place.path()).unwrap();
    let again = place.create();
    assert_eq!(again.events_of(&one, Version(0)).unwrap(), events);
    drop(again);
    assert_eq!(fs::read(place.path()).unwrap(), before);
}

#[test]
fn only_its_owner_may_read_a_store() {
    let place = Place::new();
    let path = place.directory.path().join("data/deeper/agentpr.db");
    let store = SqliteStore::create(&path).unwrap();
    live(&store, "one", 1);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let directory = path.parent().unwrap();
    assert_eq!(mode(directory), 0o700);
    assert_eq!(mode(directory.parent().unwrap()), 0o700);
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap().path();
        assert_eq!(mode(&entry), 0o600, "{}", entry.display());
    }
}

#[test]
fn of_many_that_create_a_store_at_once_all_get_the_same_one() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for index in 0..8 {
            let place = &place;
            scope.spawn(move || live(&place.create(), &format!("run-{index}"), 2));
        }
    });
    let store = place.create();
    assert_eq!(store.last_seq().unwrap(), EventSeq(16));
    drop(store);
    let left: Vec<_> = fs::read_dir(place.directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "no passing file is left: {left:?}");
}

#[test]
fn a_store_opened_for_reading_refuses_to_write() {
    let place = Place::new();
    let one = live(&place.create(), "one", 3);
    let store = SqliteStore::open_read_only(&place.path()).unwrap();
    assert_eq!(store.events_of(&one, Version(0)).unwrap().len(), 3, "also when no log file is there");
    let refused = store.append(&append(&run("two"), 0, life::life(&run("two"), 1)));
    assert!(matches!(refused, Err(StoreError::Unavailable { action: "written", .. })));
    assert!(store.take_lease(&one, &owner("engine"), &moment(0)).is_err());
    assert!(store.rebuild().is_err());
    assert_eq!(store.verify().unwrap().faults, Vec::<String>::new());
}

#[test]
fn a_store_in_a_directory_that_cannot_be_written_is_read() {
    let place = Place::new();
    let one = live(&place.create(), "one", 3);
    let directory = place.directory.path();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(directory.join("probe"), "").is_ok() {
        skipped("user without root's rights not found");
        return;
    }
    let store = SqliteStore::open_read_only(&place.path()).unwrap();
    assert_eq!(store.events_of(&one, Version(0)).unwrap().len(), 3);
    assert_eq!(store.verify().unwrap().faults, Vec::<String>::new());
    drop(store);
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn sqlite_is_past_the_fault_that_loses_commits() {
    // From 3.7.0 to 3.51.2 a checkpoint beside a write could lose committed transactions.
    assert!(rusqlite::version_number() >= 3_051_003);
}
