//! Putting paths back as the picture has them, one by one.
//!
//! What cannot be put back does not stop the rest; it is named at the end.

use std::collections::BTreeSet;
use std::io;

use super::compare::Fix;
use super::picture::{Entry, Kind, Picture, RawPath};
use super::store::Store;
use crate::adapters::process::beneath::{Root, split};
use crate::domain::guard::{Breach, Violation};
use crate::ports::workspace::WorkspaceError;

/// One restoration.
pub(super) struct Restoration<'a> {
    pub(super) store: &'a Store<'a>,
    pub(super) picture: &'a Picture,
    pub(super) root: &'a Root,
    failed: Option<WorkspaceError>,
    /// What stood in the way of a folder and was removed.
    moved: Vec<RawPath>,
}

impl<'a> Restoration<'a> {
    pub(super) fn new(store: &'a Store<'a>, picture: &'a Picture, root: &'a Root) -> Self {
        Self { store, picture, root, failed: None, moved: Vec::new() }
    }

    /// Does all of it; gives what had to be removed besides, as it stood in the place of a folder.
    pub(super) fn run(mut self, fixes: &[(RawPath, Fix)]) -> Result<Vec<Violation>, WorkspaceError> {
        for (path, fix) in fixes.iter().rev() {
            match fix {
                Fix::Remove => self.note(path, self.root.remove(&path.0)),
                Fix::RemoveEmpty => self.note(path, self.root.remove_empty(&path.0)),
                Fix::Rebuild => self.store.rebuild_git(self.root)?,
                Fix::Restore | Fix::Mode => {}
            }
        }
        self.remove_left_folders(fixes);
        let mut files = Vec::new();
        let mut folders = Vec::new();
        for (path, fix) in fixes {
            let Some(entry) = self.picture.entries.get(path) else { continue };
            match (fix, entry.kind) {
                (Fix::Mode | Fix::Restore, Kind::Folder) => {
                    self.make_way(path);
                    self.note(path, self.root.put_folder(&path.0));
                    self.note(path, self.root.set_mode(&path.0, entry.mode | 0o700));
                    folders.push((path, entry));
                }
                (Fix::Mode, _) => self.note(path, self.root.set_mode(&path.0, entry.mode)),
                (Fix::Restore, Kind::Pipe) => {
                    self.make_way(path);
                    self.note(path, self.root.put_pipe(&path.0, entry.mode));
                }
                (Fix::Restore, Kind::File | Kind::Link) => files.push((path, entry)),
                _ => {}
            }
        }
        let store = self.store;
        store.each_content(&files, |path, entry, content| {
            self.put(path, entry, &content);
            Ok(())
        })?;
        for (path, entry) in folders.into_iter().rev() {
            self.note(path, self.root.set_mode(&path.0, entry.mode));
        }
        match self.failed {
            Some(err) => Err(err),
            None => Ok(self
                .moved
                .iter()
                .map(|path| Violation { path: path.shown(), breach: Breach::Mode })
                .collect()),
        }
    }

    /// Removes new folders that held nothing but what was removed, even those the phase could have made.
    fn remove_left_folders(&mut self, fixes: &[(RawPath, Fix)]) {
        let mut left = BTreeSet::new();
        for (path, _) in fixes.iter().filter(|(_, fix)| *fix == Fix::Remove) {
            let mut folder = split(&path.0).0;
            while !folder.is_empty() && left.insert(RawPath(folder.to_vec())) {
                folder = split(folder).0;
            }
        }
        left.retain(|folder| !self.picture.entries.contains_key(folder));
        for folder in left.iter().rev() {
            self.note(folder, self.root.remove_empty(&folder.0));
        }
    }

    fn put(&mut self, path: &RawPath, entry: &Entry, content: &[u8]) {
        self.make_way(path);
        let done = if entry.kind == Kind::Link {
            self.root.put_link(&path.0, content)
        } else {
            self.root.put(&path.0, content, entry.mode, Some(entry.identity.mtime))
        };
        self.note(path, done);
    }

    fn make_way(&mut self, path: &RawPath) {
        match self.root.make_way(&path.0) {
            Ok(moved) => self.moved.extend(moved.into_iter().map(RawPath)),
            Err(err) => self.note(path, Err(err)),
        }
    }

    fn note(&mut self, path: &RawPath, done: io::Result<()>) {
        if let Err(err) = done
            && self.failed.is_none()
        {
            self.failed = Some(WorkspaceError::Failed(format!(
                "cannot put back `{}` in the workspace: {err}; make it writable (`chattr -i`, `chmod`) or remove it by hand",
                path.shown()
            )));
        }
    }
}
