//! The store in one SQLite file: write-ahead log, full synchronisation, one writing connection and a few that read.
//!
//! Read in this order: `open` (the file and its settings), `schema` (migrations), `request`, `commit`, `append` and `write` (the way
//! in), `read` and `readers` (the way out), `inbox`, `lease`, and for upkeep `replay`, `verify`, `rebuild`, `backup`. No type of the
//! SQLite library leaves this folder, and no file handle but SQLite's own is ever closed on a store that is open: closing
//! one would drop SQLite's locks (POSIX).

mod append;
mod backup;
pub mod commit;
mod delivery_row;
mod error;
mod event_row;
mod fact;
mod heads;
mod inbox;
mod lease;
mod ledger;
mod link;
mod open;
mod read;
mod readers;
mod rebuild;
mod replay;
mod request;
mod rows;
mod schema;
mod transaction;
mod values;
mod verify;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use self::commit::Group;
use self::error::{Trouble, edge};
use self::heads::Heads;
use self::open::Mode;
use self::readers::Readers;
use self::request::{Done, Ready, Request};
pub use self::schema::SCHEMA;
use self::transaction::Transaction;
use crate::domain::event::Recorded;
use crate::domain::id::{Digest, EventSeq, IdempotencyKey, RunId, Version};
use crate::domain::projection::{ArtifactRow, AttemptRow, RunRow};
use crate::domain::time::Moment;
use crate::ports::inbox::Taken;
use crate::ports::store::{
    Append, EventStore, Lease, LeaseOwner, RebuildReport, RunQuery, StoreError, StoreFacts, Upkeep,
    VerifyReport,
};

/// Requests that one transaction takes at most: keeps the wait of the first one bounded when very many come at once.
const GROUP_CAP: usize = 256;

type Answer = Result<Done, StoreError>;

/// Events, projections, leases and deliveries in one SQLite file.
///
/// Any number of processes may have the same file open. Within a process, share one value.
pub struct SqliteStore {
    path: PathBuf,
    mode: Mode,
    readers: Readers,
    writer: Option<Mutex<Writer>>,
    group: Group<Request, (Answer, Request)>,
}

/// The one connection that writes.
struct Writer {
    db: Connection,
    heads: Heads,
}

impl SqliteStore {
    /// Opens the store at `path`, and makes it first when there is no file.
    ///
    /// Missing directories above it are made with mode 0700, the file with 0600. The file appears under its name only
    /// once it is a whole store; of two processes that make it at once, one does and both open it.
    ///
    /// # Errors
    /// As [`Self::open`], and [`StoreError::Unavailable`] when it cannot be made.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        if !open::is_there(path)? {
            open::make(path)?;
        }
        Self::open(path)
    }

    /// Opens an existing store, and brings an older schema up to date in one transaction.
    ///
    /// Takes the same time for a small and a large store: it looks at names and numbers, not at contents.
    ///
    /// # Errors
    /// [`StoreError::Missing`] without a file, [`StoreError::Newer`] for a newer schema, [`StoreError::Damaged`] for
    /// anything that is no store, [`StoreError::Unavailable`] when it is locked or may not be written.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut db = open::connect(path, Mode::Writer)?;
        schema::migrate(&mut db).map_err(edge(path, "written"))?;
        let reader = open::connect(path, Mode::Reader)?;
        Ok(Self {
            path: path.to_owned(),
            mode: Mode::Reader,
            readers: Readers::new(path.to_owned(), Mode::Reader, reader),
            writer: Some(Mutex::new(Writer { db, heads: Heads::default() })),
            group: Group::new(GROUP_CAP),
        })
    }

    /// Opens an existing store for reading only, as commands that show something do.
    ///
    /// Works beside a daemon and on a read-only medium. Where the directory cannot be written and no `-wal` file is left
    /// there, the file is read as one that nobody changes; a writer that appeared meanwhile would not be noticed.
    ///
    /// # Errors
    /// As [`Self::open`]; an older schema is [`StoreError::Unavailable`], because it cannot be brought up to date.
    pub fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        let (reader, mode) = open::connect_to_read(path)?;
        Ok(Self {
            path: path.to_owned(),
            mode,
            readers: Readers::new(path.to_owned(), mode, reader),
            writer: None,
            group: Group::new(GROUP_CAP),
        })
    }

    fn writer(&self) -> Result<MutexGuard<'_, Writer>, StoreError> {
        let writer = self.writer.as_ref().ok_or_else(|| self.read_only())?;
        // A transaction that a panic left behind was rolled back when it was dropped.
        Ok(writer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn read_only(&self) -> StoreError {
        let why = format!("`{}` was opened for reading", self.path.display());
        StoreError::Unavailable { action: "written", why }
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Trouble>) -> Result<T, StoreError> {
        self.readers.with(work).map_err(edge(&self.path, "read"))
    }

    /// Has a request performed together with those of other callers.
    fn submit(&self, request: Result<Request, Trouble>) -> Answer {
        if self.writer.is_none() {
            return Err(self.read_only());
        }
        let request = request.map_err(edge(&self.path, "written"))?;
        let answer = self.group.submit(request, |requests| match self.writer() {
            Ok(mut writer) => append::append_group(&mut writer, &self.path, requests),
            Err(_) => Vec::new(),
        });
        answer.map(|(answer, _spent)| answer).unwrap_or_else(|| {
            let why = "the transaction was given up before it was committed".to_owned();
            Err(StoreError::Unavailable { action: "written", why })
        })
    }

    fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Trouble>) -> Result<T, StoreError> {
        let mut writer = self.writer()?;
        // A rebuild may change rows that are kept; the others cost nothing by being read again.
        writer.heads = Heads::default();
        let written = Transaction::begin(&writer.db).map_err(Trouble::from).and_then(|transaction| {
            let answer = work(&writer.db)?;
            transaction.commit()?;
            Ok(answer)
        });
        written.map_err(edge(&self.path, "written"))
    }

    /// A connection of its own for long reads, so that short ones need not wait for it.
    fn own_reader(&self) -> Result<Connection, StoreError> {
        open::connect(&self.path, self.mode)
    }
}

