//! Appending: events, their projections and deliveries, in one transaction for a whole group of requests.

use std::path::Path;

use rusqlite::Connection;

use super::Answer;
use super::Writer;
use super::delivery_row::{self, Kept, Place};
use super::error::{Trouble, edge, sql};
use super::event_row;
use super::heads::Heads;
use super::request::{Done, Ready, Request};
use super::rows::Head;
use super::transaction::Transaction;
use super::write::{Statements, write};
use crate::domain::id::Version;
use crate::ports::inbox::Taken;
use crate::ports::store::{Append, StoreError};

/// How the requests of a group are kept apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Apart {
    /// Not at all: whatever is refused is refused before its first write.
    ByChecks,
    /// Each under a savepoint of its own.
    BySavepoints,
}

/// Why a request has written nothing.
enum Failure {
    /// A check said so, before the first write.
    Refused(Trouble),
    /// It failed in the middle of writing.
    Broken(Trouble),
}

/// What a request has written, to be told once it is committed.
enum Written {
    Events,
    Rows(u64),
    Nothing(Taken),
}

/// Writes what each request asks for; a refused request spoils no other.
///
/// Nobody is told of success before the commit, and when that fails nobody is. Savepoints cost time in
/// every append, so they are used only when a request fails in the middle of writing, which a sound store never sees: then the
/// whole group is rolled back and done again.
///
/// The requests are handed back with the answers: each caller frees its own, at the same time, instead of one for all.
pub(super) fn append_group(
    writer: &mut Writer,
    path: &Path,
    mut requests: Vec<Request>,
) -> Vec<(Answer, Request)> {
    let answers = attempt(writer, path, &mut requests, Apart::ByChecks)
        .or_else(|| attempt(writer, path, &mut requests, Apart::BySavepoints))
        .unwrap_or_default();
    answers.into_iter().zip(requests).collect()
}

/// One transaction for all; `None` when a request has to be undone and there is no savepoint to go back to.
fn attempt(writer: &mut Writer, path: &Path, requests: &mut [Request], apart: Apart) -> Option<Vec<Answer>> {
    let mut heads = std::mem::take(&mut writer.heads);
    let db = &writer.db;
    let count = requests.len();
    let everyone = |err: &rusqlite::Error| Some((0..count).map(|_| Err(sql(err, path, "written"))).collect());
    let begun = Transaction::begin(db).and_then(|transaction| {
        heads.refresh(db)?;
        Ok((transaction, Statements::new(db)?))
    });
    let (transaction, mut statements) = match begun {
        Ok(begun) => begun,
        Err(err) => return everyone(&err),
    };
    let mut written = Vec::with_capacity(count);
    for request in requests.iter_mut() {
        let answer = match perform(db, &mut statements, &mut heads, request, apart) {
            Err(Failure::Broken(_)) if count > 1 && apart == Apart::ByChecks && !transaction.is_gone() => {
                return None;
            }
            Err(Failure::Refused(trouble) | Failure::Broken(trouble)) => Err(trouble),
            Ok(written) => Ok(written),
        };
        match answer {
            // On a full disk and the like SQLite rolls the whole transaction back by itself.
            Err(Trouble::Sql(err)) if transaction.is_gone() => return everyone(&err),
            answer => written.push(answer.map_err(edge(path, "written"))),
        }
    }
    if written.iter().any(|written| matches!(written, Ok(Written::Events | Written::Rows(_))))
        && let Err(err) = transaction.commit()
    {
        return everyone(&err);
    }
    writer.heads = heads;
    let answer = |(written, request): (Result<Written, StoreError>, &mut Request)| {
        Ok(match written? {
            Written::Events => Done::Taken(Taken::Recorded(request.take_recorded())),
            Written::Nothing(taken) => Done::Taken(taken),
            Written::Rows(rows) => Done::Rows(rows),
        })
    };
    Some(written.into_iter().zip(requests).map(answer).collect())
}

