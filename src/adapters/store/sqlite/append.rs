//! Appending: events, their hashes and their projections, in one transaction for a whole group of requests.

use std::path::Path;

use rusqlite::{CachedStatement, Connection};

use super::Answer;
use super::Writer;
use super::error::{Trouble, edge, sql};
use super::event_row;
use super::heads::Heads;
use super::ledger;
use super::rows::{self, Head};
use super::transaction::Transaction;
use crate::adapters::store::chain::{GENESIS, Link};
use crate::adapters::store::fold::run_birth;
use crate::adapters::store::recorded;
use crate::domain::event::{Event, Recorded};
use crate::domain::id::{EventSeq, Version};
use crate::domain::projection::{ArtifactRow, AttemptRow, PoolNews, UsageRow};
use crate::ports::store::{Append, StoreError};

/// An append made ready by the caller's own thread before it waits for its turn: only the numbers are missing.
pub(super) struct Request {
    /// The append without its events.
    append: Append,
    /// The events as they will be recorded, their `seq` aside.
    recorded: Vec<Recorded>,
    bodies: Vec<String>,
    actor: String,
}

impl Request {
    pub(super) fn new(append: &Append) -> Result<Self, Trouble> {
        let mut append = append.clone();
        let mut version = append.expected;
        let mut ready = Vec::with_capacity(append.events.len());
        let mut bodies = Vec::with_capacity(append.events.len());
        for (index, (event, state)) in std::mem::take(&mut append.events).into_iter().enumerate() {
            version = version.next();
            bodies.push(event.body().map_err(|err| Trouble::Row(err.to_string()))?);
            ready.push(recorded(&append, index, EventSeq(0), version, event, state));
        }
        let actor = append.actor.to_string();
        Ok(Self { append, recorded: ready, bodies, actor })
    }
}

/// The statements of every append, looked up once for a group.
struct Statements<'a> {
    insert_event: CachedStatement<'a>,
    update_run: CachedStatement<'a>,
}

/// How the requests of a group are kept apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Apart {
    /// Not at all: whatever is refused is refused before its first write.
    ByChecks,
    /// Each under a savepoint of its own.
    BySavepoints,
}

/// Appends what each request asks for; a refused request spoils no other.
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
        Ok((
            transaction,
            Statements { insert_event: event_row::insertion(db)?, update_run: rows::update(db)? },
        ))
    });
    let (transaction, mut statements) = match begun {
        Ok(begun) => begun,
        Err(err) => return everyone(&err),
    };
    let mut written = Vec::with_capacity(count);
    for request in requests.iter_mut() {
        let answer = match checked_head(db, &mut heads, &request.append) {
            Err(refusal) => Err(refusal),
            Ok(head) if apart == Apart::BySavepoints => {
                in_savepoint(db, || write(db, &mut statements, request, head))
            }
            Ok(head) => match write(db, &mut statements, request, head) {
                Err(_) if count > 1 && !transaction.is_gone() => return None,
                answer => answer,
            },
        };
        match answer {
            // On a full disk and the like SQLite rolls the whole transaction back by itself.
            Err(Trouble::Sql(err)) if transaction.is_gone() => return everyone(&err),
            Ok(head) => {
                if let Some(head) = head {
                    heads.put(head);
                }
                written.push(Ok(()));
            }
            Err(trouble) => written.push(Err(edge(path, "written")(trouble))),
        }
    }
    if written.iter().any(Result::is_ok)
        && let Err(err) = transaction.commit()
    {
        return everyone(&err);
    }
    writer.heads = heads;
    let answer = |(written, request): (Result<(), StoreError>, &mut Request)| {
        written.map(|()| std::mem::take(&mut request.recorded))
    };
    Some(written.into_iter().zip(requests).map(answer).collect())
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

fn write(
    db: &Connection,
    statements: &mut Statements<'_>,
    request: &mut Request,
    mut head: Option<Head>,
) -> Result<Option<Head>, Trouble> {
    let new = head.is_none();
    for (recorded, body) in request.recorded.iter_mut().zip(&request.bodies) {
        let prev = head.as_ref().map_or(GENESIS, |head| head.hash);
        let link = Link {
            run: recorded.run.as_str(),
            version: recorded.version.0,
            name: recorded.event.name(),
            schema: recorded.event.schema(),
            at: recorded.at.0,
            actor: &request.actor,
            cause: recorded.cause.map(|cause| cause.0),
            key: recorded.key.as_ref().map(|key| key.as_str()),
            state: recorded.state.name(),
            body,
        };
        let hash = link.hash(&prev);
        recorded.seq = EventSeq(event_row::insert_event(&mut statements.insert_event, &link, &prev, &hash)?);
        match &mut head {
            Some(head) => {
                head.row.apply(recorded);
                head.hash = hash;
            }
            None => head = Some(Head { row: run_birth(recorded)?, hash, attempt: None }),
        }
        if let Some(head) = &mut head {
            project_beside(db, head, recorded)?;
        }
    }
    match &head {
        Some(head) if new => rows::insert_run(db, head)?,
        Some(head) => rows::update_run(&mut statements.update_run, head)?,
        None => {}
    }
    Ok(head)
}

/// Checks fence, key and version, in this order: a worker that lost its lease must stop whatever else is true, and a
/// repeated occurrence is told as such even when the run went on since.
fn checked_head(db: &Connection, heads: &mut Heads, append: &Append) -> Result<Option<Head>, Trouble> {
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

/// Projects what an event says besides its run's row.
fn project_beside(db: &Connection, head: &mut Head, recorded: &Recorded) -> Result<(), Trouble> {
    let run = &recorded.run;
    if let Some(attempt) = AttemptRow::birth(recorded) {
        let newest = match head.attempt.take() {
            None => rows::last_attempt(db, run)?,
            kept => kept,
        };
        if newest.is_some_and(|newest| newest.no >= attempt.no) {
            return Err(Trouble::Row(format!("attempt {} began already", attempt.no)));
        }
        rows::insert_attempt(db, &attempt)?;
        if let Some(usage) = UsageRow::birth(recorded, &head.row.repo) {
            ledger::put_usage(db, &usage)?;
        }
        head.attempt = Some(attempt);
    }
    if let Event::AttemptEnded(body) = &recorded.event {
        let begun = match head.attempt.take() {
            Some(newest) if newest.no == body.attempt => Some(newest),
            _ => rows::attempt(db, run, body.attempt)?,
        };
        if let Some(mut attempt) = begun {
            attempt.apply(recorded);
            rows::update_attempt(db, &attempt)?;
            if let Some(mut usage) = ledger::usage_at(db, attempt.seq)? {
                usage.apply(recorded);
                ledger::put_usage(db, &usage)?;
            }
        }
    }
    if let Some(artifact) = ArtifactRow::of(recorded) {
        rows::insert_artifact(db, &artifact)?;
    }
    if let Some(news) = PoolNews::of(recorded) {
        ledger::put_pool(db, &news, run, recorded.seq)?;
    }
    Ok(())
}
