//! What a thread used, by codex's own file of it: the only place that tells when a start ended without its closing event.
//!
//! The file lies where the agent's commands can write, so nothing here follows a link, waits for a pipe or believes a size; the
//! numbers are the agent's word as all its usage is.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::Path;

use serde_json::Value;

use super::protocol::tokens;
use crate::adapters::process::beneath::{Root, names};
use crate::domain::agent::usage::Tokens;

/// Bytes at the end of the file that are looked at: each request writes its count, between outputs of a few KiB.
const TAIL: u64 = 4 * 1024 * 1024;

/// Names of one folder that are looked at. A year has twelve months and a month its days, unless the agent made more.
const MOST_NAMES: usize = 400;

/// The total of a thread so far, by the newest count in its file below `home`; `None` when there is none.
///
/// Blocks for some milliseconds.
pub fn usage(home: &Path, thread: &str) -> Option<Tokens> {
    let root = Root::open(home).ok()?;
    let path = find(&root, format!("-{thread}.jsonl").as_bytes())?;
    let tail = tail(root.read(&path).ok()?)?;
    tail.split(|byte| *byte == b'\n').rev().find_map(count)
}

/// The file in `sessions/YEAR/MONTH/DAY/` whose name ends so; newest days first.
fn find(root: &Root, ending: &[u8]) -> Option<Vec<u8>> {
    let mut folders = vec![b"sessions".to_vec()];
    for _ in ["year", "month", "day"] {
        folders = folders.iter().flat_map(|folder| children(root, folder)).take(MOST_NAMES).collect();
    }
    folders.iter().flat_map(|folder| children(root, folder)).find(|path| path.ends_with(ending))
}

fn children(root: &Root, folder: &[u8]) -> Vec<Vec<u8>> {
    let found = root.folder(folder).and_then(|open| names(open.as_fd()));
    let mut found = found.unwrap_or_default();
    found.sort_unstable_by(|one, other| other.cmp(one));
    found.into_iter().map(|name| [folder, b"/", name.as_slice()].concat()).collect()
}

fn tail(mut file: File) -> Option<Vec<u8>> {
    let size = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL))).ok()?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The total in a `token_count` line.
fn count(line: &[u8]) -> Option<Tokens> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let payload = value
        .get("payload")
        .filter(|payload| payload.get("type").and_then(Value::as_str) == Some("token_count"))?;
    tokens(payload.get("info")?.get("total_token_usage")?)
}
