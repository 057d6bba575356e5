//! The rows of one run, folded from its events: what every store keeps beside the log and can make again.

use crate::domain::event::{Event, Recorded};
use crate::domain::projection::{ArtifactRow, AttemptRow, RunRow};
use crate::domain::run::Unfoldable;

/// Everything that is projected from one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// Its line in lists.
    pub run: RunRow,
    /// Its attempts, oldest first.
    pub attempts: Vec<AttemptRow>,
    /// Its artifacts, oldest first.
    pub artifacts: Vec<ArtifactRow>,
}

impl Rows {
    /// The rows after a run's first event.
    ///
    /// # Errors
    /// [`Unfoldable::NotBorn`] when that is not its creation.
    pub fn birth(first: &Recorded) -> Result<Self, Unfoldable> {
        let run = run_birth(first)?;
        Ok(Self { run, attempts: Vec::new(), artifacts: Vec::new() })
    }

    /// Takes one more event in.
    pub fn apply(&mut self, recorded: &Recorded) {
        self.run.apply(recorded);
        self.attempts.extend(AttemptRow::birth(recorded));
        if let Event::AttemptEnded(body) = &recorded.event
            && let Some(attempt) = self.attempts.iter_mut().rev().find(|attempt| attempt.no == body.attempt)
        {
            attempt.apply(recorded);
        }
        self.artifacts.extend(ArtifactRow::of(recorded));
    }
}

/// The line a run begins with.
///
/// # Errors
/// [`Unfoldable::NotBorn`] when the event is not a creation.
pub fn run_birth(first: &Recorded) -> Result<RunRow, Unfoldable> {
    RunRow::birth(first)
        .ok_or_else(|| Unfoldable::NotBorn { run: first.run.clone(), event: first.event.name() })
}
