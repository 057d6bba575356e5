//! The schema and its migrations: numbered, forward only, never edited once released.

use rusqlite::Connection;

use super::error::Trouble;
use super::rebuild;
use super::transaction::Transaction;

/// "AgPR" in ASCII, written by the first migration.
pub(super) const APPLICATION_ID: i32 = 0x4167_5052;

struct Migration {
    sql: &'static str,
    /// Whether it makes or changes projection tables, which are then filled from the events.
    reprojects: bool,
}

const MIGRATIONS: &[Migration] = &[
    Migration { sql: include_str!("migrations/0001_events.sql"), reprojects: false },
    Migration { sql: include_str!("migrations/0002_projections.sql"), reprojects: true },
    Migration { sql: include_str!("migrations/0003_ledger.sql"), reprojects: true },
    Migration { sql: include_str!("migrations/0004_inbox.sql"), reprojects: true },
];

/// The schema this program writes: the number of its last migration, kept in `user_version`.
pub const SCHEMA: u32 = 4;

const _: () = assert!(MIGRATIONS.len() == SCHEMA as usize, "each migration is one schema number");

/// The schema of a file.
pub(super) fn version(db: &Connection) -> Result<u32, Trouble> {
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    u32::try_from(version).map_err(|_| Trouble::Row(format!("schema {version}")))
}

/// Applies the migrations a file lacks, all in one transaction: it has its old schema, or the newest, and never one between.
///
/// Projections are filled once, after the last migration, because that is the shape this program knows how to write.
pub(super) fn migrate(db: &mut Connection) -> Result<(), Trouble> {
    if version(db)? >= SCHEMA {
        return Ok(());
    }
    let transaction = Transaction::begin(db)?;
    // Asked again under the write lock: another process may have done it meanwhile.
    let found = usize::try_from(version(db)?).unwrap_or(usize::MAX);
    let missing = MIGRATIONS.get(found..).unwrap_or_default();
    for migration in missing {
        db.execute_batch(migration.sql)?;
    }
    if missing.iter().any(|migration| migration.reprojects) {
        rebuild::drop_rows(db)?;
        rebuild::fill(db)?;
    }
    if !missing.is_empty() {
        db.pragma_update(None, "user_version", SCHEMA)?;
    }
    transaction.commit()?;
    Ok(())
}
