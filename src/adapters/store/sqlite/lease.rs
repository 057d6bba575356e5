//! Leases as rows.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::Trouble;
use super::values::{int, number};
use crate::adapters::store::lease::{Claim, Held, claim};
use crate::adapters::store::owner;
use crate::domain::id::RunId;
use crate::domain::time::{Moment, Timestamp};
use crate::ports::store::{Lease, LeaseOwner, StoreError};

/// Generation of a run's newest lease, given back or not; `None` when there never was one.
pub(super) fn generation(db: &Connection, run: &RunId) -> Result<Option<u64>, Trouble> {
    let mut statement = db.prepare_cached("SELECT generation FROM leases WHERE run_id = ?1")?;
    statement.query_row([run.as_str()], |row| row.get(0)).optional()?.map(number).transpose()
}

pub(super) fn take(db: &Connection, run: &RunId, owner: &LeaseOwner, now: &Moment) -> Result<Lease, Trouble> {
    let generation = match claim(held(db, run)?.as_ref(), owner, now) {
        Claim::Renewed(generation) | Claim::Taken(generation) => generation,
        Claim::Refused { owner } => return Err(StoreError::LeaseHeld { run: run.clone(), owner }.into()),
    };
    let sql = "INSERT OR REPLACE INTO leases (run_id, owner, generation, wall, boot, monotonic_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    db.prepare_cached(sql)?.execute(params![
        run.as_str(),
        owner::to_text(owner),
        int(generation),
        now.wall.0,
        now.boot,
        int(now.monotonic_ms),
    ])?;
    Ok(Lease { run: run.clone(), owner: owner.clone(), generation })
}

/// Takes the owner out; a newer lease of somebody else stays as it is.
pub(super) fn release(db: &Connection, lease: &Lease) -> Result<(), Trouble> {
    let sql = "UPDATE leases SET owner = NULL WHERE run_id = ?1 AND generation = ?2";
    db.prepare_cached(sql)?.execute(params![lease.run.as_str(), int(lease.generation)])?;
    Ok(())
}

fn held(db: &Connection, run: &RunId) -> Result<Option<Held>, Trouble> {
    let sql = "SELECT owner, generation, wall, boot, monotonic_ms FROM leases WHERE run_id = ?1";
    let mut statement = db.prepare_cached(sql)?;
    let mut found = statement.query([run.as_str()])?;
    let Some(row) = found.next()? else { return Ok(None) };
    Ok(Some(Held {
        owner: row.get(0)?,
        generation: number(row.get(1)?)?,
        heartbeat: Moment {
            wall: Timestamp(row.get(2)?),
            boot: row.get(3)?,
            monotonic_ms: number(row.get(4)?)?,
        },
    }))
}
