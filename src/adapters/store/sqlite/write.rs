//! Writing the events of one run, their hashes and everything that is projected from them. What may be written was checked before.

use rusqlite::{CachedStatement, Connection};

use super::error::Trouble;
use super::event_row;
use super::ledger;
use super::link;
use super::request::Ready;
use super::rows::{self, Head};
use crate::adapters::store::chain::{GENESIS, Link};
use crate::adapters::store::fold::run_birth;
use crate::domain::event::{Event, Recorded};
use crate::domain::id::EventSeq;
use crate::domain::projection::{ArtifactRow, AttemptRow, LinkRow, PoolNews, UsageRow, commit_of};

/// The statements of every append, looked up once for a group.
pub(super) struct Statements<'a> {
    insert_event: CachedStatement<'a>,
    update_run: CachedStatement<'a>,
}

impl<'a> Statements<'a> {
    pub(super) fn new(db: &'a Connection) -> rusqlite::Result<Self> {
        Ok(Self { insert_event: event_row::insertion(db)?, update_run: rows::update(db)? })
    }
}

/// Writes events behind a run's head; returns the head after them.
pub(super) fn write(
    db: &Connection,
    statements: &mut Statements<'_>,
    ready: &mut Ready,
    mut head: Option<Head>,
) -> Result<Option<Head>, Trouble> {
    let new = head.is_none();
    for (recorded, body) in ready.recorded.iter_mut().zip(&ready.bodies) {
        let prev = head.as_ref().map_or(GENESIS, |head| head.hash);
        let link = Link {
            run: recorded.run.as_str(),
            version: recorded.version.0,
            name: recorded.event.name(),
            schema: recorded.event.schema(),
            at: recorded.at.0,
            actor: &ready.actor,
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
    if LinkRow::concerns(&recorded.event) {
        let known = link::of_run(db, run)?;
        let mut link = known.unwrap_or_else(|| LinkRow::birth(&head.row));
        link.apply(&recorded.event);
        link::put(db, &link)?;
    }
    if let Some(sha) = commit_of(&recorded.event) {
        link::put_commit(db, run, sha)?;
    }
    Ok(())
}
