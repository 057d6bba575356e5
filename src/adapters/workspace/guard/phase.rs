//! A phase: the picture before it, and the judgement after it.
//!
//! The picture is on the disk before anything is parked and before the phase begins. What was found is on the disk before it
//! is undone, and stays there until the log has it. So a phase that was cut off anywhere is judged when the next one begins,
//! and nothing found is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use super::compare::{Comparison, Fix, SLACK};
use super::dotgit;
use super::picture::{Content, Entry, Kind, Picture, Place, RawPath, read, rename_durably, write_durably};
use super::restore::Restoration;
use super::rules::{Rules, Terms};
use super::store::Store;
use super::walk::{Seen, Walk};
use crate::adapters::process::beneath::Root;
use crate::adapters::workspace::{GitWorkspace, at};
use crate::domain::guard::{Breach, GuardReport, Violation};
use crate::domain::id::{AttemptNo, RepoSlug, RunId};
use crate::ports::workspace::{GuardOrder, Judged, WorkspaceError};

/// Paths a picture may have.
const MAX_PATHS: usize = 500_000;

/// Looks at the workspace until it is as it should be: one that finds, one that confirms, and two for what came to light
/// when ignore rules were put back.
const ROUNDS: usize = 4;

/// From how many new files, or bytes of them, on it pays to ask git which of them the base commit has.
const WORTH_BORROWING: (usize, u64) = (64, 1024 * 1024);

impl GitWorkspace {
    pub(in crate::adapters::workspace) fn begin_phase_blocking(
        &self,
        order: &GuardOrder,
    ) -> Result<Vec<Judged>, WorkspaceError> {
        let store = Store::of(self, &order.repo, &order.run);
        // Globs that cannot be read are an error before anything is done.
        let rules = Rules::new(Terms::of(order))?;
        let root = store.root()?;
        store.ensure()?;
        if let Some(picture) = open_picture(&store)? {
            judge(&store, &picture)?;
        }
        let judged = judged(&store)?;
        take(&store, &rules, &root)?;
        Ok(judged)
    }

    pub(in crate::adapters::workspace) fn end_phase_blocking(
        &self,
        order: &GuardOrder,
    ) -> Result<GuardReport, WorkspaceError> {
        let store = Store::of(self, &order.repo, &order.run);
        match open_picture(&store)? {
            Some(picture) => judge(&store, &picture),
            None => Ok(GuardReport::clean(order.scope)),
        }
    }

    pub(in crate::adapters::workspace) fn forget_judged_blocking(
        &self,
        repo: &RepoSlug,
        run: &RunId,
    ) -> Result<(), WorkspaceError> {
        let path = Store::of(self, repo, run).judged();
        match fs::remove_file(&path) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => Err(at(&path, err)),
            _ => Ok(()),
        }
    }
}

/// What was found and is not known to be in the log.
fn judged(store: &Store<'_>) -> Result<Vec<Judged>, WorkspaceError> {
    let path = store.judged();
    Ok(read(&path).map_err(|err| at(&path, err))?.unwrap_or_default())
}

/// The picture of a phase that has not been judged.
pub(super) fn open_picture(store: &Store<'_>) -> Result<Option<Picture>, WorkspaceError> {
    let path = store.open_picture();
    read(&path).map_err(|err| at(&path, err))
}

/// Brings back what is parked, without judging the phase; for who needs the files whole after one was cut off.
pub(in crate::adapters::workspace) fn unpark(
    workspace: &GitWorkspace,
    repo: &RepoSlug,
    run: &RunId,
) -> Result<(), WorkspaceError> {
    let store = Store::of(workspace, repo, run);
    let Some(picture) = open_picture(&store)? else { return Ok(()) };
    let (rules, root) = (Rules::new(picture.terms.clone())?, store.root()?);
    let mut absent = Vec::new();
    for path in picture.entries.keys().filter(|path| rules.parks(&path.text())) {
        if root.stat(&path.0).map_err(|err| at(&store.files, err))?.is_none() {
            absent.push((path.clone(), Fix::Restore));
        }
    }
    Restoration::new(&store, &picture, &root).run(&absent).map(drop)
}

/// Takes a picture and parks what it says is to be parked.
fn take(store: &Store<'_>, rules: &Rules, root: &Root) -> Result<(), WorkspaceError> {
    let failed = |err: io::Error| at(&store.files, err);
    let taken = store.now().map_err(failed)?;
    let mut seen = look(store, rules, root, None)?;
    if seen.entries.len() > MAX_PATHS {
        return Err(WorkspaceError::Failed(format!(
            "the workspace has more than {MAX_PATHS} paths that git does not ignore; ignore what tools make"
        )));
    }
    keep_contents(store, rules, root, &mut seen)?;
    let refs = dotgit::refs(root, &seen.entries);
    let picture = Picture { terms: rules.terms.clone(), taken, refs, entries: seen.entries };
    // Of a phase that was reported, when a crash came before it was forgotten.
    match fs::remove_file(store.findings()) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(at(&store.findings(), err)),
        _ => {}
    }
    write_durably(&store.open_picture(), &picture).map_err(failed)?;
    for (path, entry) in picture.entries.iter().rev().filter(|(path, _)| rules.parks(&path.text())) {
        let parked = match entry.kind {
            Kind::Folder => root.remove_empty(&path.0),
            Kind::File | Kind::Link | Kind::Pipe => root.remove(&path.0),
            Kind::Other | Kind::Closed => Ok(()),
        };
        parked.map_err(|err| at(&store.files.join(path.shown()), err))?;
    }
    Ok(())
}

