//! Deliveries as rows.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::Trouble;
use super::values::{from_word, int, number};
use crate::adapters::store::inbox_rule::{self, Known};
use crate::domain::forge::delivery::{Address, DeliveryId, DeliveryOrigin, DeliveryStatus};
use crate::domain::id::{BranchName, CommitSha, Digest, RunId};
use crate::domain::time::Timestamp;
use crate::ports::inbox::{DeliveryRow, Taken};

/// A delivery made ready to be written.
pub(super) struct Kept {
    row: DeliveryRow,
    id: [u8; 16],
    digest: [u8; 32],
    addresses: Option<String>,
    runs: Option<String>,
}

impl Kept {
    pub(super) fn new(row: &DeliveryRow) -> Result<Self, Trouble> {
        Ok(Self {
            row: row.clone(),
            id: id_bytes(&row.id)?,
            digest: digest_bytes(&row.digest)?,
            addresses: json(&row.addresses)?,
            runs: json(&row.runs)?,
        })
    }
}

/// Where a delivery is written.
#[derive(Clone, Copy)]
pub(super) enum Place {
    New,
    /// In the place of the row with this number.
    Of(i64),
}

/// Where a delivery belongs, or the answer to one that is not kept.
pub(super) fn place(db: &Connection, kept: &Kept) -> Result<Result<Place, Taken>, Trouble> {
    let sql = "SELECT no, origin, status, digest = ?3 FROM deliveries WHERE source = ?1 AND id = ?2";
    let mut statement = db.prepare_cached(sql)?;
    let mut found = statement.query(params![kept.row.source, kept.id, kept.digest])?;
    let Some(row) = found.next()? else { return Ok(Ok(Place::New)) };
    let known = Known { origin: origin(row, 1)?, status: status(row, 2)?, same_bytes: row.get(3)? };
    let no = row.get(0)?;
    Ok(inbox_rule::answer(known, kept.row.origin).map_or(Ok(Place::Of(no)), Err))
}

/// Writes a delivery, and what it waits for.
pub(super) fn keep(db: &Connection, kept: &Kept, place: Place) -> Result<(), Trouble> {
    let row = &kept.row;
    let no = match place {
        Place::New => insert(db, kept)?,
        Place::Of(no) => {
            update(db, kept, no)?;
            db.prepare_cached("DELETE FROM waiting WHERE delivery = ?1")?.execute([no])?;
            no
        }
    };
    if row.status == DeliveryStatus::Waiting {
        for (index, address) in (0_i64..).zip(&row.addresses) {
            insert_address(db, no, index, address)?;
        }
    }
    Ok(())
}

fn insert(db: &Connection, kept: &Kept) -> Result<i64, Trouble> {
    let row = &kept.row;
    let sql = "INSERT INTO deliveries (source, id, origin, event, hook, digest, received_at, status, detail, addresses,
                   runs, tries, next_at, body)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
    Ok(db.prepare_cached(sql)?.insert(params![
        row.source,
        kept.id,
        origin_name(row.origin),
        row.event,
        row.hook.map(int),
        kept.digest,
        row.received_at.0,
        row.status.name(),
        row.detail,
        kept.addresses,
        kept.runs,
        row.tries,
        row.next_at.map(|at| at.0),
        row.body,
    ])?)
}

/// As [`inbox_rule::keeps_body`] says, the bytes stay where they are the same and are not handed over again.
fn update(db: &Connection, kept: &Kept, no: i64) -> Result<(), Trouble> {
    let row = &kept.row;
    let sql = "UPDATE deliveries SET origin = ?2, event = ?3, hook = ?4, status = ?6, detail = ?7, addresses = ?8, runs = ?9,
                   tries = ?10, next_at = ?11, digest = ?5,
                   body = CASE WHEN ?13 AND digest = ?5 THEN body ELSE ?12 END
               WHERE no = ?1";
    db.prepare_cached(sql)?.execute(params![
        no,
        origin_name(row.origin),
        row.event,
        row.hook.map(int),
        kept.digest,
        row.status.name(),
        row.detail,
        kept.addresses,
        kept.runs,
        row.tries,
        row.next_at.map(|at| at.0),
        row.body,
        inbox_rule::keeps_body(row),
    ])?;
    Ok(())
}

fn insert_address(db: &Connection, no: i64, index: i64, address: &Address) -> Result<(), Trouble> {
    let sql = "INSERT INTO waiting (delivery, place, repo_id, repo, pr_number, sha, branch, whole)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    db.prepare_cached(sql)?.execute(params![
        no,
        index,
        address.repo_id.map(int),
        address.repo,
        address.pr.map(|pr| int(pr.get())),
        address.sha.as_ref().map(CommitSha::as_str),
        address.branch.as_ref().map(BranchName::as_str),
        address.whole_repository,
    ])?;
    Ok(())
}

