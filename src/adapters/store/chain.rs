//! The hash chain of a run: each event's hash covers the one before it, so that no event can be changed or taken out unseen.
//!
//! `hash = SHA-256(prev_hash ‖ run ‖ version ‖ name ‖ schema ‖ at ‖ actor ‖ cause ‖ key ‖ state ‖ body)`. Texts are their
//! length in bytes as 8 bytes, big-endian, and then the bytes; numbers are 8 bytes, big-endian; an optional field is one
//! byte 0, or one byte 1 and the field. The first event of a run has 32 zero bytes before it. The global `seq` is left out:
//! it is the place in a file, and an event stays the same when it is copied to another store.

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest as bytes.
pub type Hash = [u8; 32];

/// What stands before the first event of a run.
pub const GENESIS: Hash = [0; 32];

/// The fields of an event that its hash covers, as they are stored.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "each is the column of the same name")]
pub struct Link<'a> {
    pub run: &'a str,
    pub version: u64,
    pub name: &'a str,
    pub schema: u32,
    pub at: i64,
    pub actor: &'a str,
    pub cause: Option<u64>,
    pub key: Option<&'a str>,
    pub state: &'a str,
    pub body: &'a str,
}

impl Link<'_> {
    /// The hash of this event when `prev` is the hash of the one before it.
    pub fn hash(&self, prev: &Hash) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(prev);
        text(&mut hasher, self.run);
        hasher.update(self.version.to_be_bytes());
        text(&mut hasher, self.name);
        hasher.update(u64::from(self.schema).to_be_bytes());
        hasher.update(self.at.to_be_bytes());
        text(&mut hasher, self.actor);
        match self.cause {
            None => hasher.update([0]),
            Some(cause) => {
                hasher.update([1]);
                hasher.update(cause.to_be_bytes());
            }
        }
        match self.key {
            None => hasher.update([0]),
            Some(key) => {
                hasher.update([1]);
                text(&mut hasher, key);
            }
        }
        text(&mut hasher, self.state);
        text(&mut hasher, self.body);
        hasher.finalize().into()
    }
}

fn text(hasher: &mut Sha256, text: &str) {
    hasher.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
    hasher.update(text.as_bytes());
}
