//! Comparing a workspace with its picture: what differs and may not, and how it is put back.

use std::collections::{BTreeMap, BTreeSet};

use super::dotgit;
use super::picture::{Entry, Kind, Picture, RawPath};
use super::rules::{Rules, in_git};
use super::store::hash_of;
use crate::adapters::process::beneath::{Root, split};
use crate::domain::guard::{Breach, Violation};

/// Seconds by which a file must be older than a picture for its identity alone to say that it is the same: time stamps are
/// coarse, on some file systems by two seconds.
pub(super) const SLACK: i64 = 2;

/// How a path is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fix {
    /// It was not there.
    Remove,
    /// The folder was not there; something that is nobody's business may be in it.
    RemoveEmpty,
    /// It was as the picture says.
    Restore,
    /// Only its mode was another.
    Mode,
    /// The git directory is none any more.
    Rebuild,
}

/// What differs.
#[derive(Default)]
pub(super) struct Difference {
    pub(super) violations: Vec<Violation>,
    pub(super) fixes: Vec<(RawPath, Fix)>,
}

impl Difference {
    fn add(&mut self, path: &RawPath, breach: Option<Breach>, fix: Fix) {
        self.fixes.push((path.clone(), fix));
        if let Some(breach) = breach {
            let text = path.shown();
            let (path, breach) = match in_git(&text) {
                Some("HEAD") => ("HEAD".to_owned(), Breach::Head),
                Some(_) => (text, Breach::GitInternals),
                None => (text, breach),
            };
            self.violations.push(Violation { path, breach });
        }
    }
}

/// One comparison.
pub(super) struct Comparison<'a> {
    pub(super) rules: &'a Rules,
    pub(super) before: &'a Picture,
    pub(super) after: &'a BTreeMap<RawPath, Entry>,
    pub(super) root: &'a Root,
    /// Whether nothing was put back yet. Later a new folder may be empty because what was in it is gone.
    pub(super) is_first: bool,
}

impl Comparison<'_> {
    /// Finds what differs and may not.
    pub(super) fn run(&self) -> Difference {
        let mut found = Difference::default();
        if self.is_git_broken() {
            found.add(&RawPath(b".git".to_vec()), Some(Breach::GitInternals), Fix::Rebuild);
            return found;
        }
        let git = RawPath(b".git".to_vec());
        let is_git_new = self.after.contains_key(&git) && !self.before.entries.contains_key(&git);
        if is_git_new {
            found.add(&git, Some(Breach::GitInternals), Fix::Remove);
            return found;
        }
        let moved = dotgit::moved(&self.before.refs, &dotgit::refs(self.root, self.after));
        for name in &moved {
            found.violations.push(Violation { path: name.clone(), breach: Breach::Ref });
        }
        let filled = [filled(&self.before.entries), filled(self.after)];
        let paths: BTreeSet<&RawPath> = self.before.entries.keys().chain(self.after.keys()).collect();
        for path in paths {
            let text = path.text();
            let (before, after) = (self.before.entries.get(path), self.after.get(path));
            let is_folder = [before, after].into_iter().flatten().all(|entry| entry.kind == Kind::Folder);
            let is_odd_plan = self.rules.is_plan(&text)
                && after.is_some_and(|entry| !matches!(entry.kind, Kind::File | Kind::Folder));
            let is_allowed = self.rules.allows(&text, is_folder) && !is_odd_plan;
            if is_allowed || (dotgit::is_ref(&text) && moved.is_empty()) {
                continue;
            }
            let is_leaf = |which: usize| filled.get(which).is_none_or(|filled| !filled.contains(&path.0[..]));
            let is_silent = dotgit::is_ref(&text) || text == ".git/index";
            let breach = |breach: Breach| (!is_silent).then_some(breach);
            match (before, after) {
                (None, Some(after)) if after.kind == Kind::Folder => {
                    let counts = self.is_first && is_leaf(1) && in_git(&text).is_none_or(str::is_empty);
                    found.add(path, breach(Breach::Created).filter(|_| counts), Fix::RemoveEmpty);
                }
                (None, Some(_)) => found.add(path, breach(Breach::Created), Fix::Remove),
                (Some(before), None) => {
                    let counts = before.kind != Kind::Folder || is_leaf(0);
                    let counts = counts && !self.rules.parks(&text);
                    if !(dotgit::is_ref(&text) && before.kind == Kind::Folder) {
                        found.add(path, breach(Breach::Deleted).filter(|_| counts), Fix::Restore);
                    }
                }
                (Some(before), Some(after)) => {
                    if let Some((how, fix)) = self.changed(path, before, after) {
                        let how = if self.rules.parks(&text) { Breach::Created } else { how };
                        found.add(path, breach(how), fix);
                    }
                }
                (None, None) => {}
            }
        }
        // What cannot be made again is said once and not tried.
        found.fixes.retain(|(path, fix)| {
            let lost = |entry: &Entry| matches!(entry.kind, Kind::Closed | Kind::Other);
            !matches!(fix, Fix::Restore) || !self.before.entries.get(path).is_some_and(lost)
        });
        found
    }

    /// Says whether there was a git directory that git could use, and is none now.
    fn is_git_broken(&self) -> bool {
        let is_folder = |entries: &BTreeMap<RawPath, Entry>, path: &[u8]| {
            entries.get(&RawPath(path.to_vec())).is_some_and(|entry| entry.kind == Kind::Folder)
        };
        [&b".git"[..], b".git/objects"]
            .iter()
            .any(|path| is_folder(&self.before.entries, path) && !is_folder(self.after, path))
    }

    fn changed(&self, path: &RawPath, before: &Entry, after: &Entry) -> Option<(Breach, Fix)> {
        if before.kind != after.kind {
            return Some((Breach::Mode, Fix::Restore));
        }
        let is_same = before.identity == after.identity
            && before.identity.ctime.0.saturating_add(SLACK) < self.before.taken;
        if !is_same && let Some(content) = &before.content {
            // What cannot be read is not what it was.
            let is_other = after.identity.size != content.size
                || !hash_of(self.root, path, after.kind)
                    .is_ok_and(|(sha256, size)| sha256 == content.sha256 && size == content.size);
            if is_other {
                return Some((Breach::Changed, Fix::Restore));
            }
        }
        if before.kind == Kind::Link || before.mode == after.mode {
            return None;
        }
        // A mode belongs to the file, whatever else it is called: a new file is put in the place of one with more names.
        Some((Breach::Mode, if after.is_linked { Fix::Restore } else { Fix::Mode }))
    }
}

/// The folders that have something in them.
fn filled(entries: &BTreeMap<RawPath, Entry>) -> BTreeSet<&[u8]> {
    entries.keys().map(|path| split(&path.0).0).collect()
}
