//! Connections that read: a few, because a webhook asks several questions and webhooks come on many threads.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use rusqlite::Connection;

use super::open::{self, Mode};

/// Connections beside the first: with it as many as there are processors on a small machine. Each costs up to 2 MiB of cache.
const MORE: usize = 3;

/// Reading connections. The first is there from the beginning; another is opened when a reader finds all others in use, so that a
/// command that asks one thing after the other opens one.
pub(super) struct Readers {
    path: PathBuf,
    mode: Mode,
    first: Mutex<Connection>,
    more: [Mutex<Option<Connection>>; MORE],
    /// Counts those who found all in use, so that they do not all wait for the same one.
    turn: AtomicUsize,
}

impl Readers {
    pub(super) fn new(path: PathBuf, mode: Mode, first: Connection) -> Self {
        let more = std::array::from_fn(|_| Mutex::new(None));
        Self { path, mode, first: Mutex::new(first), more, turn: AtomicUsize::new(0) }
    }

    /// Lends a connection; waits while all are in use. Each sees what was committed before it was lent, by whichever process.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Connection) -> T) -> T {
        if let Some(db) = free(&self.first) {
            return work(&db);
        }
        for place in &self.more {
            let Some(mut place) = free(place) else { continue };
            if place.is_none() {
                // Where no more can be opened, those that are open do.
                *place = open::connect(&self.path, self.mode).ok();
            }
            if let Some(db) = &*place {
                return work(db);
            }
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % (MORE + 1);
        if let Some(place) = self.more.get(turn)
            && let Some(db) = &*lock(place)
        {
            return work(db);
        }
        work(&lock(&self.first))
    }
}

/// The value, unless it is in use.
fn free<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(free) => Some(free),
        Err(TryLockError::Poisoned(free)) => Some(free.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// A panic while reading leaves nothing half-done: SQLite ends a read when its statement is dropped.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
