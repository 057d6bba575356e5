//! Repositories on this machine that a person, or the demo, hands to a run; and the fake GitHub of the demo.

mod continuous;
pub mod fake_forge;
mod look;
mod sample;
mod scratch;

use std::path::Path;

use super::git::program::Git;
use crate::ports::local::{LocalRepo, LocalRepos, Sample};
use crate::ports::workspace::WorkspaceError;

/// Looks at repositories with git.
pub struct GitLocalRepos {
    git: Git,
    search_path: String,
}

impl GitLocalRepos {
    /// Uses this git; the sample's test finds its programs on `search_path`.
    pub fn new(git: Git, search_path: String) -> Self {
        Self { git, search_path }
    }
}

impl LocalRepos for GitLocalRepos {
    fn look(&self, path: &Path) -> Result<LocalRepo, WorkspaceError> {
        look::look(&self.git, path)
    }

    fn make_scratch(&self, dir: &Path) -> Result<(), WorkspaceError> {
        scratch::make(&self.git, dir)
    }

    fn make_sample(&self, dir: &Path, remote: &Path) -> Result<Sample, WorkspaceError> {
        sample::make(&self.git, dir, remote, &self.search_path)
    }
}
