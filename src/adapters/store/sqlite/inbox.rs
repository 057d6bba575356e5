//! The inbox: deliveries and what is known of the hooks that send them.
//!
//! Questions are answered from what is committed, by whichever process, and one question is one statement. Everything written here
//! joins the group of requests that share a transaction, so it waits for its turn as an append does and holds none up for long.

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::SqliteStore;
use super::delivery_row::{self, COLUMNS, Kept};
use super::error::{Trouble, edge};
use super::link;
use super::request::{Done, Ready, Request};
use super::values::{int, number};
use crate::adapters::store::inbox_rule::{MOST_DELIVERIES, MOST_INCIDENTS, forgotten_before};
use crate::domain::forge::delivery::{Address, DeliveryId, DeliveryStatus};
use crate::domain::id::{Digest, RunId};
use crate::domain::time::Timestamp;
use crate::ports::inbox::{DeliveryQuery, DeliveryRow, HookRow, Inbox, Incident, Taken};
use crate::ports::store::{Append, StoreError};

/// Deliveries that one transaction removes at most. Webhooks wait for their turn meanwhile: about 60 ms in a debug build on a busy
/// machine.
const SLICE: u64 = 1_000;

impl Inbox for SqliteStore {
    fn delivery(&self, source: &str, id: &DeliveryId) -> Result<Option<DeliveryRow>, StoreError> {
        self.read(|db| delivery_row::of_name(db, source, id))
    }

    fn twin(
        &self,
        source: &str,
        id: &DeliveryId,
        digest: &Digest,
        since: Timestamp,
    ) -> Result<Option<DeliveryId>, StoreError> {
        self.read(|db| twin(db, source, id, digest, since))
    }

    fn take(&self, delivery: &DeliveryRow, appends: &[Append]) -> Result<Taken, StoreError> {
        let appends: Result<Vec<Ready>, Trouble> = appends.iter().map(Ready::new).collect();
        let request = appends.and_then(|appends| {
            let kept = Kept::new(delivery)?;
            Ok(Request::Take(Box::new(kept), appends))
        });
        match self.submit(request)? {
            Done::Taken(taken) => Ok(taken),
            // No other answer is given to a delivery.
            Done::Rows(_) => Ok(Taken::Recorded(Vec::new())),
        }
    }

    fn body(&self, source: &str, id: &DeliveryId) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|db| delivery_row::body(db, source, id))
    }

    fn deliveries(&self, query: &DeliveryQuery) -> Result<Vec<DeliveryRow>, StoreError> {
        self.read(|db| deliveries(db, query))
    }

    fn counts(&self, source: &str) -> Result<Vec<(DeliveryStatus, u64)>, StoreError> {
        self.read(|db| counts(db, source))
    }

    fn runs_at(&self, address: &Address) -> Result<Vec<RunId>, StoreError> {
        self.read(|db| link::runs_at(db, address))
    }

    fn forget_before(&self, source: &str, before: Timestamp) -> Result<u64, StoreError> {
        self.beside(move |db| {
            Ok(db.prepare_cached("DELETE FROM incidents WHERE at < ?1")?.execute([before.0])?)
        })?;
        let mut forgotten = 0;
        loop {
            let source = source.to_owned();
            let removed = self.beside(move |db| forget(db, &source, before))?;
            forgotten += removed;
            if removed < SLICE {
                return Ok(forgotten);
            }
        }
    }

    fn put_hook(&self, hook: &HookRow) -> Result<(), StoreError> {
        let hook = hook.clone();
        let events = serde_json::to_string(&hook.events).map_err(|err| Trouble::Row(err.to_string()));
        let events = events.map_err(edge(&self.path, "written"))?;
        let sql = "INSERT OR REPLACE INTO hooks (id, repo, events, seen_at) VALUES (?1, ?2, ?3, ?4)";
        self.beside(move |db| {
            Ok(db.prepare_cached(sql)?.execute(params![int(hook.id), hook.repo, events, hook.seen_at.0])?)
        })?;
        Ok(())
    }

    fn hooks(&self) -> Result<Vec<HookRow>, StoreError> {
        self.read(hooks)
    }

    fn note_incident(&self, incident: &Incident) -> Result<(), StoreError> {
        let incident = incident.clone();
        self.beside(move |db| note_incident(db, &incident))?;
        Ok(())
    }

    fn incidents(&self, limit: usize) -> Result<Vec<Incident>, StoreError> {
        self.read(|db| incidents(db, limit))
    }
}

