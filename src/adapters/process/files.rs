//! One look at the files of a program: how many bytes they take, and whether one of them changed since the last look.
//!
//! Links are not followed. What is found is compared with an earlier look only, never with a clock: times of files are whatever
//! somebody made them.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files that are counted at most; a tree with more is over every limit on bytes that makes sense.
const MOST_FILES: u64 = 5_000_000;

/// Files that are looked at when only a change is of interest. Folders are entered one level after the other, so what is nearest to
/// the top is always among them; about 50 ms of the processor.
const MOST_FOR_CHANGE: u64 = 20_000;

/// Where files are looked at.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// The folder a program works on; a change in it is a sign of life.
    pub(super) workspace: PathBuf,
    /// The folder for everything else of its own, whose bytes count but not its changes: agents write logs there while they hang.
    pub(super) runtime: PathBuf,
}

/// What the files of a workspace look like; two looks that differ are a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Trace {
    newest: (i64, i64),
    files: u64,
    bytes: u64,
}

impl Places {
    /// Bytes that the files in both folders take on the disk; stops counting beyond `enough`.
    pub(super) fn bytes(&self, enough: u64) -> u64 {
        let mut count = Count { bytes: 0, files: 0, enough, most: MOST_FILES, trace: Trace::default() };
        let mut linked = BTreeSet::new();
        if !self.runtime.starts_with(&self.workspace) {
            count.folder(&self.workspace, None, &mut linked);
        }
        count.folder(&self.runtime, None, &mut linked);
        if count.files > MOST_FILES { u64::MAX } else { count.bytes }
    }

    /// Looks at the upper part of the workspace for changes only.
    pub(super) fn trace(&self) -> Trace {
        let most = MOST_FOR_CHANGE;
        let mut count = Count { bytes: 0, files: 0, enough: u64::MAX, most, trace: Trace::default() };
        count.folder(&self.workspace, Some(&self.runtime), &mut BTreeSet::new());
        count.trace
    }
}

struct Count {
    bytes: u64,
    files: u64,
    enough: u64,
    most: u64,
    trace: Trace,
}

impl Count {
    fn folder(&mut self, folder: &Path, left_out: Option<&Path>, linked: &mut BTreeSet<(u64, u64)>) {
        let mut waiting = VecDeque::from([folder.to_owned()]);
        while let Some(folder) = waiting.pop_front() {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for entry in entries.flatten() {
                let Ok(found) = entry.metadata() else { continue };
                if found.is_dir() {
                    let path = entry.path();
                    if left_out == Some(path.as_path()) {
                        continue;
                    }
                    waiting.push_back(path);
                } else if found.nlink() > 1 && !linked.insert((found.dev(), found.ino())) {
                    continue;
                }
                // The unit of st_blocks is 512 bytes (stat(2)).
                self.bytes = self.bytes.saturating_add(found.blocks().saturating_mul(512));
                self.files += 1;
                self.trace.newest = self.trace.newest.max((found.mtime(), found.mtime_nsec()));
                self.trace.files += 1;
                self.trace.bytes = self.trace.bytes.wrapping_add(found.size());
                if self.bytes > self.enough || self.files > self.most {
                    return;
                }
            }
        }
    }
}
