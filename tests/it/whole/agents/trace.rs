//! What a run leaves behind outside its own place: processes, and files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How the names begin that the known agents, and their sandboxes, use in `/tmp` whatever `TMPDIR` says.
const STRAYS: [&str; 6] = ["codex-", ".codex", "claude-", "opencode", "aider", "bwrap-"];

/// Processes in whose environment `entry` stands, with their command lines; zombies have none and are left out.
pub(super) fn processes_of(entry: &str) -> Vec<(i32, Vec<String>)> {
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = process.file_name().to_string_lossy().parse::<i32>() else { continue };
        let read = |name: &str| fs::read(process.path().join(name)).unwrap_or_default();
        let words = |bytes: Vec<u8>| -> Vec<String> {
            let parts = bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty());
            parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
        };
        if words(read("environ")).iter().any(|own| own == entry) {
            found.push((pid, words(read("cmdline"))));
        }
    }
    found.sort();
    found
}

/// Everything below some folders, and what agents are known to put into `/tmp`: equal pictures mean that nothing was touched.
pub(super) fn picture(folders: &[PathBuf]) -> BTreeMap<PathBuf, String> {
    let mut picture = BTreeMap::new();
    for folder in folders {
        look(folder, &mut picture);
    }
    for entry in fs::read_dir("/tmp").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if STRAYS.iter().any(|stray| name.starts_with(stray)) {
            look(&entry.path(), &mut picture);
        }
    }
    picture
}

fn look(path: &Path, picture: &mut BTreeMap<PathBuf, String>) {
    let Ok(facts) = fs::symlink_metadata(path) else { return };
    let changed = format!("{}.{:09}", facts.mtime(), facts.mtime_nsec());
    picture.insert(path.to_owned(), format!("{:o} {} {changed}", facts.mode(), facts.len()));
    if facts.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            look(&entry.path(), picture);
        }
    }
}

/// Says what differs between two pictures.
#[track_caller]
pub(super) fn same(before: &BTreeMap<PathBuf, String>, after: &BTreeMap<PathBuf, String>) {
    let differs = |one: &BTreeMap<PathBuf, String>, other: &BTreeMap<PathBuf, String>| -> Vec<String> {
        let changed = one.iter().filter(|(path, facts)| other.get(*path) != Some(*facts));
        changed.map(|(path, facts)| format!("{} {facts}", path.display())).collect()
    };
    assert_eq!(
        before,
        after,
        "gone or changed: {:#?}\nnew or changed: {:#?}",
        differs(before, after),
        differs(after, before)
    );
}
