//! The rows of runs that were appended to lately, kept by the writer so that it need not read back what it wrote.

use std::collections::HashMap;

use rusqlite::Connection;

use super::error::Trouble;
use super::rows::{self, Head};
use crate::domain::id::RunId;

/// Runs that are kept at most: more than are ever under way at once.
const KEPT: usize = 1_024;

/// Heads as of the last commit of this connection. Whoever works with them takes them out of their place and puts them
/// back only after the commit, so a failure of any kind leaves none behind.
#[derive(Default)]
pub(super) struct Heads {
    /// SQLite's number that moves when another connection, of any process, has committed.
    data_version: Option<i64>,
    known: HashMap<RunId, Head>,
}

impl Heads {
    /// Forgets everything when somebody else has written since; called under the write lock.
    pub(super) fn refresh(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let now = db.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if self.data_version != Some(now) || self.known.len() > KEPT {
            self.known.clear();
            self.data_version = Some(now);
        }
        Ok(())
    }

    /// Takes a run's head out, or reads it and makes sure that it is what the log says; `None` when there is no such run.
    pub(super) fn take(&mut self, db: &Connection, run: &RunId) -> Result<Option<Head>, Trouble> {
        if let Some(head) = self.known.remove(run) {
            return Ok(Some(head));
        }
        match rows::head_to_append(db, run)? {
            Some((_, false)) => {
                let why =
                    format!("the row of run `{run}` is not what its events say; rebuild the projections");
                Err(Trouble::Row(why))
            }
            Some((head, true)) => Ok(Some(head)),
            None => Ok(None),
        }
    }

    /// Keeps a head, as it is after the commit that is to follow.
    pub(super) fn put(&mut self, head: Head) {
        self.known.insert(head.row.run.clone(), head);
    }
    /// Drops a head that is not what will be committed.
    pub(super) fn forget(&mut self, run: &RunId) {
        self.known.remove(run);
    }
}
