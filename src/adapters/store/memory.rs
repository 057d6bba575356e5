//! A store in memory: for tests of everything above the store, and for trying things out.
//!
//! It keeps the contract of the port but for one thing: nothing outlives the process. It has no hash chain, because nobody
//! else can reach its events.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::fold::Rows;
use super::lease::{Claim, Held, claim};
use super::{owner, recorded};
use crate::domain::event::Recorded;
use crate::domain::id::{Digest, EventSeq, IdempotencyKey, RunId, Version};
use crate::domain::projection::{ArtifactRow, AttemptRow, RunRow};
use crate::domain::run::Run;
use crate::domain::time::Moment;
use crate::ports::inbox::{DeliveryRow, HookRow, Incident};
use crate::ports::store::{
    Append, EventStore, Lease, LeaseOwner, RebuildReport, RunQuery, StoreError, StoreFacts, Upkeep,
    VerifyReport,
};

/// Events, projections, leases and deliveries in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    /// In the order of `seq`, which is the place here plus one.
    events: Vec<Recorded>,
    pub(super) rows: BTreeMap<RunId, Rows>,
    leases: BTreeMap<RunId, Held>,
    /// In the order in which they came in first.
    pub(super) deliveries: Vec<DeliveryRow>,
    pub(super) hooks: BTreeMap<u64, HookRow>,
    /// Oldest first.
    pub(super) incidents: Vec<Incident>,
}

impl MemoryStore {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change below is made after all that can fail, so a panic elsewhere leaves no half of one behind.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the rows of every run.
    pub(super) fn rows(&self, visit: impl FnMut(&Rows)) {
        self.lock().rows.values().for_each(visit);
    }
}

impl Inner {
    fn of_run<'a>(&'a self, run: &'a RunId) -> impl Iterator<Item = &'a Recorded> {
        self.events.iter().filter(move |recorded| recorded.run == *run)
    }

    fn last_seq(&self) -> EventSeq {
        self.events.last().map_or(EventSeq(0), |last| last.seq)
    }

    fn append(&mut self, append: &Append) -> Result<Vec<Recorded>, StoreError> {
        let run = append.run.clone();
        if let Some(fence) = append.fence
            && self.leases.get(&run).is_none_or(|held| held.generation != fence.0)
        {
            return Err(StoreError::Fenced { run });
        }
        if let Some(key) = &append.key
            && self.of_run(&run).any(|recorded| recorded.key.as_ref() == Some(key))
        {
            return Err(StoreError::KeyTaken { run, key: key.clone() });
        }
        let mut rows = self.rows.get(&run).cloned();
        let actual = rows.as_ref().map_or(Version(0), |rows| rows.run.version);
        if actual != append.expected {
            return Err(StoreError::Conflict { run, expected: append.expected, actual });
        }
        let mut seq = self.last_seq();
        let mut version = actual;
        let mut appended = Vec::with_capacity(append.events.len());
        for (index, (event, state)) in append.events.iter().enumerate() {
            seq = EventSeq(seq.0 + 1);
            version = version.next();
            let recorded = recorded(append, index, seq, version, event.clone(), *state);
            match &mut rows {
                Some(rows) => rows.apply(&recorded),
                None => rows = Some(Rows::birth(&recorded)?),
            }
            appended.push(recorded);
        }
        self.events.extend(appended.iter().cloned());
        self.rows.extend(rows.map(|rows| (run, rows)));
        Ok(appended)
    }

    /// Appends all or nothing.
    pub(super) fn append_all(&mut self, appends: &[Append]) -> Result<Vec<Recorded>, StoreError> {
        let before = self.events.len();
        let rows: Vec<(RunId, Option<Rows>)> =
            appends.iter().map(|append| (append.run.clone(), self.rows.get(&append.run).cloned())).collect();
        let mut appended = Vec::new();
        for append in appends {
            match self.append(append) {
                Ok(recorded) => appended.extend(recorded),
                Err(refusal) => {
                    self.events.truncate(before);
                    for (run, rows) in rows {
                        match rows {
                            Some(rows) => self.rows.insert(run, rows),
                            None => self.rows.remove(&run),
                        };
                    }
                    return Err(refusal);
                }
            }
        }
        Ok(appended)
    }

    /// The rows as the events alone say they are.
    fn replay(&self) -> Result<BTreeMap<RunId, Rows>, StoreError> {
        let mut replayed: BTreeMap<RunId, Rows> = BTreeMap::new();
        for recorded in &self.events {
            if let Some(rows) = replayed.get_mut(&recorded.run) {
                rows.apply(recorded);
            } else {
                replayed.insert(recorded.run.clone(), Rows::birth(recorded)?);
            }
        }
        Ok(replayed)
    }
}

