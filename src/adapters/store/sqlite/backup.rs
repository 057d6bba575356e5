//! Copying the store while it is in use.

use std::io::ErrorKind;
use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::error::{Trouble, edge};
use super::open::{directory_of, flush, unavailable};
use crate::ports::store::StoreError;

/// Copies one snapshot of the store to `to`, which must not exist, and which appears only when it is whole.
pub(super) fn backup(db: &Connection, path: &Path, to: &Path) -> Result<(), StoreError> {
    let failed = |err: std::io::Error| unavailable("written", to, &err);
    let exists = || failed(std::io::Error::from(ErrorKind::AlreadyExists));
    if to.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let directory = directory_of(to);
    let passing =
        tempfile::Builder::new().prefix(".agentpr-backup-").tempfile_in(directory).map_err(failed)?;
    let passing = passing.into_temp_path();
    copy(db, &passing).map_err(edge(path, "read"))?;
    check(&passing).map_err(edge(to, "written"))?;
    flush(&passing).map_err(failed)?;
    passing.persist_noclobber(to).map_err(|err| failed(err.error))?;
    flush(directory).map_err(failed)
}

/// Copies all pages in one step, under one read of the source: writers go on, and the copy is of one moment.
fn copy(db: &Connection, passing: &Path) -> Result<(), Trouble> {
    let mut target = Connection::open_with_flags(passing, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let step = Backup::new(db, &mut target)?.step(-1)?;
    if step != StepResult::Done {
        let why = "the copy did not come to its end".to_owned();
        return Err(StoreError::Unavailable { action: "written", why }.into());
    }
    target.close().map_err(|(_, err)| err)?;
    Ok(())
}

fn check(passing: &Path) -> Result<(), Trouble> {
    let db = Connection::open_with_flags(passing, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let answer: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if answer != "ok" {
        return Err(Trouble::Row(answer));
    }
    // Closing the only connection also takes away the log that opening it made.
    db.close().map_err(|(_, err)| err)?;
    Ok(())
}
