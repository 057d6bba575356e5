//! Answers that are remembered with their `ETag`, so that asking again costs nothing of the limit when nothing changed.
//!
//! They are kept in memory and not over processes: what is asked often is asked by processes that stay, the many pull requests at once by
//! GraphQL, which has no tags, and a folder of answers would be private repositories' content in one more place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

/// Answers that are remembered.
const MOST_ANSWERS: usize = 256;

/// Bytes of all of them together, as they came.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// A remembered answer.
#[derive(Debug)]
pub(super) struct Known {
    pub etag: String,
    pub status: u16,
    pub body: Value,
    pub next: Option<String>,
    /// Its length as it came.
    pub bytes: usize,
}

/// The memory. What was used longest ago goes first.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    known: HashMap<String, (u64, Arc<Known>)>,
    bytes: usize,
    clock: u64,
}

impl Memory {
    /// What was answered at an address.
    pub(super) fn get(&self, url: &str) -> Option<Arc<Known>> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.clock += 1;
        let now = entries.clock;
        let (used, known) = entries.known.get_mut(url)?;
        *used = now;
        Some(Arc::clone(known))
    }

    /// Remembers an answer in place of an older one.
    pub(super) fn put(&self, url: &str, known: Known) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.forget(url);
        if known.bytes > MOST_BYTES / 4 {
            return;
        }
        entries.clock += 1;
        let now = entries.clock;
        entries.bytes += known.bytes;
        entries.known.insert(url.to_owned(), (now, Arc::new(known)));
        while entries.known.len() > MOST_ANSWERS || entries.bytes > MOST_BYTES {
            let oldest = entries.known.iter().min_by_key(|(_, (used, _))| *used).map(|(url, _)| url.clone());
            let Some(oldest) = oldest else { return };
            entries.forget(&oldest);
        }
    }
}

impl Entries {
    fn forget(&mut self, url: &str) {
        if let Some((_, known)) = self.known.remove(url) {
            self.bytes = self.bytes.saturating_sub(known.bytes);
        }
    }
}
