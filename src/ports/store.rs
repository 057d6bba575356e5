//! The store of events: the only truth, and the projections kept with it.
//!
//! All calls are synchronous and may block for one disk flush. One story (`tests/it/store`) is told to every store.

use crate::domain::actor::Actor;
use crate::domain::event::{Event, Recorded};
use crate::domain::id::{Digest, EventSeq, IdempotencyKey, RunId, Version};
use crate::domain::projection::{ArtifactRow, AttemptRow, RunRow};
use crate::domain::run::Unfoldable;
use crate::domain::state::State;
use crate::domain::time::{Moment, Timestamp};

/// Keeps events, projections and leases.
pub trait EventStore: Send + Sync {
    /// Appends events to one run, all or none, and projects them in the same transaction.
    ///
    /// Durable when it returns: a power cut afterwards does not take it back.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the run is not at `expected`, [`StoreError::KeyTaken`] when the key was used,
    /// [`StoreError::Fenced`] when the lease is not the newest; then nothing is appended.
    fn append(&self, append: &Append) -> Result<Vec<Recorded>, StoreError>;

    /// Events of one run after `after`, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    fn events_of(&self, run: &RunId, after: Version) -> Result<Vec<Recorded>, StoreError>;

    /// Events of all runs after `after`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn events_after(&self, after: EventSeq, limit: usize) -> Result<Vec<Recorded>, StoreError>;

    /// Digests of the events after `after`, at most `limit`, as the chain of each run has them; none in a store without a
    /// chain.
    ///
    /// # Errors
    /// [`StoreError`].
    fn digests_after(&self, after: EventSeq, limit: usize) -> Result<Vec<(EventSeq, Digest)>, StoreError>;

    /// The last event's number, 0 for an empty log.
    ///
    /// # Errors
    /// [`StoreError`].
    fn last_seq(&self) -> Result<EventSeq, StoreError>;

    /// The event of a run that carries a key.
    ///
    /// # Errors
    /// [`StoreError`].
    fn event_with_key(&self, run: &RunId, key: &IdempotencyKey) -> Result<Option<Recorded>, StoreError>;

    /// The row of one run.
    ///
    /// # Errors
    /// [`StoreError`].
    fn run_row(&self, run: &RunId) -> Result<Option<RunRow>, StoreError>;

    /// Rows of runs, newest update first.
    ///
    /// # Errors
    /// [`StoreError`].
    fn run_rows(&self, query: &RunQuery) -> Result<Vec<RunRow>, StoreError>;

    /// Attempts of a run, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    fn attempts_of(&self, run: &RunId) -> Result<Vec<AttemptRow>, StoreError>;

    /// Artifacts of a run, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    fn artifacts_of(&self, run: &RunId) -> Result<Vec<ArtifactRow>, StoreError>;

    /// Takes the lease of a run, or renews it when `owner` holds it already.
    ///
    /// A lease that another owner holds is taken over when its heartbeat is older than [`LEASE_TTL`] or when the owner's
    /// process is known to be gone ([`LeaseOwner`]); each change of owner raises the generation.
    ///
    /// # Errors
    /// [`StoreError::LeaseHeld`] when somebody else works on the run.
    fn take_lease(&self, run: &RunId, owner: &LeaseOwner, now: &Moment) -> Result<Lease, StoreError>;

    /// Gives a lease back; one that is not held any more is no error.
    ///
    /// # Errors
    /// [`StoreError`].
    fn release_lease(&self, lease: &Lease) -> Result<(), StoreError>;

    /// A number that differs once anybody, in any process, has appended.
    ///
    /// # Errors
    /// [`StoreError`].
    fn change_mark(&self) -> Result<u64, StoreError>;
}

/// Care for a store as a whole.
pub trait Upkeep: Send + Sync {
    /// Reads every event, checks hashes, versions and that each run folds, and compares every projection with its fold.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read; what is wrong with a readable log is in the report.
    fn verify(&self) -> Result<VerifyReport, StoreError>;

    /// Drops the projections, makes them again from the events, and compares the two byte by byte.
    ///
    /// # Errors
    /// [`StoreError`]; then the projections are as they were.
    fn rebuild(&self) -> Result<RebuildReport, StoreError>;

    /// Copies the store to a new file while it is in use; the copy is whole and verified when this returns.
    ///
    /// # Errors
    /// [`StoreError`] when the target exists or cannot be written; no partial file is left.
    fn backup(&self, to: &std::path::Path) -> Result<(), StoreError>;

    /// What the store is kept with and how it is set; looks at names and numbers, and at pages of a small file.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn facts(&self) -> Result<StoreFacts, StoreError>;
}

