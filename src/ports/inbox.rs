//! The inbox: webhook deliveries, kept in the store of events, because what a delivery says and the delivery itself must be there
//! together or not at all.
//!
//! All calls are synchronous and may block for one disk flush. One story (`tests/it/store`) is told to every store.

use crate::domain::event::Recorded;
use crate::domain::forge::delivery::{Address, DeliveryId, DeliveryOrigin, DeliveryStatus};
use crate::domain::id::{Digest, RunId};
use crate::domain::time::Timestamp;
use crate::ports::store::{Append, StoreError};

/// Keeps deliveries.
pub trait Inbox: Send + Sync {
    /// What became of a delivery; `None` when none of that name is known. Answers from what is committed.
    ///
    /// # Errors
    /// [`StoreError`].
    fn delivery(&self, source: &str, id: &DeliveryId) -> Result<Option<DeliveryRow>, StoreError>;

    /// The newest settled delivery since `since` with the same bytes and another name; deliveries that were made again from a list
    /// are not looked at.
    ///
    /// # Errors
    /// [`StoreError`].
    fn twin(
        &self,
        source: &str,
        id: &DeliveryId,
        digest: &Digest,
        since: Timestamp,
    ) -> Result<Option<DeliveryId>, StoreError>;

    /// Keeps a delivery with everything that follows from it, in one transaction, together with those of other callers.
    ///
    /// Durable when it returns. A delivery that is settled already is [`Taken::Duplicate`], and one that is known with other bytes
    /// [`Taken::OtherBody`], where both were sent here; then nothing is written. One that is known and not settled is replaced.
    ///
    /// # Errors
    /// As [`EventStore::append`](crate::ports::store::EventStore::append), of any part; then nothing of it is written.
    fn take(&self, delivery: &DeliveryRow, appends: &[Append]) -> Result<Taken, StoreError>;

    /// The raw bytes of a delivery; `None` where they were not kept.
    ///
    /// # Errors
    /// [`StoreError`].
    fn body(&self, source: &str, id: &DeliveryId) -> Result<Option<Vec<u8>>, StoreError>;

    /// Deliveries, newest first, without their bytes.
    ///
    /// # Errors
    /// [`StoreError`].
    fn deliveries(&self, query: &DeliveryQuery) -> Result<Vec<DeliveryRow>, StoreError>;

    /// How many deliveries of each status are kept.
    ///
    /// # Errors
    /// [`StoreError`].
    fn counts(&self, source: &str) -> Result<Vec<(DeliveryStatus, u64)>, StoreError>;

    /// The runs that one of an address's names fits, those under way before those that are over, newest first; at most 100.
    ///
    /// # Errors
    /// [`StoreError`].
    fn runs_at(&self, address: &Address) -> Result<Vec<RunId>, StoreError>;

    /// Removes settled and dead deliveries, and incidents, from before `before`, and says how many deliveries.
    ///
    /// # Errors
    /// [`StoreError`].
    fn forget_before(&self, source: &str, before: Timestamp) -> Result<u64, StoreError>;

    /// Remembers a hook, in the place of what was known of it.
    ///
    /// # Errors
    /// [`StoreError`].
    fn put_hook(&self, hook: &HookRow) -> Result<(), StoreError>;

    /// The hooks that have said who they are.
    ///
    /// # Errors
    /// [`StoreError`].
    fn hooks(&self) -> Result<Vec<HookRow>, StoreError>;

    /// Notes something that a person should look into. Kept until [`Self::forget_before`]; no more than 1,000.
    ///
    /// # Errors
    /// [`StoreError`].
    fn note_incident(&self, incident: &Incident) -> Result<(), StoreError>;

    /// What was noted, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    fn incidents(&self, limit: usize) -> Result<Vec<Incident>, StoreError>;
}

/// A delivery as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Whose: `github`.
    pub source: String,
    /// Its name.
    pub id: DeliveryId,
    /// How it came in.
    pub origin: DeliveryOrigin,
    /// What kind of event it tells, by the sender's word.
    pub event: String,
    /// The hook it came from, where the sender says so.
    pub hook: Option<u64>,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Its bytes, where they are kept or were asked for.
    pub body: Option<Vec<u8>>,
    /// When it came in first.
    pub received_at: Timestamp,
    /// What became of it.
    pub status: DeliveryStatus,
    /// Why, for people: the error, or what it was ignored for.
    pub detail: String,
    /// What it could tell runs by; only where it waits.
    pub addresses: Vec<Address>,
    /// The runs it told something.
    pub runs: Vec<RunId>,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried again, where it failed.
    pub next_at: Option<Timestamp>,
}

/// What came of keeping a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is kept, and what followed from it was recorded.
    Recorded(Vec<Recorded>),
    /// It was settled before.
    Duplicate,
    /// Its name is known with other bytes.
    OtherBody,
}

/// Which deliveries are meant.
#[derive(Debug, Clone, Default)]
pub struct DeliveryQuery {
    /// Whose; empty means all.
    pub source: String,
    /// Only of these statuses; empty means all.
    pub statuses: Vec<DeliveryStatus>,
    /// Only those that are to be tried again by then, the one that waits longest first.
    pub due_by: Option<Timestamp>,
    /// Only those that wait for something that this address names.
    pub waiting_for: Option<Address>,
    /// At most so many; `None` is 1,000.
    pub limit: Option<usize>,
}

/// A hook that has said who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookRow {
    /// The forge's number of it.
    pub id: u64,
    /// The repository by its name, where it is one's.
    pub repo: Option<String>,
    /// The events it sends; `*` is all.
    pub events: Vec<String>,
    /// When it said so last.
    pub seen_at: Timestamp,
}

/// Something that a person should look into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// When.
    pub at: Timestamp,
    /// A stable word: `other_body`, `suspected_replay`.
    pub kind: String,
    /// The delivery.
    pub delivery: DeliveryId,
    /// What was seen, in a sentence.
    pub detail: String,
}
