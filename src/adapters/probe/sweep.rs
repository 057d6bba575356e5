//! Removing what killed processes left: probe files and half-made stores, by their names and age, and nothing else.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::place::PROBE_PREFIX;
use crate::domain::time::Timestamp;

/// Prefixes of files that are only ever there for a moment.
const PASSING: [&str; 2] = [PROBE_PREFIX, ".agentpr-new-"];

/// Age in milliseconds at which nobody can still be using such a file: an hour.
const OLD: i64 = 3_600_000;

/// Removes plain files of passing names that are old; what cannot be removed is left and not named.
pub(super) fn sweep(directories: &[PathBuf], now: Timestamp) -> Vec<PathBuf> {
    let mut removed = Vec::new();
    for directory in directories {
        let Ok(entries) = fs::read_dir(directory) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let passing = name.to_str().is_some_and(|name| PASSING.iter().any(|p| name.starts_with(p)));
            // Of the entry itself: a link under such a name is not one of ours.
            let is_old = || {
                entry.metadata().is_ok_and(|found| {
                    let age = now.0.saturating_sub(found.mtime().saturating_mul(1000));
                    found.is_file() && age > OLD
                })
            };
            if passing && is_old() && fs::remove_file(entry.path()).is_ok() {
                removed.push(entry.path());
            }
        }
    }
    removed.sort();
    removed.dedup();
    removed
}
