//! The system's random generator.

use crate::ports::random::{NoRandom, Random};

/// Bytes of `getrandom(2)`: never seeded by us, never read ahead.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandom> {
        getrandom::fill(bytes).map_err(|err| NoRandom(err.to_string()))
    }
}
