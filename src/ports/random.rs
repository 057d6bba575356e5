//! Chance, asked for.

/// Gives unpredictable bytes: ids and tokens are made of them.
pub trait Random: Send + Sync {
    /// Fills `bytes` from the system's generator.
    ///
    /// # Errors
    /// [`NoRandom`] when the system has none to give; then no id and no token is made.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandom>;
}

/// The system gave no random bytes.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no random bytes: {0}")]
pub struct NoRandom(pub String);
