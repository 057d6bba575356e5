//! What was done to the file behind the store's back is refused, found or made good again.

use agentpr::ports::store::{EventStore, StoreError, Upkeep};

use super::{Place, append, life, live, run};

fn faults_after(sql: &str) -> Vec<String> {
    let place = Place::new();
    let store = place.create();
    for name in ["one", "two", "three"] {
        live(&store, name, 12);
    }
    assert_eq!(store.verify().unwrap().faults, Vec::<String>::new());
    place.vandalise(sql);
    store.verify().unwrap().faults
}

fn finds(sql: &str, parts: &[&str]) {
    let faults = faults_after(sql);
    for part in parts {
        assert!(faults.iter().any(|fault| fault.contains(part)), "`{part}` is not in {faults:#?}");
    }
}

#[test]
fn events_are_neither_changed_nor_deleted() {
    let place = Place::new();
    live(&place.create(), "one", 3);
    for sql in ["UPDATE events SET body = '{}' WHERE seq = 1", "DELETE FROM events WHERE seq = 3"] {
        let refused = place.raw().execute(sql, []).unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
}

#[test]
fn an_edited_event_is_found() {
    finds(
        "UPDATE events SET body = replace(body, 'half to even', 'half up') WHERE seq = 13",
        &["event 13 (run `two`, version 1): its hash does not fit"],
    );
    finds("UPDATE events SET at = at + 1 WHERE seq = 14", &["event 14"]);
    finds("UPDATE events SET state = 'DONE' WHERE seq = 14", &["event 14", "it says DONE"]);
    finds("UPDATE events SET key = 'k' WHERE seq = 14", &["event 14"]);
}

#[test]
fn an_edit_with_a_new_hash_breaks_the_chain() {
    finds(
        "UPDATE events SET hash = zeroblob(32) WHERE seq = 14",
        &[
            "event 14 (run `two`, version 2): its hash",
            "event 15 (run `two`, version 3): the chain is broken",
        ],
    );
}

#[test]
fn a_deleted_event_is_found_wherever_it_was() {
    finds("DELETE FROM events WHERE seq = 16", &["event 17 (run `two`, version 5): it follows version 3"]);
    finds(
        "DELETE FROM events WHERE seq = 24",
        &["runs `two`: not what the events say", "events 24 to 24: missing"],
    );
    finds("DELETE FROM events WHERE seq = 36", &["runs `three`: not what the events say"]);
    finds(
        "DELETE FROM events WHERE run_id = 'two'",
        &["runs `two`: there is no event", "events 13 to 24: missing"],
    );
}

#[test]
fn an_event_that_cannot_follow_is_found() {
    finds(
        "UPDATE events SET name = 'command.resume', body = '{\"target_state\":\"DONE\"}' WHERE seq = 5",
        &["cannot follow"],
    );
    finds("UPDATE events SET name = 'no.such.event' WHERE seq = 5", &["does not know that name"]);
}

#[test]
fn a_changed_row_is_found_and_made_again() {
    let changes = [
        ("UPDATE runs SET state = 'DONE' WHERE run_id = 'one'", "runs `one`"),
        ("UPDATE runs SET head_hash = zeroblob(32) WHERE run_id = 'one'", "runs `one`"),
        ("UPDATE runs SET state = 'NO_STATE' WHERE run_id = 'one'", "runs `one`"),
        ("DELETE FROM runs WHERE run_id = 'one'", "runs `one`"),
        ("DELETE FROM attempts WHERE run_id = 'one' AND no = 2", "attempts"),
        ("INSERT INTO artifacts VALUES ('none', 1, 'x', 'y', NULL, 0)", "artifacts `none"),
    ];
    for (sql, part) in changes {
        let place = Place::new();
        let store = place.create();
        let one = live(&store, "one", 12);
        let row = store.run_row(&one).unwrap();
        place.vandalise(sql);
        let faults = store.verify().unwrap().faults;
        assert!(faults.iter().any(|fault| fault.contains(part)), "{sql}: {faults:?}");
        let report = store.rebuild().unwrap();
        assert_eq!(report.differences.len(), 1, "{sql}: {report:?}");
        assert!(report.differences[0].contains(part), "{sql}: {report:?}");
        assert_eq!(store.run_row(&one).unwrap(), row);
        assert_eq!(store.verify().unwrap().faults, Vec::<String>::new(), "{sql}");
        assert_eq!(store.rebuild().unwrap().differences, Vec::<String>::new());
    }
}

#[test]
fn nothing_is_appended_behind_a_row_that_lies() {
    for sql in [
        "UPDATE runs SET version = 11, last_seq = 11 WHERE run_id = 'one'",
        "UPDATE runs SET version = 12, head_hash = zeroblob(32) WHERE run_id = 'one'",
        "UPDATE runs SET version = 13 WHERE run_id = 'one'",
        "DELETE FROM runs WHERE run_id = 'one'",
    ] {
        let place = Place::new();
        let store = place.create();
        let one = live(&store, "one", 12);
        place.vandalise(sql);
        for expected in [0, 11, 12, 13] {
            let refused = store.append(&append(&one, expected, life::life(&one, 1)));
            assert!(
                matches!(refused, Err(StoreError::Damaged { .. } | StoreError::Conflict { .. })),
                "{sql}"
            );
        }
        assert_eq!(store.last_seq().unwrap().0, 12);
    }
}

#[test]
fn a_rebuild_of_a_log_that_makes_no_sense_leaves_the_rows_as_they_were() {
    let place = Place::new();
    let store = place.create();
    let one = live(&store, "one", 12);
    let row = store.run_row(&one).unwrap();
    place.vandalise("UPDATE events SET body = 'no json' WHERE seq = 9");
    assert!(matches!(store.rebuild(), Err(StoreError::Damaged { why, .. }) if why.contains("event 9")));
    assert_eq!(store.run_row(&one).unwrap(), row);
    assert_eq!(store.attempts_of(&one).unwrap().len(), 3);
    live(&store, "two", 2);
    assert!(store.run_row(&run("two")).unwrap().is_some());
}
