//! Webhook deliveries in memory.

use super::inbox_rule::{Known, MOST_DELIVERIES, MOST_INCIDENTS, answer, forgotten_before, keeps_body};
use super::memory::{Inner, MemoryStore};
use crate::domain::forge::delivery::{Address, DeliveryId, DeliveryOrigin, DeliveryStatus};
use crate::domain::id::{Digest, RunId};
use crate::domain::time::Timestamp;
use crate::ports::inbox::{DeliveryQuery, DeliveryRow, HookRow, Inbox, Incident, Taken};
use crate::ports::store::{Append, StoreError};

/// Runs that one address names at most.
const MOST_RUNS: usize = 100;

impl Inbox for MemoryStore {
    fn delivery(&self, source: &str, id: &DeliveryId) -> Result<Option<DeliveryRow>, StoreError> {
        Ok(self.lock().delivery(source, id).map(without_body))
    }

    fn twin(
        &self,
        source: &str,
        id: &DeliveryId,
        digest: &Digest,
        since: Timestamp,
    ) -> Result<Option<DeliveryId>, StoreError> {
        let is_twin = |row: &&DeliveryRow| {
            row.source == source
                && row.id != *id
                && row.digest == *digest
                && row.origin == DeliveryOrigin::Webhook
                && row.status.is_settled()
                && row.received_at >= since
        };
        // Of several that came at once the last one counts.
        let inner = self.lock();
        let newest = inner.deliveries.iter().filter(is_twin).max_by_key(|row| row.received_at);
        Ok(newest.map(|row| row.id.clone()))
    }

    fn take(&self, delivery: &DeliveryRow, appends: &[Append]) -> Result<Taken, StoreError> {
        let mut inner = self.lock();
        if let Some(row) = inner.delivery(&delivery.source, &delivery.id) {
            let same_bytes = row.digest == delivery.digest;
            let known = Known { origin: row.origin, status: row.status, same_bytes };
            if let Some(taken) = answer(known, delivery.origin) {
                return Ok(taken);
            }
        }
        let recorded = inner.append_all(appends)?;
        inner.keep(delivery);
        Ok(Taken::Recorded(recorded))
    }

    fn body(&self, source: &str, id: &DeliveryId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.lock().delivery(source, id).and_then(|row| row.body.clone()))
    }

    fn deliveries(&self, query: &DeliveryQuery) -> Result<Vec<DeliveryRow>, StoreError> {
        let inner = self.lock();
        let mut found: Vec<&DeliveryRow> =
            inner.deliveries.iter().rev().filter(|row| is_wanted(row, query)).collect();
        if query.due_by.is_some() {
            found.reverse();
            found.sort_by_key(|row| row.next_at);
        } else {
            found.sort_by_key(|row| std::cmp::Reverse(row.received_at));
        }
        found.truncate(query.limit.unwrap_or(MOST_DELIVERIES));
        Ok(found.into_iter().map(without_body).collect())
    }

    fn counts(&self, source: &str) -> Result<Vec<(DeliveryStatus, u64)>, StoreError> {
        let inner = self.lock();
        let count = |status| {
            let of_status = |row: &&DeliveryRow| row.source == source && row.status == status;
            let count = inner.deliveries.iter().filter(of_status).count();
            (status, u64::try_from(count).unwrap_or(u64::MAX))
        };
        Ok(DeliveryStatus::ALL.into_iter().map(count).collect())
    }

    fn runs_at(&self, address: &Address) -> Result<Vec<RunId>, StoreError> {
        let inner = self.lock();
        let mut found: Vec<_> = inner
            .rows
            .values()
            .filter(|rows| {
                rows.link.as_ref().is_some_and(|link| link.address().meets(address))
                    || address.sha.as_ref().is_some_and(|sha| rows.commits.contains(sha))
            })
            .map(|rows| &rows.run)
            .collect();
        found.sort_by_key(|row| (row.state.is_terminal(), std::cmp::Reverse(row.last_seq)));
        Ok(found.into_iter().take(MOST_RUNS).map(|row| row.run.clone()).collect())
    }

    fn forget_before(&self, source: &str, before: Timestamp) -> Result<u64, StoreError> {
        let mut inner = self.lock();
        inner.incidents.retain(|incident| incident.at >= before);
        let kept = inner.deliveries.len();
        inner
            .deliveries
            .retain(|row| row.source != source || row.received_at >= forgotten_before(row.status, before));
        Ok(u64::try_from(kept - inner.deliveries.len()).unwrap_or(u64::MAX))
    }

    fn put_hook(&self, hook: &HookRow) -> Result<(), StoreError> {
        self.lock().hooks.insert(hook.id, hook.clone());
        Ok(())
    }

    fn hooks(&self) -> Result<Vec<HookRow>, StoreError> {
        Ok(self.lock().hooks.values().cloned().collect())
    }

    fn note_incident(&self, incident: &Incident) -> Result<(), StoreError> {
        let mut inner = self.lock();
        inner.incidents.push(incident.clone());
        let over = inner.incidents.len().saturating_sub(MOST_INCIDENTS);
        inner.incidents.drain(..over);
        Ok(())
    }

    fn incidents(&self, limit: usize) -> Result<Vec<Incident>, StoreError> {
        Ok(self.lock().incidents.iter().rev().take(limit).cloned().collect())
    }
}

impl Inner {
    fn delivery(&self, source: &str, id: &DeliveryId) -> Option<&DeliveryRow> {
        self.deliveries.iter().find(|row| row.source == source && row.id == *id)
    }

    fn keep(&mut self, coming: &DeliveryRow) {
        let known = self.deliveries.iter_mut().find(|row| row.source == coming.source && row.id == coming.id);
        let Some(known) = known else {
            self.deliveries.push(coming.clone());
            return;
        };
        let body = if keeps_body(coming) && known.digest == coming.digest {
            known.body.take()
        } else {
            coming.body.clone()
        };
        *known = DeliveryRow { received_at: known.received_at, body, ..coming.clone() };
    }
}

fn is_wanted(row: &DeliveryRow, query: &DeliveryQuery) -> bool {
    let is_due =
        |by: Timestamp| row.status == DeliveryStatus::Failed && row.next_at.is_some_and(|at| at <= by);
    let waits_for = |address: &Address| {
        row.status == DeliveryStatus::Waiting && row.addresses.iter().any(|own| own.meets(address))
    };
    (query.source.is_empty() || row.source == query.source)
        && (query.statuses.is_empty() || query.statuses.contains(&row.status))
        && query.due_by.is_none_or(is_due)
        && query.waiting_for.as_ref().is_none_or(waits_for)
}

fn without_body(row: &DeliveryRow) -> DeliveryRow {
    DeliveryRow { body: None, ..row.clone() }
}
