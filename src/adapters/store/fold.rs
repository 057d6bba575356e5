//! The rows of one run, folded from its events: what every store keeps beside the log and can make again.

use std::collections::BTreeSet;

use crate::domain::event::{Event, Recorded};
use crate::domain::id::{CommitSha, EventSeq};
use crate::domain::projection::{ArtifactRow, AttemptRow, LinkRow, PoolNews, RunRow, UsageRow, commit_of};
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
    /// What its agents used, oldest first.
    pub usage: Vec<UsageRow>,
    /// What it says of pools, oldest first. The newest word of all runs counts.
    pub pools: Vec<(EventSeq, PoolNews)>,
    /// What a forge knows it by.
    pub link: Option<LinkRow>,
    /// Its commits.
    pub commits: BTreeSet<CommitSha>,
}

impl Rows {
    /// The rows after a run's first event.
    ///
    /// # Errors
    /// [`Unfoldable::NotBorn`] when that is not its creation.
    pub fn birth(first: &Recorded) -> Result<Self, Unfoldable> {
        let run = run_birth(first)?;
        Ok(Self {
            run,
            attempts: Vec::new(),
            artifacts: Vec::new(),
            usage: Vec::new(),
            pools: Vec::new(),
            link: None,
            commits: BTreeSet::new(),
        })
    }

    /// Takes one more event in.
    pub fn apply(&mut self, recorded: &Recorded) {
        self.run.apply(recorded);
        self.attempts.extend(AttemptRow::birth(recorded));
        self.usage.extend(UsageRow::birth(recorded, &self.run.repo));
        if let Event::AttemptEnded(body) = &recorded.event
            && let Some(attempt) = self.attempts.iter_mut().rev().find(|attempt| attempt.no == body.attempt)
        {
            attempt.apply(recorded);
            if let Some(usage) = self.usage.iter_mut().rev().find(|usage| usage.seq == attempt.seq) {
                usage.apply(recorded);
            }
        }
        self.pools.extend(PoolNews::of(recorded).map(|news| (recorded.seq, news)));
        self.artifacts.extend(ArtifactRow::of(recorded));
        if LinkRow::concerns(&recorded.event) {
            self.link.get_or_insert_with(|| LinkRow::birth(&self.run)).apply(&recorded.event);
        }
        self.commits.extend(commit_of(&recorded.event).cloned());
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
