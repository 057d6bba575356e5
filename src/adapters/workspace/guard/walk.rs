//! Looking at everything in a workspace that a picture is about: what git does not ignore, what is protected, and what in
//! the git directory decides what git runs.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::picture::{Entry, Kind, RawPath};
use super::rules::{Rules, in_git, is_free_in_git};
use crate::adapters::process::beneath::{Root, enter, names, stat_at};

/// Folders deeper than this are not looked into; they can be noticed and removed all the same.
const MAX_DEPTH: usize = 200;

/// What was seen.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) entries: BTreeMap<RawPath, Entry>,
    /// Lock files of git's, which a git that was killed leaves behind.
    pub(super) locks: Vec<RawPath>,
}

/// One walk.
pub(super) struct Walk<'a> {
    pub(super) rules: &'a Rules,
    /// Paths that git ignores, folders without what is in them.
    pub(super) ignored: &'a BTreeSet<Vec<u8>>,
    /// What was there before, if this is not the first look: a folder of then is looked into now, whatever it has become.
    pub(super) before: Option<&'a BTreeMap<RawPath, Entry>>,
    pub(super) seen: Seen,
}

/// How much of a folder is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// What is not ignored, or forced.
    Visible,
    /// What is ignored now and was not before: what was there before, or is forced.
    Known,
    /// Only what is named, as the folder is ignored.
    Named,
    /// Only what is protected, as the folder says that it is a repository of its own. Git may see that otherwise, and then
    /// what is in it belongs to the change.
    Protected,
    /// All.
    All,
    /// The git directory.
    Git,
}

impl Walk<'_> {
    pub(super) fn run(mut self, root: &Root) -> io::Result<Seen> {
        let folder = root.folder(b"")?;
        self.folder(folder.as_fd(), &[], Part::Visible, 0)?;
        Ok(self.seen)
    }

    fn folder(&mut self, folder: BorrowedFd<'_>, path: &[u8], part: Part, depth: usize) -> io::Result<()> {
        for name in names(folder)? {
            let full = if path.is_empty() { name.clone() } else { [path, b"/", &name].concat() };
            // It may be gone by now, when something outside our hands still runs.
            let Some(found) = stat_at(folder, &name)? else { continue };
            let mut entry = Entry::of(&found);
            let full = RawPath(full);
            let text = full.text();
            let Some(inner) = self.part_of(part, &full, &text, entry.kind == Kind::Folder) else { continue };
            if entry.kind != Kind::Folder {
                if inner == Part::Git && name.ends_with(b".lock") {
                    self.seen.locks.push(full);
                } else {
                    self.seen.entries.insert(full, entry);
                }
                continue;
            }
            if matches!(inner, Part::Named | Part::Protected) && depth < MAX_DEPTH {
                let opened = enter(folder, &name)?;
                self.folder(opened.as_fd(), &full.0, inner, depth + 1)?;
                continue;
            }
            let was = self.was(&full);
            let is_git_of_its_own = name == b".git" && text != ".git";
            if is_git_of_its_own || depth >= MAX_DEPTH {
                entry.kind = Kind::Closed;
                self.seen.entries.insert(full, entry);
                continue;
            }
            let opened = enter(folder, &name)?;
            let has_git = || Ok::<_, io::Error>(stat_at(opened.as_fd(), b".git")?.is_some());
            if was == Some(Kind::Closed) || (inner != Part::Git && was != Some(Kind::Folder) && has_git()?) {
                entry.kind = Kind::Closed;
                self.seen.entries.insert(full.clone(), entry);
                self.folder(opened.as_fd(), &full.0, Part::Protected, depth + 1)?;
                continue;
            }
            // Its mode may have been changed to look into it.
            if let Some(found) = stat_at(folder, &name)? {
                entry = Entry::of(&found);
            }
            self.seen.entries.insert(full.clone(), entry);
            self.folder(opened.as_fd(), &full.0, inner, depth + 1)?;
        }
        Ok(())
    }

    fn was(&self, path: &RawPath) -> Option<Kind> {
        self.before.and_then(|before| before.get(path)).map(|entry| entry.kind)
    }

    /// How much of what is at a path is looked at; `None` is nothing.
    fn part_of(&self, part: Part, path: &RawPath, text: &str, is_folder: bool) -> Option<Part> {
        match part {
            Part::All => Some(Part::All),
            Part::Git => {
                let inner = in_git(text).unwrap_or_default();
                let is_way = matches!(inner, "objects" | "objects/info");
                (is_way || inner == "index" || !is_free_in_git(inner)).then_some(Part::Git)
            }
            Part::Visible if text == ".git" => Some(Part::Git),
            Part::Visible if !self.ignored.contains(&path.0) => Some(Part::Visible),
            Part::Visible | Part::Known if self.rules.forces(text) => Some(Part::All),
            Part::Visible | Part::Known if self.was(path).is_some() => Some(Part::Known),
            Part::Visible | Part::Known if is_folder => {
                self.rules.may_hold_forced(text).then_some(Part::Named)
            }
            Part::Visible | Part::Known => None,
            Part::Protected if text.ends_with("/.git") => None,
            Part::Protected if self.rules.forces(text) => Some(Part::All),
            Part::Protected => is_folder.then_some(Part::Protected),
            Part::Named if self.rules.forces_in_ignored(text) => Some(Part::All),
            Part::Named if is_folder => self.rules.may_hold_forced(text).then_some(Part::Named),
            Part::Named => None,
        }
    }
}