/// The columns that [`delivery`] reads: all but the body.
pub(super) const COLUMNS: &str =
    "source, id, origin, event, hook, digest, received_at, status, detail, addresses, runs, tries, next_at";

pub(super) fn of_name(
    db: &Connection,
    source: &str,
    id: &DeliveryId,
) -> Result<Option<DeliveryRow>, Trouble> {
    let sql = format!("SELECT {COLUMNS} FROM deliveries WHERE source = ?1 AND id = ?2");
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = statement.query(params![source, id_bytes(id)?])?;
    found.next()?.map(delivery).transpose()
}

pub(super) fn body(db: &Connection, source: &str, id: &DeliveryId) -> Result<Option<Vec<u8>>, Trouble> {
    let mut statement = db.prepare_cached("SELECT body FROM deliveries WHERE source = ?1 AND id = ?2")?;
    Ok(statement.query_row(params![source, id_bytes(id)?], |row| row.get(0)).optional()?.flatten())
}

pub(super) fn delivery(row: &Row<'_>) -> Result<DeliveryRow, Trouble> {
    let id = id_at(row, 1)?;
    let parse = || {
        Ok(DeliveryRow {
            source: row.get(0)?,
            id: id.clone(),
            origin: origin(row, 2)?,
            event: row.get(3)?,
            hook: row.get::<_, Option<i64>>(4)?.map(number).transpose()?,
            digest: Digest::new(hex::encode(row.get::<_, [u8; 32]>(5)?))?,
            body: None,
            received_at: Timestamp(row.get(6)?),
            status: status(row, 7)?,
            detail: row.get(8)?,
            addresses: list::<Address>(row, 9)?,
            runs: list::<RunId>(row, 10)?,
            tries: row.get(11)?,
            next_at: row.get::<_, Option<i64>>(12)?.map(Timestamp),
        })
    };
    parse().map_err(|trouble: Trouble| trouble.at(&format!("delivery `{id}`")))
}

/// A delivery's name as it is stored: the sixteen bytes that its UUID is.
pub(super) fn id_bytes(id: &DeliveryId) -> Result<[u8; 16], Trouble> {
    let digits: String = id.as_str().chars().filter(|c| *c != '-').collect();
    let mut bytes = [0; 16];
    hex::decode_to_slice(digits, &mut bytes)
        .map_err(|err| Trouble::Row(format!("delivery `{id}`: {err}")))?;
    Ok(bytes)
}

pub(super) fn id_at(row: &Row<'_>, index: usize) -> Result<DeliveryId, Trouble> {
    let mut text = hex::encode(row.get::<_, [u8; 16]>(index)?);
    for dash in [8, 13, 18, 23] {
        text.insert(dash, '-');
    }
    Ok(DeliveryId::new(&text)?)
}

pub(super) fn digest_bytes(digest: &Digest) -> Result<[u8; 32], Trouble> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(digest.as_str(), &mut bytes).map_err(|err| Trouble::Row(err.to_string()))?;
    Ok(bytes)
}

/// A list as JSON; an empty one is NULL.
fn json<T: serde::Serialize>(list: &[T]) -> Result<Option<String>, Trouble> {
    if list.is_empty() {
        return Ok(None);
    }
    serde_json::to_string(list).map(Some).map_err(|err| Trouble::Row(err.to_string()))
}

fn list<T: serde::de::DeserializeOwned>(row: &Row<'_>, index: usize) -> Result<Vec<T>, Trouble> {
    let stored = row.get_ref(index)?.as_str_or_null().map_err(|err| Trouble::Row(err.to_string()))?;
    let Some(text) = stored else { return Ok(Vec::new()) };
    serde_json::from_str(text).map_err(|err| Trouble::Row(err.to_string()))
}

fn status(row: &Row<'_>, index: usize) -> Result<DeliveryStatus, Trouble> {
    let name = row.get_ref(index)?.as_str().unwrap_or_default();
    DeliveryStatus::of(name).ok_or_else(|| Trouble::Row(format!("unknown status `{name}`")))
}

fn origin(row: &Row<'_>, index: usize) -> Result<DeliveryOrigin, Trouble> {
    from_word(row.get_ref(index)?.as_str().unwrap_or_default())
}

fn origin_name(origin: DeliveryOrigin) -> &'static str {
    match origin {
        DeliveryOrigin::Webhook => "webhook",
        DeliveryOrigin::Reconciled => "reconciled",
    }
}
