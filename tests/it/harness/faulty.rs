//! A store that refuses on demand, as a full disk or a locked file does.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use agentpr::adapters::store::memory::MemoryStore;
use agentpr::domain::agent::budget::Spent;
use agentpr::domain::agent::quota::{Pool, PoolRow};
use agentpr::domain::event::Recorded;
use agentpr::domain::forge::delivery::{Address, DeliveryId, DeliveryStatus};
use agentpr::domain::id::{Digest, EventSeq, IdempotencyKey, RunId, Version};
use agentpr::domain::projection::{ArtifactRow, AttemptRow, RunRow, UsageRow};
use agentpr::domain::time::{Moment, Timestamp};
use agentpr::ports::inbox::{DeliveryQuery, DeliveryRow, HookRow, Inbox, Incident, Taken};
use agentpr::ports::ledger::{Ledger, UsageQuery};
use agentpr::ports::store::{
    Append, EventStore, Lease, LeaseOwner, RebuildReport, RunQuery, StoreError, StoreFacts, Upkeep,
    VerifyReport,
};

/// A [`MemoryStore`] behind two switches.
pub(crate) struct FaultyStore {
    inner: Arc<MemoryStore>,
    unreadable: AtomicBool,
    /// Appends until the disk is full; negative is never.
    room: AtomicI64,
    /// Whether deliveries stand before the disk, and who waits for that to change.
    held: (Mutex<bool>, Condvar),
}

impl FaultyStore {
    pub(crate) fn over(inner: &Arc<MemoryStore>) -> Arc<Self> {
        let inner = Arc::clone(inner);
        Arc::new(Self {
            inner,
            unreadable: AtomicBool::new(false),
            room: AtomicI64::new(-1),
            held: Default::default(),
        })
    }

    /// Makes lists of runs unreadable, or readable again.
    pub(crate) fn unreadable(&self, unreadable: bool) {
        self.unreadable.store(unreadable, Ordering::SeqCst);
    }

    /// Takes this many more appends and then none; `-1` takes them all again.
    pub(crate) fn room_for(&self, appends: i64) {
        self.room.store(appends, Ordering::SeqCst);
    }
}

impl FaultyStore {
    /// Has deliveries wait for the disk, or lets them go on.
    pub(crate) fn hold(&self, held: bool) {
        *self.held.0.lock().unwrap() = held;
        self.held.1.notify_all();
    }
}

impl EventStore for FaultyStore {
    fn append(&self, append: &Append) -> Result<Vec<Recorded>, StoreError> {
        match self.room.load(Ordering::SeqCst) {
            0 => {
                return Err(StoreError::Unavailable {
                    action: "written",
                    why: "the disk is full".to_owned(),
                });
            }
            room if room > 0 => self.room.store(room - 1, Ordering::SeqCst),
            _ => {}
        }
        self.inner.append(append)
    }

    fn events_of(&self, run: &RunId, after: Version) -> Result<Vec<Recorded>, StoreError> {
        self.inner.events_of(run, after)
    }

    fn events_after(&self, after: EventSeq, limit: usize) -> Result<Vec<Recorded>, StoreError> {
        self.inner.events_after(after, limit)
    }

    fn digests_after(&self, after: EventSeq, limit: usize) -> Result<Vec<(EventSeq, Digest)>, StoreError> {
        self.inner.digests_after(after, limit)
    }

    fn last_seq(&self) -> Result<EventSeq, StoreError> {
        self.inner.last_seq()
    }

    fn event_with_key(&self, run: &RunId, key: &IdempotencyKey) -> Result<Option<Recorded>, StoreError> {
        self.inner.event_with_key(run, key)
    }

    fn run_row(&self, run: &RunId) -> Result<Option<RunRow>, StoreError> {
        self.inner.run_row(run)
    }

    fn run_rows(&self, query: &RunQuery) -> Result<Vec<RunRow>, StoreError> {
        if self.unreadable.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable { action: "read", why: "it is locked".to_owned() });
        }
        self.inner.run_rows(query)
    }

    fn attempts_of(&self, run: &RunId) -> Result<Vec<AttemptRow>, StoreError> {
        self.inner.attempts_of(run)
    }

    fn artifacts_of(&self, run: &RunId) -> Result<Vec<ArtifactRow>, StoreError> {
        self.inner.artifacts_of(run)
    }

    fn take_lease(&self, run: &RunId, owner: &LeaseOwner, now: &Moment) -> Result<Lease, StoreError> {
        self.inner.take_lease(run, owner, now)
    }

    fn release_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        self.inner.release_lease(lease)
    }

    fn change_mark(&self) -> Result<u64, StoreError> {
        self.inner.change_mark()
    }
}

impl Ledger for FaultyStore {
    fn spent(&self, query: &UsageQuery) -> Result<Spent, StoreError> {
        self.inner.spent(query)
    }

    fn usage_rows(&self, query: &UsageQuery, limit: usize) -> Result<Vec<UsageRow>, StoreError> {
        self.inner.usage_rows(query, limit)
    }

    fn pool(&self, pool: &Pool) -> Result<Option<PoolRow>, StoreError> {
        self.inner.pool(pool)
    }

    fn pools(&self) -> Result<Vec<PoolRow>, StoreError> {
        self.inner.pools()
    }
}

impl Inbox for FaultyStore {
    fn delivery(&self, source: &str, id: &DeliveryId) -> Result<Option<DeliveryRow>, StoreError> {
        self.inner.delivery(source, id)
    }

    fn twin(
        &self,
        source: &str,
        id: &DeliveryId,
        digest: &Digest,
        since: Timestamp,
    ) -> Result<Option<DeliveryId>, StoreError> {
        self.inner.twin(source, id, digest, since)
    }

    fn take(&self, delivery: &DeliveryRow, appends: &[Append]) -> Result<Taken, StoreError> {
        let held = self.held.1.wait_while(self.held.0.lock().unwrap(), |held| *held).unwrap();
        drop(held);
        self.inner.take(delivery, appends)
    }

    fn body(&self, source: &str, id: &DeliveryId) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.body(source, id)
    }

    fn deliveries(&self, query: &DeliveryQuery) -> Result<Vec<DeliveryRow>, StoreError> {
        self.inner.deliveries(query)
    }

    fn counts(&self, source: &str) -> Result<Vec<(DeliveryStatus, u64)>, StoreError> {
        self.inner.counts(source)
    }

    fn runs_at(&self, address: &Address) -> Result<Vec<RunId>, StoreError> {
        self.inner.runs_at(address)
    }

    fn forget_before(&self, source: &str, before: Timestamp) -> Result<u64, StoreError> {
        self.inner.forget_before(source, before)
    }

    fn put_hook(&self, hook: &HookRow) -> Result<(), StoreError> {
        self.inner.put_hook(hook)
    }

    fn hooks(&self) -> Result<Vec<HookRow>, StoreError> {
        self.inner.hooks()
    }

    fn note_incident(&self, incident: &Incident) -> Result<(), StoreError> {
        self.inner.note_incident(incident)
    }

    fn incidents(&self, limit: usize) -> Result<Vec<Incident>, StoreError> {
        self.inner.incidents(limit)
    }
}

impl Upkeep for FaultyStore {
    fn verify(&self) -> Result<VerifyReport, StoreError> {
        self.inner.verify()
    }

    fn rebuild(&self) -> Result<RebuildReport, StoreError> {
        self.inner.rebuild()
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        self.inner.backup(to)
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        self.inner.facts()
    }
}
