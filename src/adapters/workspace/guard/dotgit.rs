//! The workspace's own git directory: read as files, never by git.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use super::picture::{Entry, Kind, RawPath};
use super::rules::{in_git, is_below};
use super::store::Store;
use crate::adapters::process::beneath::{Root, read_up_to};
use crate::adapters::process::tree::{private_dir, remove_tree};
use crate::adapters::workspace::{at, prepare};
use crate::ports::workspace::WorkspaceError;

/// Bytes of a file with refs that are looked at.
const MOST: u64 = 64 * 1024 * 1024;

/// Says whether a path is where refs are kept.
pub(super) fn is_ref(path: &str) -> bool {
    in_git(path).is_some_and(|inner| inner == "refs" || inner == "packed-refs" || is_below(inner, "refs"))
}

/// Every ref with what it says: a loose one wins over a packed one.
pub(super) fn refs(root: &Root, entries: &BTreeMap<RawPath, Entry>) -> BTreeMap<String, String> {
    let mut refs = BTreeMap::new();
    let packed = RawPath(b".git/packed-refs".to_vec());
    if entries.get(&packed).is_some_and(|entry| entry.kind == Kind::File) {
        let text = content(root, &packed);
        for line in String::from_utf8_lossy(&text).lines() {
            if let Some((value, name)) = line.split_once(' ').filter(|_| !line.starts_with(['#', '^'])) {
                refs.insert(name.to_owned(), value.to_owned());
            }
        }
    }
    for (path, entry) in entries.range(RawPath(b".git/refs/".to_vec())..RawPath(b".git/refs0".to_vec())) {
        let value = match entry.kind {
            Kind::Folder => continue,
            Kind::File => content(root, path),
            Kind::Link => [b"-> ".to_vec(), root.target(&path.0).unwrap_or_default()].concat(),
            Kind::Pipe | Kind::Other | Kind::Closed => b"no file".to_vec(),
        };
        let name = path.shown().trim_start_matches(".git/").to_owned();
        refs.insert(name, String::from_utf8_lossy(&value).trim_end().to_owned());
    }
    refs
}

/// What a file says; what cannot be read says nothing, which no ref does.
fn content(root: &Root, path: &RawPath) -> Vec<u8> {
    root.read(&path.0).and_then(|file| read_up_to(file, MOST)).unwrap_or_default().0
}

/// The names of the refs that moved, came or went.
pub(super) fn moved(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let mut names: Vec<String> = before
        .keys()
        .chain(after.keys())
        .filter(|name| before.get(*name) != after.get(*name))
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    names
}

impl Store<'_> {
    /// Makes a git directory in the place of what an agent left of one: the base's history, and nothing else yet.
    ///
    /// Configuration, refs and `HEAD` follow from the picture. In a directory that the engine did not make there is no
    /// history to take it from; then only the folders come back.
    pub(super) fn rebuild_git(&self, root: &Root) -> Result<(), WorkspaceError> {
        let failed = |err: io::Error| at(&self.files.join(".git"), err);
        root.remove(b".git").map_err(failed)?;
        let Some(base) = self.base() else {
            for folder in [&b".git"[..], b".git/objects", b".git/refs"] {
                root.put_folder(folder).map_err(failed)?;
            }
            return Ok(());
        };
        // Beside its place, so that it can be moved there.
        let made = prepare::unfinished(&self.files);
        remove_tree(&made).map_err(failed)?;
        private_dir(&made).map_err(failed)?;
        self.make_git(&made, &base)?;
        fs::rename(made.join(".git"), self.files.join(".git")).map_err(failed)?;
        remove_tree(&made).map_err(failed)?;
        Ok(())
    }
}
