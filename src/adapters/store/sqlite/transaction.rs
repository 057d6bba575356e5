//! A write transaction that rolls back unless it was committed, also when a panic unwinds through it.

use rusqlite::Connection;

/// An open write transaction; takes the file's write lock at once, so that it cannot fail half-way for want of it.
pub(super) struct Transaction<'a> {
    db: &'a Connection,
}

impl<'a> Transaction<'a> {
    pub(super) fn begin(db: &'a Connection) -> rusqlite::Result<Self> {
        db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Self { db })
    }

    /// Makes it durable; a transaction that cannot be committed is rolled back.
    pub(super) fn commit(self) -> rusqlite::Result<()> {
        self.db.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    /// Says whether SQLite has ended the transaction by itself, as it does on a full disk.
    pub(super) fn is_gone(&self) -> bool {
        self.db.is_autocommit()
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.db.is_autocommit() {
            // When even this fails the connection is unusable, and the next BEGIN says so.
            drop(self.db.execute_batch("ROLLBACK"));
        }
    }
}
