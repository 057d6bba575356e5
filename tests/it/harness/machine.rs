//! The machine of the model world: everything is there and nothing is wrong.

use std::path::{Path, PathBuf};
use std::time::Duration;

use agentpr::domain::confine::Tier;
use agentpr::domain::evidence::ProcessRef;
use agentpr::domain::id::RunId;
use agentpr::domain::time::Timestamp;
use agentpr::ports::probe::{
    GitDir, HiddenHome, LooseMode, Probe, Project, Reach, Registry, SandboxFacts, Version,
};
use async_trait::async_trait;

use super::world::World;

#[async_trait]
impl Probe for World {
    fn program(&self, name: &str) -> Option<PathBuf> {
        Some(Path::new("/bin").join(name))
    }

    fn versions(&self, programs: &[&str]) -> Vec<Version> {
        programs.iter().map(|_| Version::Absent).collect()
    }

    fn is_set(&self, _variable: &str) -> bool {
        false
    }

    fn forge_login(&self) -> Result<(), String> {
        Ok(())
    }

    fn writable(&self, _directory: &Path) -> Result<(), String> {
        Ok(())
    }

    fn git_writable(&self, _workspace: &Path) -> GitDir {
        GitDir::Writable
    }

    fn is_within(&self, _inner: &Path, _outer: &Path) -> bool {
        true
    }

    fn exists(&self, _path: &Path) -> bool {
        true
    }

    fn is_running(&self, _process: &ProcessRef) -> bool {
        true
    }

    fn project(&self, _repository: &Path) -> Project {
        Project::default()
    }

    fn free_space(&self, _path: &Path) -> Result<u64, String> {
        Ok(u64::MAX)
    }

    fn sandbox(&self) -> SandboxFacts {
        SandboxFacts { tier: Tier::Bubblewrap, detail: String::new(), remedy: String::new() }
    }

    fn loose_modes(&self) -> Vec<LooseMode> {
        Vec::new()
    }

    fn hidden_home(&self) -> Option<HiddenHome> {
        None
    }

    fn data_dir(&self) -> &Path {
        Path::new("/nowhere")
    }

    fn registries(&self, _managers: &[String]) -> Vec<Registry> {
        Vec::new()
    }

    async fn reach(&self, urls: &[String], _limit: Duration) -> Vec<Reach> {
        vec![Reach::Answered(200); urls.len()]
    }

    fn make_directory(&self, _directory: &Path) -> Result<(), String> {
        Ok(())
    }

    fn tighten(&self, _loose: &LooseMode) -> Result<(), String> {
        Ok(())
    }

    fn clear_scratch(&self, _run: &RunId) -> Result<bool, String> {
        Ok(false)
    }

    fn sweep(&self, _directories: &[PathBuf], _now: Timestamp) -> Vec<PathBuf> {
        Vec::new()
    }
}
