//! One pass over the whole log, run by run.

use rusqlite::Connection;

use super::error::Trouble;
use super::event_row::StoredEvent;

/// Shows every event to `visit`: run after run, each in the order of its versions. Memory does not grow with the log.
pub(super) fn each_event(
    db: &Connection,
    mut visit: impl FnMut(&StoredEvent<'_>) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let columns = StoredEvent::COLUMNS;
    let sql = format!("SELECT {columns} FROM events INDEXED BY events_version ORDER BY run_id, version");
    let mut statement = db.prepare(&sql)?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        visit(&StoredEvent::of(row)?)?;
    }
    Ok(())
}
