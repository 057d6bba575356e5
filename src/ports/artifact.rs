//! Files that belong to a run: prompts, contracts, requests for people to read.

use std::path::PathBuf;

use crate::domain::evidence::LogRef;
use crate::domain::id::RunId;

/// Keeps files of runs.
///
/// Paths are relative to the artifact directory and begin with the run's id. Files are readable by their owner only.
pub trait Artifacts: Send + Sync {
    /// Writes a file whole, replacing one of the same name; durable when it returns.
    ///
    /// # Errors
    /// [`ArtifactError`] when the file system refuses; an older file of that name is then untouched.
    fn write(&self, run: &RunId, name: &str, bytes: &[u8]) -> Result<LogRef, ArtifactError>;

    /// Reads a file by its relative path, at most `limit` bytes from its end.
    ///
    /// # Errors
    /// [`ArtifactError`] when it is missing, unreadable or outside the artifact directory.
    fn read_tail(&self, path: &str, limit: u64) -> Result<Vec<u8>, ArtifactError>;

    /// The absolute path of a file.
    fn absolute(&self, path: &str) -> PathBuf;

    /// Removes every file of a run, and says how many bytes that freed.
    ///
    /// # Errors
    /// [`ArtifactError`] when the file system refuses.
    fn remove(&self, run: &RunId) -> Result<u64, ArtifactError>;
}

/// A file could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{path}`: {source}")]
pub struct ArtifactError {
    /// `read`, `write`, `remove`.
    pub action: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: std::io::Error,
}
