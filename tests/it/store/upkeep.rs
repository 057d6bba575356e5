//! Backup: a whole and verified copy of a store in use, or nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use agentpr::adapters::store::SqliteStore;
use agentpr::domain::id::Version;
use agentpr::ports::store::{EventStore, StoreError, Upkeep};

use super::{Place, live, run};

#[test]
fn a_backup_taken_while_others_append_is_whole() {
    let place = Place::new();
    let store = place.create();
    live(&store, "before", 40);
    let copies: Vec<_> =
        (0..4).map(|index| place.directory.path().join(format!("copy-{index}.db"))).collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || live(store, &format!("run-{thread}"), 40));
        }
        for copy in &copies {
            store.backup(copy).unwrap();
        }
    });
    for copy in &copies {
        assert_eq!(fs::metadata(copy).unwrap().permissions().mode() & 0o777, 0o600);
        let copy = SqliteStore::open(copy).unwrap();
        let report = copy.verify().unwrap();
        assert_eq!(report.faults, Vec::<String>::new());
        assert!(report.events >= 40);
        assert_eq!(copy.events_of(&run("before"), Version(0)).unwrap().len(), 40);
    }
}

#[test]
fn a_backup_overwrites_nothing_and_leaves_no_part_of_a_file() {
    let place = Place::new();
    let store = place.create();
    let to = place.directory.path().join("copy.db");
    fs::write(&to, "precious").unwrap();
    assert!(matches!(store.backup(&to), Err(StoreError::Unavailable { .. })));
    assert_eq!(fs::read_to_string(&to).unwrap(), "precious");
    assert!(store.backup(&place.directory.path().join("no/such/directory/copy.db")).is_err());
    fs::remove_file(&to).unwrap();
    store.backup(&to).unwrap();
    drop(store);
    let mut names: Vec<_> =
        fs::read_dir(place.directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["agentpr.db", "copy.db"]);
}

#[test]
fn a_store_opened_for_reading_can_be_backed_up() {
    let place = Place::new();
    live(&place.create(), "one", 3);
    let to = place.directory.path().join("copy.db");
    SqliteStore::open_read_only(&place.path()).unwrap().backup(&to).unwrap();
    assert_eq!(SqliteStore::open(&to).unwrap().last_seq().unwrap().0, 3);
}
