//! Giving disk space back: what finished runs leave behind.

use std::time::Duration;

use super::{App, AppError};
use crate::domain::id::RunId;
use crate::domain::state::State;
use crate::ports::store::RunQuery;

/// What to remove.
#[derive(Debug, Clone)]
pub struct GcOrder {
    /// Finished runs whose last event is older than this.
    pub older_than: Duration,
    /// Their prompts and logs too; the events stay in any case.
    pub artifacts: bool,
    /// Only say what would be removed.
    pub dry_run: bool,
}

/// One run's leftovers.
#[derive(Debug, Clone)]
pub struct GcLine {
    /// The run.
    pub run: RunId,
    /// Bytes that were freed; 0 in a dry run.
    pub bytes: u64,
}

impl App {
    /// Removes workspaces, and on demand files, of finished runs; events are never removed.
    ///
    /// # Errors
    /// What stopped it; what was removed before stays removed.
    pub async fn gc(&self, order: &GcOrder) -> Result<Vec<GcLine>, AppError> {
        let states = State::ALL.into_iter().filter(|state| state.is_terminal()).collect();
        let now = self.ports.clock.now().wall;
        let mut lines = Vec::new();
        for row in self.ports.store.run_rows(&RunQuery { states, limit: None })? {
            if now.since(row.updated_at) < order.older_than {
                continue;
            }
            // Somebody may still be ending what it was doing in there; the next time it is over.
            let attempts = self.ports.store.attempts_of(&row.run)?;
            if attempts.iter().any(|attempt| attempt.ended_at.is_none()) {
                continue;
            }
            let mut bytes = 0;
            if !order.dry_run {
                bytes += self.ports.workspace.remove(&row.repo, &row.run).await?;
                if order.artifacts {
                    bytes += self.ports.artifacts.remove(&row.run)?;
                }
            }
            if order.dry_run || bytes > 0 {
                lines.push(GcLine { run: row.run, bytes });
            }
        }
        Ok(lines)
    }
}
