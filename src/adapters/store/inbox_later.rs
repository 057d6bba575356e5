//! Replaced by the stores' own inboxes.

use super::{MemoryStore, SqliteStore};
use crate::domain::forge::delivery::{Address, DeliveryId, DeliveryStatus};
use crate::domain::id::{Digest, RunId};
use crate::domain::time::Timestamp;
use crate::ports::inbox::{DeliveryQuery, DeliveryRow, HookRow, Inbox, Incident, Taken};
use crate::ports::store::{Append, StoreError};

macro_rules! later {
    ($($store:ty),*) => {$(
        impl Inbox for $store {
            fn delivery(&self, _: &str, _: &DeliveryId) -> Result<Option<DeliveryRow>, StoreError> { later() }
            fn twin(&self, _: &str, _: &DeliveryId, _: &Digest, _: Timestamp) -> Result<Option<DeliveryId>, StoreError> { later() }
            fn take(&self, _: &DeliveryRow, _: &[Append]) -> Result<Taken, StoreError> { later() }
            fn body(&self, _: &str, _: &DeliveryId) -> Result<Option<Vec<u8>>, StoreError> { later() }
            fn deliveries(&self, _: &DeliveryQuery) -> Result<Vec<DeliveryRow>, StoreError> { later() }
            fn counts(&self, _: &str) -> Result<Vec<(DeliveryStatus, u64)>, StoreError> { later() }
            fn runs_at(&self, _: &Address) -> Result<Vec<RunId>, StoreError> { later() }
            fn forget_before(&self, _: &str, _: Timestamp) -> Result<u64, StoreError> { later() }
            fn put_hook(&self, _: &HookRow) -> Result<(), StoreError> { later() }
            fn hooks(&self) -> Result<Vec<HookRow>, StoreError> { later() }
            fn note_incident(&self, _: &Incident) -> Result<(), StoreError> { later() }
            fn incidents(&self, _: usize) -> Result<Vec<Incident>, StoreError> { later() }
        }
    )*};
}

later!(MemoryStore, SqliteStore);

fn later<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable { action: "read", why: "this store keeps no deliveries".to_owned() })
}