impl SqliteStore {
    /// Does something small in the transaction of a group; says how many rows it concerned.
    fn beside(
        &self,
        work: impl Fn(&Connection) -> Result<usize, Trouble> + Send + 'static,
    ) -> Result<u64, StoreError> {
        let rows = move |db: &Connection| Ok(u64::try_from(work(db)?).unwrap_or(u64::MAX));
        match self.submit(Ok(Request::Beside(Box::new(rows))))? {
            Done::Rows(rows) => Ok(rows),
            // No other answer is given.
            Done::Taken(_) => Ok(0),
        }
    }
}

fn twin(
    db: &Connection,
    source: &str,
    id: &DeliveryId,
    digest: &Digest,
    since: Timestamp,
) -> Result<Option<DeliveryId>, Trouble> {
    let sql = "SELECT id FROM deliveries
               WHERE substr(digest, 1, 8) = substr(?1, 1, 8) AND digest = ?1 AND source = ?2 AND id <> ?3
                   AND origin = 'webhook' AND status IN ('processed', 'ignored', 'replayed') AND received_at >= ?4
               ORDER BY received_at DESC, no DESC LIMIT 1";
    let (digest, id) = (delivery_row::digest_bytes(digest)?, delivery_row::id_bytes(id)?);
    let mut statement = db.prepare_cached(sql)?;
    let mut found = statement.query(params![digest, source, id, since.0])?;
    found.next()?.map(|row| delivery_row::id_at(row, 0)).transpose()
}

/// The deliveries that wait for something an address names, as [`Address::meets`] says; `?1` to `?6` are [`link::named`].
const WAITING_FOR: &str = "SELECT delivery FROM waiting WHERE sha = ?1
     UNION SELECT delivery FROM waiting WHERE branch = ?2
     UNION SELECT delivery FROM waiting WHERE repo_id = ?3 AND pr_number = ?5
     UNION SELECT delivery FROM waiting WHERE repo = ?4 AND pr_number = ?5 AND (repo_id IS NULL OR ?3 IS NULL)
     UNION SELECT delivery FROM waiting WHERE repo_id = ?3 AND (?6 OR whole)
     UNION SELECT delivery FROM waiting WHERE repo = ?4 AND (?6 OR whole) AND (repo_id IS NULL OR ?3 IS NULL)";

/// Rows newest first, without sorting all of them: those of each status lie in that order in the index, and SQLite merges them.
fn deliveries(db: &Connection, query: &DeliveryQuery) -> Result<Vec<DeliveryRow>, Trouble> {
    let wanted = |status: &DeliveryStatus| {
        (query.statuses.is_empty() || query.statuses.contains(status))
            && (query.due_by.is_none() || *status == DeliveryStatus::Failed)
            && (query.waiting_for.is_none() || *status == DeliveryStatus::Waiting)
    };
    // Of those that failed few are due, and of those that wait few wait for this, so both are found by that and not by status.
    let (from, status_is, condition) = match (query.due_by, &query.waiting_for) {
        (None, None) => ("deliveries", "status", String::new()),
        (Some(_), _) => ("deliveries INDEXED BY deliveries_due", "status", "AND next_at <= ?8".to_owned()),
        (None, Some(_)) => ("deliveries", "+status", format!("AND no IN ({WAITING_FOR})")),
    };
    let parts: Vec<String> = DeliveryStatus::ALL
        .into_iter()
        .filter(wanted)
        .map(|status| {
            format!(
                "SELECT {COLUMNS}, no FROM {from} WHERE {status_is} = '{}' AND (?7 = '' OR source = ?7) {condition}",
                status.name()
            )
        })
        .collect();
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let order = if query.due_by.is_some() { "next_at, no" } else { "received_at DESC, no DESC" };
    let mut statement = db.prepare(&format!("{} ORDER BY {order} LIMIT ?9", parts.join(" UNION ALL ")))?;
    let named = link::named(query.waiting_for.as_ref().unwrap_or(&Address::default()));
    let others = [
        Value::Text(query.source.clone()),
        query.due_by.map_or(Value::Null, |at| Value::Integer(at.0)),
        Value::Integer(i64::try_from(query.limit.unwrap_or(MOST_DELIVERIES)).unwrap_or(i64::MAX)),
    ];
    let mut found = statement.query(params_from_iter(named.into_iter().chain(others)))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(delivery_row::delivery(row)?);
    }
    Ok(rows)
}

