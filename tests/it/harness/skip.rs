//! Tests that cannot be tried on this machine: they say so where nobody captures it, and are counted at the end of `cargo test`.
//!
//! Every test program of one `cargo test` has the same parent, so the notes lie in a file named after it; `tests/skipped.rs` reads
//! them last.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What was said already, by test and reason.
static SAID: Mutex<BTreeSet<(String, String)>> = Mutex::new(BTreeSet::new());

/// Says that the running test, or a part of it, is skipped, and notes it. `why` is like `bwrap not found`.
#[track_caller]
pub(crate) fn skipped(why: &str) {
    let place = Location::caller();
    let thread = std::thread::current();
    // With one test thread all tests run on the main one; then the place in the source tells them apart.
    let test = match thread.name() {
        Some(name) if name != "main" => name.to_owned(),
        Some(_) | None => format!("{}:{}", place.file(), place.line()),
    };
    // A test may come here once for each of its cases.
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert((test.clone(), why.to_owned())) {
        say(&format!("skipped: {why} ({test})"));
        note(&file_of(parent()), &test, why);
    }
}

/// Says a line on the real standard error: what a test prints in the usual way is captured.
pub(crate) fn say(line: &str) {
    let _said = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Adds a note to a file of notes. One that cannot be written is lost: the message was printed.
pub(crate) fn note(file: &Path, test: &str, why: &str) {
    let line = format!("{test}\t{}\n", why.replace(['\t', '\n'], " "));
    let opened = OpenOptions::new().create(true).append(true).open(file);
    let _written = opened.and_then(|mut file| file.write_all(line.as_bytes()));
}

/// The file with the notes of the test programs that this process started.
pub(crate) fn file_of(process: i32) -> PathBuf {
    folder().join(format!("{PREFIX}{process}.{}", begun(process)))
}

/// The process that started this one.
pub(crate) fn parent() -> i32 {
    rustix::process::getppid().map_or(0, |parent| parent.as_raw_nonzero().get())
}

/// How the names of files with notes begin.
pub(crate) const PREFIX: &str = "skipped-tests.";

/// Where they lie: cargo's folder for such things.
pub(crate) fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let _made = fs::create_dir_all(&folder);
    folder
}

/// When a process began, in the kernel's ticks: process ids come back.
fn begun(process: i32) -> String {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name in brackets may have blanks in it; the time is the 20th word after it.
    let words = stat.rsplit(')').next().unwrap_or_default();
    words.split_whitespace().nth(19).unwrap_or_default().to_owned()
}
