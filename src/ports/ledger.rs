//! The ledger: what agents used over runs, repositories and days, and whose allowance is used up. A projection of the log.

use crate::domain::agent::budget::Spent;
use crate::domain::agent::quota::{Pool, PoolRow};
use crate::domain::id::{EventSeq, RunId};
use crate::domain::projection::UsageRow;
use crate::domain::time::Timestamp;

use super::store::StoreError;

/// Which attempts of agents count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsageQuery {
    /// Only of this run.
    pub run: Option<RunId>,
    /// Only of this repository, by [`RepoSlug::key`](crate::domain::id::RepoSlug::key).
    pub repository: Option<String>,
    /// Only begun at this moment or later.
    pub since: Option<Timestamp>,
    /// Only begun by an event before this one: what an attempt finds reserved when it begins.
    pub before: Option<EventSeq>,
    /// Those under way as well, or not.
    pub part: UsagePart,
}

/// Attempts by whether they have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UsagePart {
    /// All of them.
    #[default]
    All,
    /// Only those that have ended: what nobody gives back any more.
    Ended,
}

impl UsageQuery {
    /// Says whether an attempt counts.
    pub fn takes(&self, row: &UsageRow) -> bool {
        self.run.as_ref().is_none_or(|run| row.run == *run)
            && self.repository.as_ref().is_none_or(|repository| row.repository == *repository)
            && self.since.is_none_or(|since| row.started_at >= since)
            && self.before.is_none_or(|before| row.seq < before)
            && (self.part == UsagePart::All || row.ended_at.is_some())
    }
}

/// Reads what agents used.
///
/// Settled attempts count with what they used, attempts under way with what they reserved, and attempts that ended without anybody
/// reading their use with what they had reserved.
pub trait Ledger: Send + Sync {
    /// The sum over some attempts. Costs as much as those attempts are many, not as the store is old.
    ///
    /// # Errors
    /// The store's.
    fn spent(&self, query: &UsageQuery) -> Result<Spent, StoreError>;

    /// The attempts themselves, newest first, at most `limit`.
    ///
    /// # Errors
    /// The store's.
    fn usage_rows(&self, query: &UsageQuery, limit: usize) -> Result<Vec<UsageRow>, StoreError>;

    /// What is known of a pool: the newest word about it; `None` when its allowance was never used up or was lifted.
    ///
    /// # Errors
    /// The store's.
    fn pool(&self, pool: &Pool) -> Result<Option<PoolRow>, StoreError>;

    /// Every pool that is known, by name.
    ///
    /// # Errors
    /// The store's.
    fn pools(&self) -> Result<Vec<PoolRow>, StoreError>;
}