fn counts(db: &Connection, source: &str) -> Result<Vec<(DeliveryStatus, u64)>, Trouble> {
    let sql = "SELECT count(*) FROM deliveries WHERE status = ?1 AND source = ?2";
    let mut statement = db.prepare_cached(sql)?;
    let mut count = |status: DeliveryStatus| {
        Ok((status, number(statement.query_row([status.name(), source], |row| row.get(0))?)?))
    };
    DeliveryStatus::ALL.into_iter().map(&mut count).collect()
}

/// Removes one slice, and what it waited for with it; says how many deliveries it was.
fn forget(db: &Connection, source: &str, before: Timestamp) -> Result<usize, Trouble> {
    let parts = DeliveryStatus::ALL.map(|status| {
        let before = forgotten_before(status, before).0;
        let status = status.name();
        format!(
            "SELECT no FROM deliveries WHERE status = '{status}' AND received_at < {before} AND source = ?1"
        )
    });
    let sql = format!("DELETE FROM deliveries WHERE no IN ({} LIMIT {SLICE})", parts.join(" UNION ALL "));
    Ok(db.prepare(&sql)?.execute([source])?)
}

fn hooks(db: &Connection) -> Result<Vec<HookRow>, Trouble> {
    let mut statement = db.prepare_cached("SELECT id, repo, events, seen_at FROM hooks ORDER BY id")?;
    let mut found = statement.query([])?;
    let mut hooks = Vec::new();
    while let Some(row) = found.next()? {
        let events = row.get_ref(2)?.as_str().unwrap_or_default();
        hooks.push(HookRow {
            id: number(row.get(0)?)?,
            repo: row.get(1)?,
            events: serde_json::from_str(events).map_err(|err| Trouble::Row(err.to_string()))?,
            seen_at: Timestamp(row.get(3)?),
        });
    }
    Ok(hooks)
}

fn note_incident(db: &Connection, incident: &Incident) -> Result<usize, Trouble> {
    let sql = "INSERT INTO incidents (at, kind, delivery, detail) VALUES (?1, ?2, ?3, ?4)";
    let delivery = delivery_row::id_bytes(&incident.delivery)?;
    let noted =
        db.prepare_cached(sql)?.execute(params![incident.at.0, incident.kind, delivery, incident.detail])?;
    let sql = format!(
        "DELETE FROM incidents
         WHERE no <= (SELECT no FROM incidents ORDER BY no DESC LIMIT 1 OFFSET {MOST_INCIDENTS})"
    );
    db.prepare_cached(&sql)?.execute([])?;
    Ok(noted)
}

fn incidents(db: &Connection, limit: usize) -> Result<Vec<Incident>, Trouble> {
    let sql = "SELECT at, kind, delivery, detail FROM incidents ORDER BY no DESC LIMIT ?1";
    let mut statement = db.prepare_cached(sql)?;
    let mut found = statement.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut incidents = Vec::new();
    while let Some(row) = found.next()? {
        incidents.push(Incident {
            at: Timestamp(row.get(0)?),
            kind: row.get(1)?,
            delivery: delivery_row::id_at(row, 2)?,
            detail: row.get(3)?,
        });
    }
    Ok(incidents)
}
