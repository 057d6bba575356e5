//! The last test of `cargo test`: says how many tests were skipped, and why.
//!
//! Its target is called `zz_skipped` because cargo runs the targets in the order of their names.

#[expect(dead_code, reason = "the tests that skip themselves use the rest of it")]
#[path = "it/harness/skip.rs"]
mod skip;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;

/// The line that is printed, from a file of notes. A test that was skipped for one reason twice counts once.
fn summary(notes: &str) -> String {
    let notes: BTreeSet<(&str, &str)> = notes.lines().filter_map(|line| line.split_once('\t')).collect();
    let tests: BTreeSet<&str> = notes.iter().map(|(test, _)| *test).collect();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, why) in &notes {
        *reasons.entry(why).or_default() += 1;
    }
    if tests.is_empty() {
        return "skipped: none".to_owned();
    }
    let reasons: Vec<String> = reasons.iter().map(|(why, count)| format!("{why}: {count}")).collect();
    let word = if tests.len() == 1 { "test" } else { "tests" };
    format!("skipped: {} {word} ({})", tests.len(), reasons.join(", "))
}

#[test]
fn the_skipped_tests_are_counted() {
    let own = skip::file_of(skip::parent());
    let line = summary(&fs::read_to_string(&own).unwrap_or_default());
    std::io::stderr().write_all(format!("\n{line}\n").as_bytes()).unwrap();
    // Notes of this `cargo test`, and those of others that were broken off.
    for entry in fs::read_dir(skip::folder()).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let Some(process) = name.strip_prefix(skip::PREFIX).and_then(|rest| rest.split('.').next()) else {
            continue;
        };
        let Ok(process) = process.parse() else { continue };
        if entry.path() == own || entry.path() != skip::file_of(process) {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    assert!(!own.exists());
}

#[test]
fn a_note_counts_once_for_each_test_and_reason() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("notes");
    for (test, why) in [
        ("a", "codex not found"),
        ("b", "codex not found"),
        ("a", "codex not found"),
        ("a", "bwrap not found"),
    ] {
        skip::note(&file, test, why);
    }
    let told = summary(&fs::read_to_string(&file).unwrap());
    assert_eq!(told, "skipped: 2 tests (bwrap not found: 1, codex not found: 2)");
    assert_eq!(summary(""), "skipped: none");
    assert_eq!(summary("a\tx not found\n"), "skipped: 1 test (x not found: 1)");
}

#[test]
fn a_skip_is_noted_for_the_process_that_started_the_tests() {
    assert!(skip::parent() > 0);
    let other = skip::file_of(1);
    assert!(other.starts_with(skip::folder()) && other != skip::file_of(skip::parent()));
}
