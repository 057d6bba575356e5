//! Appending: events, their hashes and their projections, in one transaction for a whole group of requests.

use std::path::Path;

use rusqlite::Connection;

use super::Answer;
use super::error::{Trouble, edge, sql};
use super::rows::{self, Head};
use super::transaction::Transaction;
use crate::adapters::store::chain::{GENESIS, Link};
use crate::adapters::store::fold::run_birth;
use crate::adapters::store::recorded;
use crate::domain::event::{Event, Recorded};
use crate::domain::id::{EventSeq, Version};
use crate::domain::projection::{ArtifactRow, AttemptRow};
use crate::ports::store::{Append, StoreError};

/// An append with its bodies as text, made by the caller's own thread before it waits for its turn.
pub(super) struct Request {
    append: Append,
    bodies: Vec<String>,
    actor: String,
}

impl Request {
    pub(super) fn new(append: &Append) -> Result<Self, Trouble> {
        let body = |(event, _): &(Event, _)| event.body().map_err(|err| Trouble::Row(err.to_string()));
        let bodies = append.events.iter().map(body).collect::<Result<_, _>>()?;
        Ok(Self { append: append.clone(), bodies, actor: append.actor.to_string() })
    }
}

/// Appends what each request asks for; a refused request spoils only its own savepoint.
///
/// Nobody is told of success before the commit, and when that fails nobody is.
pub(super) fn append_group(db: &Connection, path: &Path, requests: Vec<Request>) -> Vec<Answer> {
    let count = requests.len();
    let everyone = |err: &rusqlite::Error| (0..count).map(|_| Err(sql(err, path, "written"))).collect();
    let transaction = match Transaction::begin(db) {
        Ok(transaction) => transaction,
        Err(err) => return everyone(&err),
    };
    let mut answers = Vec::with_capacity(count);
    for request in requests {
        let answer = if count == 1 { append_one(db, request) } else { in_savepoint(db, request) };
        match answer {
            // On a full disk and the like SQLite rolls the whole transaction back by itself.
            Err(Trouble::Sql(err)) if transaction.is_gone() => return everyone(&err),
            answer => answers.push(answer.map_err(edge(path, "written"))),
        }
    }
    if answers.iter().all(Result::is_err) {
        return answers;
    }
    match transaction.commit() {
        Ok(()) => answers,
        Err(err) => {
            answers.into_iter().map(|answer| answer.and_then(|_| Err(sql(&err, path, "written")))).collect()
        }
    }
}

fn in_savepoint(db: &Connection, request: Request) -> Result<Vec<Recorded>, Trouble> {
    db.prepare_cached("SAVEPOINT request")?.execute([])?;
    let answer = append_one(db, request);
    if answer.is_err() && !db.is_autocommit() {
        db.prepare_cached("ROLLBACK TO request")?.execute([])?;
    }
    if !db.is_autocommit() {
        db.prepare_cached("RELEASE request")?.execute([])?;
    }
    answer
}

fn append_one(db: &Connection, request: Request) -> Result<Vec<Recorded>, Trouble> {
    let Request { mut append, bodies, actor } = request;
    let events = std::mem::take(&mut append.events);
    let mut head = checked_head(db, &append)?;
    let mut appended = Vec::with_capacity(events.len());
    let new = head.is_none();
    for (index, ((event, state), body)) in events.into_iter().zip(bodies).enumerate() {
        let version = head.as_ref().map_or(Version(0), |head| head.row.version).next();
        let prev = head.as_ref().map_or(GENESIS, |head| head.hash);
        let key = append.key.as_ref().filter(|_| index == 0);
        let link = Link {
            run: append.run.as_str(),
            version: version.0,
            name: event.name(),
            schema: event.schema(),
            at: append.at.0,
            actor: &actor,
            cause: append.cause.map(|cause| cause.0),
            key: key.map(|key| key.as_str()),
            state: state.name(),
            body: &body,
        };
        let hash = link.hash(&prev);
        let seq = EventSeq(rows::insert_event(db, &link, &prev, &hash)?);
        let recorded = recorded(&append, index, seq, version, event, state);
        match &mut head {
            Some(head) => {
                head.row.apply(&recorded);
                head.hash = hash;
            }
            None => head = Some(Head { row: run_birth(&recorded)?, hash }),
        }
        project_beside(db, &recorded)?;
        appended.push(recorded);
    }
    match &head {
        Some(head) if new => rows::insert_run(db, head)?,
        Some(head) => rows::update_run(db, head)?,
        None => {}
    }
    Ok(appended)
}

/// Checks fence, key and version, in this order: a worker that lost its lease must stop whatever else is true, and a
/// repeated occurrence is told as such even when the run went on since.
fn checked_head(db: &Connection, append: &Append) -> Result<Option<Head>, Trouble> {
    let run = &append.run;
    if let Some(fence) = append.fence
        && super::lease::generation(db, run)? != Some(fence.0)
    {
        return Err(StoreError::Fenced { run: run.clone() }.into());
    }
    if let Some(key) = &append.key
        && rows::has_key(db, run, key)?
    {
        return Err(StoreError::KeyTaken { run: run.clone(), key: key.clone() }.into());
    }
    let head = rows::head_of(db, run)?;
    let actual = head.as_ref().map_or(Version(0), |head| head.row.version);
    if actual != append.expected {
        return Err(StoreError::Conflict { run: run.clone(), expected: append.expected, actual }.into());
    }
    if let Some(head) = &head
        && !rows::is_last_event(db, head)?
    {
        let why = format!("the row of run `{run}` is not what its events say; rebuild the projections");
        return Err(Trouble::Row(why));
    }
    Ok(head)
}

/// Projects what an event says besides its run's row.
fn project_beside(db: &Connection, recorded: &Recorded) -> Result<(), Trouble> {
    if let Some(attempt) = AttemptRow::birth(recorded) {
        rows::insert_attempt(db, &attempt)?;
    }
    if let Event::AttemptEnded(body) = &recorded.event
        && let Some(mut attempt) = rows::attempt(db, &recorded.run, body.attempt)?
    {
        attempt.apply(recorded);
        rows::update_attempt(db, &attempt)?;
    }
    if let Some(artifact) = ArtifactRow::of(recorded) {
        rows::insert_artifact(db, &artifact)?;
    }
    Ok(())
}