/// Checks one request, and does it. Heads are put back as they are afterwards; of a request that fails none stays.
fn perform(
    db: &Connection,
    statements: &mut Statements<'_>,
    heads: &mut Heads,
    request: &mut Request,
    apart: Apart,
) -> Result<Written, Failure> {
    match request {
        Request::Append(ready) => {
            let head = checked_head(db, heads, &ready.append).map_err(Failure::Refused)?;
            let head = set_apart(db, apart, || write(db, statements, ready, head))?;
            if let Some(head) = head {
                heads.put(head);
            }
            Ok(Written::Events)
        }
        Request::Take(delivery, appends) => {
            let place = match delivery_row::place(db, delivery).map_err(Failure::Refused)? {
                Ok(place) => place,
                Err(taken) => return Ok(Written::Nothing(taken)),
            };
            check_all(db, heads, appends).map_err(Failure::Refused)?;
            let taken = set_apart(db, apart, || take(db, statements, heads, appends, delivery, place));
            if taken.is_err() {
                appends.iter().for_each(|ready| heads.forget(&ready.append.run));
            }
            taken.map(|()| Written::Events)
        }
        Request::Beside(work) => set_apart(db, apart, || work(db)).map(Written::Rows),
    }
}

/// Checks appends that are made together, each as it will be when those before it are made.
fn check_all(db: &Connection, heads: &mut Heads, appends: &[Ready]) -> Result<(), Trouble> {
    for (index, Ready { append, .. }) in appends.iter().enumerate() {
        let run = &append.run;
        let before = || appends.iter().take(index).filter(|ready| ready.append.run == *run);
        check_fence_and_key(db, append)?;
        if let Some(key) = &append.key
            && before().any(|ready| ready.append.key.as_ref() == Some(key))
        {
            return Err(StoreError::KeyTaken { run: run.clone(), key: key.clone() }.into());
        }
        match before().next_back().map(Ready::end) {
            None => {
                if let Some(head) = head_as_expected(db, heads, append)? {
                    heads.put(head);
                }
            }
            Some(actual) if actual == append.expected => {}
            Some(actual) => {
                let expected = append.expected;
                return Err(StoreError::Conflict { run: run.clone(), expected, actual }.into());
            }
        }
    }
    Ok(())
}

fn take(
    db: &Connection,
    statements: &mut Statements<'_>,
    heads: &mut Heads,
    appends: &mut [Ready],
    delivery: &Kept,
    place: Place,
) -> Result<(), Trouble> {
    for ready in appends {
        let head = heads.take(db, &ready.append.run)?;
        if let Some(head) = write(db, statements, ready, head)? {
            heads.put(head);
        }
    }
    delivery_row::keep(db, delivery, place)
}

fn set_apart<T>(
    db: &Connection,
    apart: Apart,
    work: impl FnOnce() -> Result<T, Trouble>,
) -> Result<T, Failure> {
    let done = if apart == Apart::BySavepoints { in_savepoint(db, work) } else { work() };
    done.map_err(Failure::Broken)
}

fn in_savepoint<T>(db: &Connection, work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    db.prepare_cached("SAVEPOINT request")?.execute([])?;
    let answer = work();
    if answer.is_err() && !db.is_autocommit() {
        db.prepare_cached("ROLLBACK TO request")?.execute([])?;
    }
    if !db.is_autocommit() {
        db.prepare_cached("RELEASE request")?.execute([])?;
    }
    answer
}

/// Checks fence, key and version, in this order: a worker that lost its lease must stop whatever else is true, and a
/// repeated occurrence is told as such even when the run went on since.
fn checked_head(db: &Connection, heads: &mut Heads, append: &Append) -> Result<Option<Head>, Trouble> {
    check_fence_and_key(db, append)?;
    head_as_expected(db, heads, append)
}

fn check_fence_and_key(db: &Connection, append: &Append) -> Result<(), Trouble> {
    let run = &append.run;
    if let Some(fence) = append.fence
        && super::lease::generation(db, run)? != Some(fence.0)
    {
        return Err(StoreError::Fenced { run: run.clone() }.into());
    }
    if let Some(key) = &append.key
        && event_row::has_key(db, run, key)?
    {
        return Err(StoreError::KeyTaken { run: run.clone(), key: key.clone() }.into());
    }
    Ok(())
}

fn head_as_expected(db: &Connection, heads: &mut Heads, append: &Append) -> Result<Option<Head>, Trouble> {
    let run = &append.run;
    let head = heads.take(db, run)?;
    let actual = head.as_ref().map_or(Version(0), |head| head.row.version);
    if actual == append.expected {
        return Ok(head);
    }
    if let Some(head) = head {
        heads.put(head);
    }
    Err(StoreError::Conflict { run: run.clone(), expected: append.expected, actual }.into())
}