/// What a store is kept with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFacts {
    /// The database library's version, such as `3.51.3`; empty for a store in memory.
    pub library: String,
    /// How the file keeps its journal: `wal`.
    pub journal_mode: String,
    /// Whether a commit waits for the disk; `None` where this process opened the store for reading only.
    pub flushes: Option<bool>,
    /// The layout's number.
    pub schema: u32,
    /// What the library said about its pages; `None` for a file too large to read through in passing.
    pub pages: Option<Result<(), String>>,
}

/// How long a lease lives without a heartbeat: several missed beats of ten seconds.
pub const LEASE_TTL: std::time::Duration = std::time::Duration::from_secs(30);

/// Events to append to one run.
#[derive(Debug, Clone)]
pub struct Append {
    /// The run.
    pub run: RunId,
    /// The version it must be at; 0 for a run that must not exist.
    pub expected: Version,
    /// The lease it is done under, for work that holds one.
    pub fence: Option<Fence>,
    /// Who does it.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
    /// The event that led to it.
    pub cause: Option<EventSeq>,
    /// The caller's name for the occurrence; recorded with the first event.
    pub key: Option<IdempotencyKey>,
    /// The events, each with the state of the run after it; at least one.
    pub events: Vec<(Event, State)>,
}

/// A claim to hold a lease: checked in the transaction that appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence(pub u64);

/// A lease that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The run.
    pub run: RunId,
    /// Who holds it.
    pub owner: LeaseOwner,
    /// Its generation: higher than any before.
    pub generation: u64,
}

impl Lease {
    /// The claim to hand to [`Append`].
    pub fn fence(&self) -> Fence {
        Fence(self.generation)
    }
}

/// Who holds a lease: one engine in one process.
///
/// Stored as `host/boot/pid/start_ticks/name`, so that a later process on the same host can see that the owner is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseOwner {
    /// The machine's name.
    pub host: String,
    /// Its boot.
    pub boot: String,
    /// The process id.
    pub pid: u32,
    /// The process's start in clock ticks since boot.
    pub start_ticks: u64,
    /// Tells engines within one process apart.
    pub name: String,
}

/// Which runs to list.
#[derive(Debug, Clone, Default)]
pub struct RunQuery {
    /// Only these states; empty means all.
    pub states: Vec<State>,
    /// At most so many; `None` means all.
    pub limit: Option<usize>,
}

/// What a look at the whole log found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Runs seen.
    pub runs: u64,
    /// Events seen.
    pub events: u64,
    /// What is wrong, each with its place; empty for a sound log. At most 100 are kept.
    pub faults: Vec<String>,
}

/// What a rebuild did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuildReport {
    /// Runs made again.
    pub runs: u64,
    /// Events read.
    pub events: u64,
    /// Rows that were not what the events say, by table and key; empty when the projections were right. At most 100.
    pub differences: Vec<String>,
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The run is at another version.
    #[error("run `{run}` is at version {actual}, not {expected}")]
    Conflict {
        /// The run.
        run: RunId,
        /// What was expected.
        expected: Version,
        /// What it is.
        actual: Version,
    },
    /// The key was used for this run.
    #[error("idempotency key `{key}` was used for run `{run}`")]
    KeyTaken {
        /// The run.
        run: RunId,
        /// The key.
        key: IdempotencyKey,
    },
    /// The lease is not the newest.
    #[error("the lease of run `{run}` was taken over")]
    Fenced {
        /// The run.
        run: RunId,
    },
    /// Somebody else works on the run.
    #[error("run `{run}` is worked on by {owner}")]
    LeaseHeld {
        /// The run.
        run: RunId,
        /// Who, for people.
        owner: String,
    },
    /// The file is not there.
    #[error("there is no store at `{}`", .0.display())]
    Missing(std::path::PathBuf),
    /// The file is from a newer program.
    #[error("the store at `{}` has schema {found}, and this program knows {known}", .path.display())]
    Newer {
        /// The file.
        path: std::path::PathBuf,
        /// Its schema.
        found: u32,
        /// The newest known here.
        known: u32,
    },
    /// The file is damaged, or is no store.
    #[error("the store at `{}` cannot be used: {why}", .path.display())]
    Damaged {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A run's events make no run.
    #[error(transparent)]
    Unfoldable(#[from] Unfoldable),
    /// The disk is full or read-only, or the file is locked for too long.
    #[error("the store cannot be {action}: {why}")]
    Unavailable {
        /// `read` or `written`.
        action: &'static str,
        /// What the system said.
        why: String,
    },
}
