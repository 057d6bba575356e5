//! What the file is kept with: version, settings and, where that is quick, the soundness of its pages.

use rusqlite::Connection;

use super::error::Trouble;
use super::schema;
use crate::ports::store::StoreFacts;

/// Pages up to which the file is read through in passing: 64 MiB of 4 KiB pages, about 100 ms.
const QUICK_PAGES: i64 = 16_384;

/// The setting of `synchronous` under which a commit waits for the disk in every case: FULL, or EXTRA above it.
const FULL: i64 = 2;

/// Facts that any connection sees.
pub(super) fn of_file(db: &Connection) -> Result<StoreFacts, Trouble> {
    let pages: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let said = |db: &Connection| -> Result<String, Trouble> {
        Ok(db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?)
    };
    let pages = if pages <= QUICK_PAGES { Some(said(db)?) } else { None };
    Ok(StoreFacts {
        library: rusqlite::version().to_owned(),
        journal_mode: db.pragma_query_value(None, "journal_mode", |row| row.get(0))?,
        flushes: None,
        schema: schema::version(db)?,
        pages: pages.map(|said| if said == "ok" { Ok(()) } else { Err(said) }),
    })
}

/// Whether the commits of a writing connection wait for the disk.
pub(super) fn flushes(db: &Connection) -> Result<bool, Trouble> {
    let synchronous: i64 = db.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    Ok(synchronous >= FULL)
}
