//! What agents used, and whose allowance is used up.

use super::memory::MemoryStore;
use crate::domain::agent::budget::Spent;
use crate::domain::agent::quota::{Pool, PoolRow};
use crate::domain::projection::{PoolNews, UsageRow};
use crate::ports::ledger::{Ledger, UsageQuery};
use crate::ports::store::StoreError;

impl Ledger for MemoryStore {
    fn spent(&self, query: &UsageQuery) -> Result<Spent, StoreError> {
        let mut sum = Spent::default();
        self.rows(|rows| {
            rows.usage.iter().filter(|row| query.takes(row)).for_each(|row| row.add_to(&mut sum));
        });
        Ok(sum)
    }

    fn usage_rows(&self, query: &UsageQuery, limit: usize) -> Result<Vec<UsageRow>, StoreError> {
        let mut found = Vec::new();
        self.rows(|rows| found.extend(rows.usage.iter().filter(|row| query.takes(row)).cloned()));
        found.sort_by_key(|row| std::cmp::Reverse(row.seq));
        found.truncate(limit);
        Ok(found)
    }

    fn pool(&self, pool: &Pool) -> Result<Option<PoolRow>, StoreError> {
        Ok(self.pools()?.into_iter().find(|row| row.pool == *pool))
    }

    fn pools(&self) -> Result<Vec<PoolRow>, StoreError> {
        let mut news = Vec::new();
        self.rows(|rows| news.extend(rows.pools.iter().cloned()));
        Ok(newest_words(news))
    }
}

/// The pools that are used up by the newest word about each, by name.
fn newest_words(mut news: Vec<(crate::domain::id::EventSeq, PoolNews)>) -> Vec<PoolRow> {
    news.sort_by_key(|(seq, _)| *seq);
    let mut pools = std::collections::BTreeMap::new();
    for (_, word) in news {
        match word {
            PoolNews::Exhausted(row) => {
                pools.insert(row.pool.clone(), row);
            }
            PoolNews::Lifted(pool) => {
                pools.remove(&pool);
            }
        }
    }
    pools.into_values().collect()
}
