//! This machine, looked at for `doctor` and `run-preflight`.
//!
//! [`place`] looks at files and directories, `project` at what a repository is made with, `program` asks programs,
//! [`registry`] asks package managers where they get packages from, `reach` asks hosts, [`home`] sees
//! what a service unit hides. Nothing here judges, and nothing in a workspace is run.

pub mod home;
pub mod place;
mod program;
mod project;
mod reach;
pub mod registry;
mod sweep;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

use crate::adapters::process::environment::scratch_dir;
use crate::adapters::process::leftover::is_there;
use crate::adapters::process::sandbox::Sandbox;
use crate::adapters::process::tree::{private_dir, remove_tree};
use crate::domain::confine::Tier;
use crate::domain::evidence::ProcessRef;
use crate::domain::id::RunId;
use crate::domain::time::Timestamp;
use crate::ports::probe::{
    GitDir, HiddenHome, LooseMode, Probe, Project, Reach, Registry, SandboxFacts, Version,
};

/// What a look needs to know.
#[derive(Debug, Clone)]
pub struct ProbeSettings {
    /// Where programs are looked for; the first match wins.
    pub search_path: Vec<PathBuf>,
    /// Programs the operator named, by their usual names; others are looked for.
    pub programs: BTreeMap<String, PathBuf>,
    /// This process's variables. Children get a few of them, by name; values are never shown.
    pub parent: BTreeMap<String, String>,
    /// The engine's data directory.
    pub data_dir: PathBuf,
    /// The store.
    pub db: PathBuf,
    /// The settings file, whether it is there or not.
    pub config_file: PathBuf,
}

/// Looks at this machine.
pub struct SystemProbe {
    settings: ProbeSettings,
    sandbox: Sandbox,
}

impl SystemProbe {
    /// A probe of this machine, with the sandbox that agents and checks get; nothing is looked at yet.
    pub fn new(settings: ProbeSettings, sandbox: Sandbox) -> Self {
        Self { settings, sandbox }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.settings.parent.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }
}

#[async_trait]
impl Probe for SystemProbe {
    fn program(&self, name: &str) -> Option<PathBuf> {
        program::find(&self.settings.search_path, name)
    }

    fn versions(&self, programs: &[&str]) -> Vec<Version> {
        let found: Vec<Option<PathBuf>> = programs.iter().map(|name| self.named_program(name)).collect();
        program::versions(&self.settings, &found)
    }

    fn is_set(&self, variable: &str) -> bool {
        self.variable(variable).is_some()
    }

    fn forge_login(&self) -> Result<(), String> {
        program::forge_login(&self.settings)
    }

    fn writable(&self, directory: &Path) -> Result<(), String> {
        place::writable(directory)
    }

    fn git_writable(&self, workspace: &Path) -> GitDir {
        place::git_writable(workspace)
    }

    fn is_within(&self, inner: &Path, outer: &Path) -> bool {
        match (inner.canonicalize(), outer.canonicalize()) {
            (Ok(inner), Ok(outer)) => inner.starts_with(outer),
            _ => false,
        }
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn is_running(&self, process: &ProcessRef) -> bool {
        is_there(process)
    }

    fn project(&self, repository: &Path) -> Project {
        project::look(repository)
    }

    fn free_space(&self, path: &Path) -> Result<u64, String> {
        place::free_space(path)
    }

    fn sandbox(&self) -> SandboxFacts {
        let found = self.sandbox.probe();
        let kernel = found.landlock.map(|version| format!("Landlock works (version {version})"));
        let bwrap = found.bwrap.as_ref().filter(|_| found.tier == Tier::Bubblewrap);
        let bwrap = bwrap.map(|bwrap| format!("`{}` {} works", bwrap.path.display(), bwrap.version));
        let said = [bwrap, kernel, found.why_not_higher.clone()];
        SandboxFacts {
            tier: found.tier,
            detail: said.into_iter().flatten().collect::<Vec<_>>().join("; "),
            remedy: found.remedy.clone(),
        }
    }

    fn loose_modes(&self) -> Vec<LooseMode> {
        place::loose_modes(&self.settings)
    }

    fn hidden_home(&self) -> Option<HiddenHome> {
        let home = self.variable("HOME").map(PathBuf::from)?;
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let closed = || {
            // Only of a service: a person who may not enter the home was told so when logging in.
            let why = std::fs::read_dir(&home).err().filter(|_| self.is_set("INVOCATION_ID"))?;
            if why.kind() != std::io::ErrorKind::PermissionDenied {
                return None;
            }
            Some(format!("`{}` cannot be entered: {why}", home.display()))
        };
        home::hidden(&mounts, &home).or_else(closed).map(|how| HiddenHome { home, how })
    }

    fn data_dir(&self) -> &Path {
        &self.settings.data_dir
    }

    fn registries(&self, managers: &[String]) -> Vec<Registry> {
        registry::ask(&self.settings, managers)
    }

    async fn reach(&self, urls: &[String], limit: Duration) -> Vec<Reach> {
        reach::ask_all(&self.settings.parent, urls, limit).await
    }

    fn make_directory(&self, directory: &Path) -> Result<(), String> {
        private_dir(directory).map_err(|err| err.to_string())
    }

    fn tighten(&self, loose: &LooseMode) -> Result<(), String> {
        place::tighten(loose)
    }

    fn clear_scratch(&self, run: &RunId) -> Result<bool, String> {
        let scratch = scratch_dir(&self.settings.data_dir, run);
        let is_there = std::fs::symlink_metadata(&scratch).is_ok();
        remove_tree(&scratch).map(|_bytes| is_there).map_err(|err| err.to_string())
    }

    fn sweep(&self, directories: &[PathBuf], now: Timestamp) -> Vec<PathBuf> {
        sweep::sweep(directories, now)
    }
}

impl SystemProbe {
    /// Where a tool is: where its variable says, which must be a program then, or on the search path.
    fn named_program(&self, name: &str) -> Option<PathBuf> {
        self.settings.programs.get(name).cloned().or_else(|| self.program(name))
    }
}
