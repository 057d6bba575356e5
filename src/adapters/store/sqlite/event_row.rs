//! Events as rows of the log.

use rusqlite::{CachedStatement, Connection, Row, params};

use super::error::Trouble;
use super::values::{int, number, state};
use crate::adapters::store::chain::{Hash, Link};
use crate::domain::event::{Event, Recorded};
use crate::domain::id::{EventSeq, IdempotencyKey, RunId, Version};
use crate::domain::time::Timestamp;

/// An event as its row holds it, before anything about it is believed.
pub(super) struct StoredEvent<'a> {
    pub(super) seq: i64,
    pub(super) link: Link<'a>,
    pub(super) prev_hash: Hash,
    pub(super) hash: Hash,
}

impl<'a> StoredEvent<'a> {
    pub(super) const COLUMNS: &'static str =
        "seq, run_id, version, name, schema, at, actor, cause, key, state, body, prev_hash, hash";

    /// Reads a row of [`Self::COLUMNS`] without copying its texts.
    pub(super) fn of(row: &'a Row<'_>) -> Result<Self, Trouble> {
        let text = |index: usize| row.get_ref(index)?.as_str().map_err(|err| Trouble::Row(err.to_string()));
        let seq: i64 = row.get(0)?;
        let cause: Option<i64> = row.get(7)?;
        let key = row.get_ref(8)?.as_str_or_null().map_err(|err| Trouble::Row(err.to_string()))?;
        let schema: i64 = row.get(4)?;
        let link = Link {
            run: text(1)?,
            version: number(row.get(2)?)?,
            name: text(3)?,
            schema: u32::try_from(schema).map_err(|_| Trouble::Row(format!("schema {schema}")))?,
            at: row.get(5)?,
            actor: text(6)?,
            cause: cause.map(number).transpose()?,
            key,
            state: text(9)?,
            body: text(10)?,
        };
        Ok(Self { seq, link, prev_hash: row.get(11)?, hash: row.get(12)? })
    }

    /// The event it tells of.
    pub(super) fn recorded(&self) -> Result<Recorded, Trouble> {
        self.parse().map_err(|trouble| trouble.at(&format!("event {}", self.seq)))
    }

    fn parse(&self) -> Result<Recorded, Trouble> {
        let link = &self.link;
        Ok(Recorded {
            seq: EventSeq(number(self.seq)?),
            run: RunId::new(link.run)?,
            version: Version(link.version),
            at: Timestamp(link.at),
            actor: link.actor.parse()?,
            cause: link.cause.map(EventSeq),
            key: link.key.map(IdempotencyKey::new).transpose()?,
            state: state(link.state)?,
            event: Event::read(link.name, link.schema, link.body)?,
        })
    }
}

/// The statement for [`insert_event`].
pub(super) fn insertion(db: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
    let sql = "INSERT INTO events (run_id, version, name, schema, at, actor, cause, key, state, body, prev_hash, hash)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    db.prepare_cached(sql)
}

pub(super) fn insert_event(
    insertion: &mut CachedStatement<'_>,
    link: &Link<'_>,
    prev: &Hash,
    hash: &Hash,
) -> Result<u64, Trouble> {
    let seq = insertion.insert(params![
        link.run,
        int(link.version),
        link.name,
        link.schema,
        link.at,
        link.actor,
        link.cause.map(int),
        link.key,
        link.state,
        link.body,
        prev,
        hash,
    ])?;
    number(seq)
}

pub(super) fn has_key(db: &Connection, run: &RunId, key: &IdempotencyKey) -> Result<bool, Trouble> {
    let mut statement = db.prepare_cached("SELECT 1 FROM events WHERE run_id = ?1 AND key = ?2")?;
    Ok(statement.exists([run.as_str(), key.as_str()])?)
}
