//! The rows of a change: which paths differ, in which mode, with which object, and how large they are.

use std::collections::{BTreeMap, BTreeSet};

use super::{Subject, finding};
use crate::adapters::git::program::GitCall;
use crate::domain::policy::{Finding, Policy, Severity};
use crate::ports::workspace::WorkspaceError;

/// Modes of a tree's entries, as git writes them.
pub(super) const LINK: &str = "120000";
pub(super) const SUBMODULE: &str = "160000";
pub(super) const EXECUTABLE: &str = "100755";
const NOTHING: &str = "000000";

/// One path that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) old_mode: String,
    pub(super) new_mode: String,
    pub(super) old_id: String,
    pub(super) new_id: String,
    pub(super) path: String,
}

impl Entry {
    /// Whether the path is there after the change.
    pub(super) fn is_there(&self) -> bool {
        self.new_mode != NOTHING
    }

    /// Whether it is a file with content of its own.
    pub(super) fn is_file(&self) -> bool {
        self.new_mode.starts_with("100")
    }

    /// Whether it was a file before.
    pub(super) fn was_file(&self) -> bool {
        self.old_mode.starts_with("100")
    }
}

/// What git counts.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub(super) added: u64,
    pub(super) binary: BTreeSet<String>,
}

impl<'a> Subject<'a> {
    /// Begins a command on the control repository.
    pub(super) fn git(&self) -> GitCall<'a> {
        self.control.git().on(&self.control.path(self.repo))
    }

    /// Runs a comparison of the two commits.
    pub(super) fn compare<const N: usize>(&self, args: [&str; N]) -> Result<Vec<u8>, WorkspaceError> {
        let call = self.git().run(["diff-tree", "-r", "-z", "--no-renames", "--no-ext-diff"]).run(args);
        let output = call.arg(self.base.as_str()).arg(self.head.as_str()).output()?;
        if output.truncated {
            return Err(WorkspaceError::Failed(
                "the change touches more files than can be looked at".to_owned(),
            ));
        }
        Ok(output.stdout)
    }
}

/// The rows of `diff-tree --raw -z`: `:old new old-id new-id status NUL path NUL`.
pub(super) fn changed(subject: &Subject<'_>) -> Result<Vec<Entry>, WorkspaceError> {
    let raw = subject.compare(["--raw", "--no-abbrev"])?;
    let mut fields = raw.split(|byte| *byte == 0);
    let mut entries = Vec::new();
    while let (Some(row), Some(path)) = (fields.next(), fields.next()) {
        let row = String::from_utf8_lossy(row);
        let words: Vec<&str> = row.trim_start_matches(':').split(' ').collect();
        let [old_mode, new_mode, old_id, new_id, _status] = words.as_slice() else { continue };
        entries.push(Entry {
            old_mode: (*old_mode).to_owned(),
            new_mode: (*new_mode).to_owned(),
            old_id: (*old_id).to_owned(),
            new_id: (*new_id).to_owned(),
            path: String::from_utf8_lossy(path).into_owned(),
        });
    }
    Ok(entries)
}

/// Added lines of all text files, and the files that are none.
pub(super) fn numbers(subject: &Subject<'_>) -> Result<Numbers, WorkspaceError> {
    let rows = subject.compare(["--numstat"])?;
    let mut numbers = Numbers::default();
    for row in rows.split(|byte| *byte == 0) {
        let row = String::from_utf8_lossy(row);
        let mut fields = row.splitn(3, '\t');
        let (Some(added), Some(_removed), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        match added.parse::<u64>() {
            Ok(count) => numbers.added = numbers.added.saturating_add(count),
            Err(_) => {
                numbers.binary.insert(path.to_owned());
            }
        }
    }
    Ok(numbers)
}

/// Sizes of objects, by id; one that is not there has none.
pub(super) fn sizes<'e>(
    subject: &Subject<'_>,
    ids: impl Iterator<Item = &'e str>,
) -> Result<BTreeMap<String, u64>, WorkspaceError> {
    let asked: BTreeSet<&str> = ids.collect();
    if asked.is_empty() {
        return Ok(BTreeMap::new());
    }
    let list: String = asked.iter().flat_map(|id| [*id, "\n"]).collect();
    let call = subject.git().run(["cat-file", "--batch-check=%(objectname) %(objectsize)"]);
    let answer = call.stdin(list.into_bytes()).output()?.stdout;
    let text = String::from_utf8_lossy(&answer);
    let rows = text.lines().filter_map(|row| row.split_once(' '));
    Ok(rows.filter_map(|(id, size)| Some((id.to_owned(), size.parse().ok()?))).collect())
}

/// The content of a blob, if it has at most `limit` bytes.
pub(super) fn blob(subject: &Subject<'_>, id: &str, limit: usize) -> Result<Option<Vec<u8>>, WorkspaceError> {
    let output = subject.git().cap(limit).run(["cat-file", "blob"]).arg(id).output()?;
    Ok((!output.truncated).then_some(output.stdout))
}

/// Files over the policy's size.
pub(super) fn big(
    subject: &Subject<'_>,
    entries: &[Entry],
    policy: &Policy,
) -> Result<Vec<Finding>, WorkspaceError> {
    if policy.max_file_bytes == 0 {
        return Ok(Vec::new());
    }
    let files = || entries.iter().filter(|entry| entry.is_file());
    let sizes = sizes(subject, files().map(|entry| entry.new_id.as_str()))?;
    let over = |entry: &&Entry| sizes.get(&entry.new_id).is_none_or(|size| *size > policy.max_file_bytes);
    let words = |entry: &Entry| {
        let size = sizes.get(&entry.new_id).map_or("an unknown number of".to_owned(), u64::to_string);
        format!("the file has {size} bytes, the policy allows {}", policy.max_file_bytes)
    };
    Ok(files()
        .filter(over)
        .map(|entry| finding("big_file", Severity::Blocking, &entry.path, words(entry)))
        .collect())
}
