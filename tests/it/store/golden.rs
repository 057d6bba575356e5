//! Every event that was ever written can be read for ever: one file for each, with a field that a later program added.
//!
//! The files are never edited. A new shape of an event gets a new schema number and a file of its own beside the old one; one that
//! only gained fields gets a file with them, `NAME+WHAT.json`, and the old file shows that the fields may be missing.

use std::path::PathBuf;

use agentpr::domain::event::Event;
use serde_json::Value;

/// What a later program might have added; this one passes over it.
const ADDED: &str = "added_by_a_later_program";

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/events/v1")
}

#[test]
fn every_event_of_schema_1_is_read() {
    let mut read = Vec::new();
    for entry in std::fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut stored: Value = serde_json::from_str(&text).unwrap();
        assert!(stored.as_object_mut().unwrap().remove(ADDED).is_some(), "{name} has no unknown field");
        let name = name.split('+').next().unwrap().to_owned();
        let event = Event::read(&name, 1, &text).unwrap();
        let again: Value = serde_json::from_str(&event.body().unwrap()).unwrap();
        assert!(holds(&again, &stored), "{name}: {stored}\nwas read as\n{again}");
        read.push(name);
    }
    read.sort();
    read.dedup();
    let mut known: Vec<_> = Event::NAMES.iter().map(|(name, _)| (*name).to_owned()).collect();
    known.sort();
    assert_eq!(read, known, "one file for each event");
}

/// Says whether nothing of `stored` was lost; `read` may have more, from defaults that came later.
fn holds(read: &Value, stored: &Value) -> bool {
    match (read, stored) {
        (Value::Object(read), Value::Object(stored)) => {
            stored.iter().all(|(name, value)| read.get(name).is_some_and(|found| holds(found, value)))
        }
        (Value::Array(read), Value::Array(stored)) => {
            read.len() == stored.len() && read.iter().zip(stored).all(|(read, stored)| holds(read, stored))
        }
        _ => read == stored,
    }
}