/// Keeps the content of everything the phase may not touch, so that it can be put back.
fn keep_contents(
    store: &Store<'_>,
    rules: &Rules,
    root: &Root,
    seen: &mut Seen,
) -> Result<(), WorkspaceError> {
    let failed = |err: io::Error| at(&store.files, err);
    // A record that cannot be read costs time, nothing else.
    let last: Option<Picture> = read(&store.last_picture()).ok().flatten();
    let (mut contents, last) = store.contents(last).map_err(failed)?;
    let (mut cold, mut kept, mut new) = (Vec::new(), 0_u64, 0_u64);
    for (path, entry) in &mut seen.entries {
        if !matches!(entry.kind, Kind::File | Kind::Link) || is_free(rules, path) {
            continue;
        }
        entry.content = last.as_ref().and_then(|last| known(last, path, entry));
        match &entry.content {
            Some(content) if matches!(content.place, Place::Kept(_)) => kept += content.size,
            Some(_) => {}
            None => {
                new += entry.identity.size;
                cold.push(path.clone());
            }
        }
    }
    let files: Vec<&RawPath> = cold.iter().collect();
    let mut borrowed = if files.len() > WORTH_BORROWING.0 || new > WORTH_BORROWING.1 {
        store.borrowed(&files)?
    } else {
        BTreeMap::new()
    };
    let limit = store.limit();
    for path in &cold {
        let Some(entry) = seen.entries.get_mut(path) else { continue };
        let blob = borrowed.remove(path);
        kept += if blob.is_some() { 0 } else { entry.identity.size };
        if kept > limit {
            return Err(WorkspaceError::TooBig { limit });
        }
        let content = contents.keep(root, path, entry.kind, blob);
        entry.content = Some(content.map_err(|err| at(&store.files.join(path.shown()), err))?);
    }
    contents.sync().map_err(failed)
}

/// Says whether nothing of a path will have to be put back.
fn is_free(rules: &Rules, path: &RawPath) -> bool {
    let text = path.text();
    rules.allows(&text, false) && !rules.is_plan(&text)
}

/// The content of a file that has not changed since the last picture.
fn known(last: &Picture, path: &RawPath, entry: &Entry) -> Option<Content> {
    let found = last.entries.get(path)?;
    let is_same = found.kind == entry.kind
        && found.identity == entry.identity
        && found.identity.ctime.0.saturating_add(SLACK) < last.taken;
    found.content.clone().filter(|_| is_same)
}

fn look(
    store: &Store<'_>,
    rules: &Rules,
    root: &Root,
    before: Option<&Picture>,
) -> Result<Seen, WorkspaceError> {
    let ignored = store.ignored()?;
    let before = before.map(|picture| &picture.entries);
    let walk = Walk { rules, ignored: &ignored, before, seen: Seen::default() };
    walk.run(root).map_err(|err| at(&store.files, err))
}

/// Compares, undoes, and looks again until nothing is left; then forgets the picture.
fn judge(store: &Store<'_>, picture: &Picture) -> Result<GuardReport, WorkspaceError> {
    let failed = |err: io::Error| at(&store.files, err);
    let rules = Rules::new(picture.terms.clone())?;
    let root = store.root()?;
    let path = store.findings();
    let mut found: Vec<Violation> = read(&path).map_err(|err| at(&path, err))?.unwrap_or_default();
    for round in 0..ROUNDS {
        let seen = look(store, &rules, &root, Some(picture))?;
        for lock in &seen.locks {
            root.remove(&lock.0).map_err(failed)?;
        }
        let (after, is_first) = (&seen.entries, round == 0);
        let comparison = Comparison { rules: &rules, before: picture, after, root: &root, is_first };
        let difference = comparison.run();
        // A new folder with nothing but ignored files in it stays.
        let is_done = difference.fixes.iter().all(|(_, fix)| *fix == Fix::RemoveEmpty && !is_first);
        merge(&mut found, difference.violations);
        if is_done {
            write_durably(&path, &found).map_err(failed)?;
            let report = GuardReport::of(picture.terms.scope, found);
            keep_judged(store, picture.terms.attempt, &report)?;
            rename_durably(&store.open_picture(), &store.last_picture()).map_err(failed)?;
            fs::remove_file(&path).map_err(failed)?;
            return Ok(report);
        }
        write_durably(&path, &found).map_err(failed)?;
        let moved = Restoration::new(store, picture, &root).run(&difference.fixes)?;
        merge(&mut found, moved);
    }
    Err(WorkspaceError::Failed(
        "the workspace changes while it is put back; end what still writes to it and try again".to_owned(),
    ))
}

/// Keeps a report until it is known to be in the log; a phase that is judged twice has one.
fn keep_judged(store: &Store<'_>, attempt: AttemptNo, report: &GuardReport) -> Result<(), WorkspaceError> {
    if report.is_clean() {
        return Ok(());
    }
    let mut all = judged(store)?;
    all.retain(|earlier| earlier.attempt != attempt);
    all.push(Judged { attempt, report: report.clone() });
    write_durably(&store.judged(), &all).map_err(|err| at(&store.judged(), err))
}

/// Adds what is new. What follows from a git directory that had to be made again is no finding of its own.
fn merge(found: &mut Vec<Violation>, more: Vec<Violation>) {
    let known: BTreeSet<String> = found.iter().map(|one| one.path.clone()).collect();
    let is_rebuilt = known.contains(".git");
    let follows = |one: &Violation| {
        is_rebuilt && matches!(one.breach, Breach::Head | Breach::Ref | Breach::GitInternals)
    };
    found.extend(more.into_iter().filter(|one| !follows(one) && !known.contains(&one.path)));
}