impl EventStore for SqliteStore {
    fn append(&self, append: &Append) -> Result<Vec<Recorded>, StoreError> {
        match self.submit(Ready::new(append).map(Request::Append))? {
            Done::Taken(Taken::Recorded(recorded)) => Ok(recorded),
            // No other answer is given to an append.
            Done::Taken(Taken::Duplicate | Taken::OtherBody) | Done::Rows(_) => Ok(Vec::new()),
        }
    }

    fn events_of(&self, run: &RunId, after: Version) -> Result<Vec<Recorded>, StoreError> {
        self.read(|db| read::events_of(db, run, after))
    }

    fn events_after(&self, after: EventSeq, limit: usize) -> Result<Vec<Recorded>, StoreError> {
        self.read(|db| read::events_after(db, after, limit))
    }

    fn digests_after(&self, after: EventSeq, limit: usize) -> Result<Vec<(EventSeq, Digest)>, StoreError> {
        self.read(|db| read::digests_after(db, after, limit))
    }

    fn last_seq(&self) -> Result<EventSeq, StoreError> {
        self.read(read::last_seq)
    }

    fn event_with_key(&self, run: &RunId, key: &IdempotencyKey) -> Result<Option<Recorded>, StoreError> {
        self.read(|db| read::event_with_key(db, run, key))
    }

    fn run_row(&self, run: &RunId) -> Result<Option<RunRow>, StoreError> {
        self.read(|db| Ok(rows::head_of(db, run)?.map(|head| head.row)))
    }

    fn run_rows(&self, query: &RunQuery) -> Result<Vec<RunRow>, StoreError> {
        self.read(|db| read::run_rows(db, query))
    }

    fn attempts_of(&self, run: &RunId) -> Result<Vec<AttemptRow>, StoreError> {
        self.read(|db| rows::attempts_of(db, run))
    }

    fn artifacts_of(&self, run: &RunId) -> Result<Vec<ArtifactRow>, StoreError> {
        self.read(|db| rows::artifacts_of(db, run))
    }

    fn take_lease(&self, run: &RunId, owner: &LeaseOwner, now: &Moment) -> Result<Lease, StoreError> {
        self.write(|db| lease::take(db, run, owner, now))
    }

    fn release_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        self.write(|db| lease::release(db, lease))
    }

    /// The last event's number: it moves with every append of any process, and with nothing else.
    fn change_mark(&self) -> Result<u64, StoreError> {
        self.last_seq().map(|seq| seq.0)
    }
}

impl Upkeep for SqliteStore {
    fn verify(&self) -> Result<VerifyReport, StoreError> {
        let reader = self.own_reader()?;
        verify::verify(&reader).map_err(edge(&self.path, "read"))
    }

    fn rebuild(&self) -> Result<RebuildReport, StoreError> {
        self.write(rebuild::rebuild)
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let reader = self.own_reader()?;
        backup::backup(&reader, &self.path, to)
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        let mut facts = self.read(fact::of_file)?;
        if let Some(writer) = &self.writer {
            let writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            facts.flushes = Some(fact::flushes(&writer.db).map_err(edge(&self.path, "read"))?);
        }
        Ok(facts)
    }
}
