//! Looking at this machine: programs, directories, kinds of project.

use std::path::{Path, PathBuf};

/// Looks, and changes nothing that stays.
pub trait Probe: Send + Sync {
    /// Where a program is found, by the search path agents and checks get.
    fn program(&self, name: &str) -> Option<PathBuf>;

    /// Makes the directory if need be, writes a file in it, and removes that file again.
    ///
    /// # Errors
    /// What the system said, in one line.
    fn writable(&self, directory: &Path) -> Result<(), String>;

    /// Says whether `inner` lies in `outer` once every link is followed.
    fn is_within(&self, inner: &Path, outer: &Path) -> bool;

    /// Says whether something is there.
    fn exists(&self, path: &Path) -> bool;

    /// The programs a project needs, by the files it has: `(kind, program)`.
    fn project_programs(&self, repository: &Path) -> Vec<(&'static str, String)>;
}
