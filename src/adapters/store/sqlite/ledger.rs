//! What agents used, and whose allowance is used up.

use super::SqliteStore;
use crate::domain::agent::budget::Spent;
use crate::domain::agent::quota::{Pool, PoolRow};
use crate::domain::projection::UsageRow;
use crate::ports::ledger::{Ledger, UsageQuery};
use crate::ports::store::StoreError;

impl Ledger for SqliteStore {
    fn spent(&self, _query: &UsageQuery) -> Result<Spent, StoreError> {
        Ok(Spent::default())
    }

    fn usage_rows(&self, _query: &UsageQuery, _limit: usize) -> Result<Vec<UsageRow>, StoreError> {
        Ok(Vec::new())
    }

    fn pool(&self, _pool: &Pool) -> Result<Option<PoolRow>, StoreError> {
        Ok(None)
    }

    fn pools(&self) -> Result<Vec<PoolRow>, StoreError> {
        Ok(Vec::new())
    }
}
