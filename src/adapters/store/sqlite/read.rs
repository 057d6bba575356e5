//! Questions about events and lists of runs.

use std::fmt::Write as _;

use rusqlite::{Connection, Params, params, params_from_iter};

use super::error::Trouble;
use super::event_row::StoredEvent;
use super::rows;
use super::values::{int, number};
use crate::adapters::store::chain::Hash;
use crate::domain::event::Recorded;
use crate::domain::id::{Digest, EventSeq, IdempotencyKey, RunId, Version};
use crate::domain::projection::RunRow;
use crate::domain::state::State;
use crate::ports::store::RunQuery;

pub(super) fn events_of(db: &Connection, run: &RunId, after: Version) -> Result<Vec<Recorded>, Trouble> {
    let condition = "run_id = ?1 AND version > ?2 ORDER BY version";
    events(db, condition, params![run.as_str(), int(after.0)])
}

pub(super) fn events_after(db: &Connection, after: EventSeq, limit: usize) -> Result<Vec<Recorded>, Trouble> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    events(db, "seq > ?1 ORDER BY seq LIMIT ?2", params![int(after.0), limit])
}

pub(super) fn digests_after(
    db: &Connection,
    after: EventSeq,
    limit: usize,
) -> Result<Vec<(EventSeq, Digest)>, Trouble> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement =
        db.prepare_cached("SELECT seq, hash FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let mut found = statement.query(params![int(after.0), limit])?;
    let mut digests = Vec::new();
    while let Some(row) = found.next()? {
        let hash: Hash = row.get(1)?;
        digests.push((EventSeq(number(row.get(0)?)?), Digest::new(hex::encode(hash))?));
    }
    Ok(digests)
}

pub(super) fn event_with_key(
    db: &Connection,
    run: &RunId,
    key: &IdempotencyKey,
) -> Result<Option<Recorded>, Trouble> {
    Ok(events(db, "run_id = ?1 AND key = ?2", params![run.as_str(), key.as_str()])?.pop())
}

pub(super) fn last_seq(db: &Connection) -> Result<EventSeq, Trouble> {
    let last: Option<i64> =
        db.prepare_cached("SELECT max(seq) FROM events")?.query_row([], |row| row.get(0))?;
    Ok(EventSeq(number(last.unwrap_or(0))?))
}

fn events(db: &Connection, condition: &str, values: impl Params) -> Result<Vec<Recorded>, Trouble> {
    let sql = format!("SELECT {} FROM events WHERE {condition}", StoredEvent::COLUMNS);
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = statement.query(values)?;
    let mut events = Vec::new();
    while let Some(row) = found.next()? {
        events.push(StoredEvent::of(row)?.recorded()?);
    }
    Ok(events)
}

/// Rows newest first, without sorting: each state's rows lie in that order in the index, and SQLite merges them, so a
/// short list costs the same in a large store.
pub(super) fn run_rows(db: &Connection, query: &RunQuery) -> Result<Vec<RunRow>, Trouble> {
    let mut states = if query.states.is_empty() { State::ALL.to_vec() } else { query.states.clone() };
    states.sort_unstable();
    states.dedup();
    let mut sql = String::new();
    for index in 1..=states.len() {
        let union = if index == 1 { "" } else { " UNION ALL " };
        // Writing to a string cannot fail.
        let _ = write!(sql, "{union}SELECT {} FROM runs WHERE state = ?{index}", rows::RUN_COLUMNS);
    }
    let limit = query.limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(-1);
    let _ = write!(sql, " ORDER BY last_seq DESC LIMIT {limit}");
    let mut statement = db.prepare(&sql)?;
    let mut found = statement.query(params_from_iter(states.iter().map(|state| state.name())))?;
    let mut runs = Vec::new();
    while let Some(row) = found.next()? {
        runs.push(rows::head(row)?.row);
    }
    Ok(runs)
}
