//! Runs as they were folded last: a webhook must not read a whole history to add one event to it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::app::{App, AppError};
use crate::domain::id::{RunId, Version};
use crate::domain::run::Run;

/// Runs that are kept: about as many as have an open pull request at once.
const KEPT: usize = 1_024;

/// Groups of runs that are worked on one after the other.
const LANES: usize = 64;

/// Folded runs, each good for the version it has; whoever uses one reads what came after.
pub(crate) struct KnownRuns {
    runs: Mutex<HashMap<RunId, Run>>,
    lanes: Vec<Mutex<()>>,
}

impl Default for KnownRuns {
    fn default() -> Self {
        Self { runs: Mutex::default(), lanes: (0..LANES).map(|_| Mutex::default()).collect() }
    }
}

impl KnownRuns {
    /// Waits until nobody else in this process works on deliveries for these runs. Others are let through, and a lost race costs only
    /// another round, so this is for speed and not for safety.
    pub(super) fn alone_with<'a>(&'a self, runs: impl Iterator<Item = &'a RunId>) -> Vec<MutexGuard<'a, ()>> {
        let mut lanes: Vec<usize> = runs.map(lane_of).collect();
        // Always in one order, so that two never wait for each other.
        lanes.sort_unstable();
        lanes.dedup();
        let lock = |lane: &usize| {
            self.lanes.get(*lane).map(|lane| lane.lock().unwrap_or_else(PoisonError::into_inner))
        };
        lanes.iter().filter_map(lock).collect()
    }

    fn take(&self, run: &RunId) -> Option<Run> {
        self.lock().remove(run)
    }

    /// Keeps a run as it is after its last known event.
    pub(super) fn keep(&self, run: Run) {
        let mut runs = self.lock();
        if runs.len() >= KEPT {
            runs.clear();
        }
        // Another may have kept it meanwhile, as it was later.
        if runs.get(&run.id).is_none_or(|known| known.version < run.version) {
            runs.insert(run.id.clone(), run);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RunId, Run>> {
        // Runs are put in whole, so a panic elsewhere leaves no half of one behind.
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lane_of(run: &RunId) -> usize {
    run.as_str().bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)))
        % LANES
}

impl App {
    /// The run as it is now, from what is kept of it and what came since.
    pub(super) fn known_run(&self, id: &RunId) -> Result<Option<Run>, AppError> {
        let Some(mut run) = self.known.take(id) else { return self.find(id) };
        for recorded in self.ports.store.events_of(id, Version(run.version.0))? {
            run.evolve(&recorded)?;
        }
        Ok(Some(run))
    }
}