impl EventStore for MemoryStore {
    fn append(&self, append: &Append) -> Result<Vec<Recorded>, StoreError> {
        self.lock().append(append)
    }

    fn events_of(&self, run: &RunId, after: Version) -> Result<Vec<Recorded>, StoreError> {
        Ok(self.lock().of_run(run).filter(|recorded| recorded.version > after).cloned().collect())
    }

    fn events_after(&self, after: EventSeq, limit: usize) -> Result<Vec<Recorded>, StoreError> {
        let skipped = usize::try_from(after.0).unwrap_or(usize::MAX);
        Ok(self.lock().events.iter().skip(skipped).take(limit).cloned().collect())
    }

    fn digests_after(&self, _after: EventSeq, _limit: usize) -> Result<Vec<(EventSeq, Digest)>, StoreError> {
        Ok(Vec::new())
    }

    fn last_seq(&self) -> Result<EventSeq, StoreError> {
        Ok(self.lock().last_seq())
    }

    fn event_with_key(&self, run: &RunId, key: &IdempotencyKey) -> Result<Option<Recorded>, StoreError> {
        Ok(self.lock().of_run(run).find(|recorded| recorded.key.as_ref() == Some(key)).cloned())
    }

    fn run_row(&self, run: &RunId) -> Result<Option<RunRow>, StoreError> {
        Ok(self.lock().rows.get(run).map(|rows| rows.run.clone()))
    }

    fn run_rows(&self, query: &RunQuery) -> Result<Vec<RunRow>, StoreError> {
        let wanted = |row: &&RunRow| query.states.is_empty() || query.states.contains(&row.state);
        let inner = self.lock();
        let mut found: Vec<RunRow> =
            inner.rows.values().map(|rows| &rows.run).filter(wanted).cloned().collect();
        found.sort_by_key(|row| std::cmp::Reverse(row.last_seq));
        found.truncate(query.limit.unwrap_or(usize::MAX));
        Ok(found)
    }

    fn attempts_of(&self, run: &RunId) -> Result<Vec<AttemptRow>, StoreError> {
        Ok(self.lock().rows.get(run).map(|rows| rows.attempts.clone()).unwrap_or_default())
    }

    fn artifacts_of(&self, run: &RunId) -> Result<Vec<ArtifactRow>, StoreError> {
        Ok(self.lock().rows.get(run).map(|rows| rows.artifacts.clone()).unwrap_or_default())
    }

    fn take_lease(&self, run: &RunId, owner: &LeaseOwner, now: &Moment) -> Result<Lease, StoreError> {
        let mut inner = self.lock();
        let generation = match claim(inner.leases.get(run), owner, now) {
            Claim::Renewed(generation) | Claim::Taken(generation) => generation,
            Claim::Refused { owner } => return Err(StoreError::LeaseHeld { run: run.clone(), owner }),
        };
        let held = Held { owner: Some(owner::to_text(owner)), generation, heartbeat: now.clone() };
        inner.leases.insert(run.clone(), held);
        Ok(Lease { run: run.clone(), owner: owner.clone(), generation })
    }

    fn release_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if let Some(held) =
            inner.leases.get_mut(&lease.run).filter(|held| held.generation == lease.generation)
        {
            held.owner = None;
        }
        Ok(())
    }

    fn change_mark(&self) -> Result<u64, StoreError> {
        Ok(self.lock().last_seq().0)
    }
}

impl Upkeep for MemoryStore {
    fn verify(&self) -> Result<VerifyReport, StoreError> {
        let inner = self.lock();
        let replayed = inner.replay()?;
        let mut faults = Vec::new();
        for (run, rows) in &replayed {
            if let Err(err) = Run::fold(inner.of_run(run)) {
                faults.push(err.to_string());
            }
            if inner.rows.get(run) != Some(rows) {
                faults.push(format!("the rows of run `{run}` are not what its events say"));
            }
        }
        faults.truncate(100);
        Ok(VerifyReport { runs: count(replayed.len()), events: count(inner.events.len()), faults })
    }

    fn rebuild(&self) -> Result<RebuildReport, StoreError> {
        let mut inner = self.lock();
        let replayed = inner.replay()?;
        let differs = |(run, rows): &(&RunId, &Rows)| inner.rows.get(*run) != Some(*rows);
        let differences = replayed
            .iter()
            .filter(differs)
            .take(100)
            .map(|(run, _)| format!("rows of run `{run}`"))
            .collect();
        let (runs, events) = (count(replayed.len()), count(inner.events.len()));
        inner.rows = replayed;
        Ok(RebuildReport { runs, events, differences })
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let why = format!("a store in memory has no file to copy to `{}`", to.display());
        Err(StoreError::Unavailable { action: "written", why })
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        let none = String::new();
        Ok(StoreFacts { library: none.clone(), journal_mode: none, flushes: None, schema: 0, pages: None })
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
