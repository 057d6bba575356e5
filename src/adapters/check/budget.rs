//! Budgets: how long the next command may take, so that neither its stage nor the whole verification takes longer than allowed.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::pipeline::{Security, StageSettings};

/// The times of one stage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    command: Duration,
    deadline: Option<Instant>,
}

impl Budget {
    /// The times of a stage that begins now; `run_end` is when the whole verification must be over.
    ///
    /// Where the contract names no time for a command, `default` is it.
    pub(super) fn of_stage(
        security: &Security,
        settings: &StageSettings,
        default: Duration,
        run_end: Option<Instant>,
    ) -> Self {
        let named = [settings.timeout_seconds, security.max_cmd_seconds];
        let command = named.into_iter().flatten().min().map_or(default, Duration::from_secs);
        let stage_end =
            security.max_total_seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        Self { command, deadline: stage_end.into_iter().chain(run_end).min() }
    }

    /// How long a command that starts now may take; `None` when nothing is left.
    pub(super) fn next(&self) -> Option<Duration> {
        let Some(deadline) = self.deadline else { return Some(self.command) };
        let left = deadline.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| self.command.min(left))
    }
}

/// When the whole verification must be over, if it begins now.
pub(super) fn run_end(security: &Security) -> Option<Instant> {
    security.max_run_seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds))
}
