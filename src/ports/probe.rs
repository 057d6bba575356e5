//! Looking at this machine: programs, places, walls, hosts. What is found is a fact; what it means is the app's affair.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::confine::Tier;
use crate::domain::evidence::ProcessRef;
use crate::domain::id::RunId;
use crate::domain::time::Timestamp;

/// Looks, and changes nothing that stays; only `make_directory`, `tighten`, `clear_scratch` and `sweep` do.
///
/// All calls but [`Probe::reach`] block; those that run programs say how long.
#[async_trait]
pub trait Probe: Send + Sync {
    /// Where a program is found, by the search path agents and checks get.
    fn program(&self, name: &str) -> Option<PathBuf>;

    /// Asks programs for their versions, all at once, in an environment without anything of the engine's; at most 5 s.
    ///
    /// Answers are in the order of the questions.
    fn versions(&self, programs: &[&str]) -> Vec<Version>;

    /// Whether a variable of this process says something. Its value stays here: it may be a secret.
    fn is_set(&self, variable: &str) -> bool;

    /// Asks `gh` whether somebody is logged in; at most 5 s.
    ///
    /// # Errors
    /// What it said, at most three lines joined by ` | ` and 240 characters.
    fn forge_login(&self) -> Result<(), String>;

    /// Makes the directory if need be, writes a file in it, and removes that file again.
    ///
    /// # Errors
    /// What the system said, in one line.
    fn writable(&self, directory: &Path) -> Result<(), String>;

    /// Writes a file in `.git` of a workspace and removes it again, following no link below the workspace.
    fn git_writable(&self, workspace: &Path) -> GitDir;

    /// Says whether `inner` lies in `outer` once every link is followed.
    fn is_within(&self, inner: &Path, outer: &Path) -> bool;

    /// Says whether something is there.
    fn exists(&self, path: &Path) -> bool;

    /// Says whether a recorded process still runs: the same one, not another that has its number by now.
    fn is_running(&self, process: &ProcessRef) -> bool;

    /// What kind of project a repository is, by the files it has; nothing in it is run, and no link is followed.
    fn project(&self, repository: &Path) -> Project;

    /// Bytes that may still be written where `path` is or will be.
    ///
    /// # Errors
    /// What the system said, in one line.
    fn free_space(&self, path: &Path) -> Result<u64, String>;

    /// The walls this machine has for agents; tries them once, at most 10 s.
    fn sandbox(&self) -> SandboxFacts;

    /// Places of the engine that others may read or write, and should not.
    fn loose_modes(&self) -> Vec<LooseMode>;

    /// What of the home directory this process cannot see though a person on this machine can: a service unit hides it.
    fn hidden_home(&self) -> Option<HiddenHome>;

    /// Where the engine keeps its data.
    fn data_dir(&self) -> &Path;

    /// The addresses package managers get packages from, as they themselves say; at most 5 s.
    fn registries(&self, managers: &[String]) -> Vec<Registry>;

    /// Asks addresses whether they answer, all at once; done after `limit` at the latest, one second more with a slow system.
    ///
    /// Answers are in the order of the questions.
    async fn reach(&self, urls: &[String], limit: Duration) -> Vec<Reach>;

    /// Makes a directory for its owner only, and what is missing above it.
    ///
    /// # Errors
    /// What the system said, in one line.
    fn make_directory(&self, directory: &Path) -> Result<(), String>;

    /// Takes the rights of others away from a place.
    ///
    /// # Errors
    /// What the system said, in one line.
    fn tighten(&self, loose: &LooseMode) -> Result<(), String>;

    /// Removes the engine's own half-made things of a run; says whether there were any. Nobody may work on the run.
    ///
    /// # Errors
    /// What the system said, in one line.
    fn clear_scratch(&self, run: &RunId) -> Result<bool, String>;

    /// Removes probe files and half-made stores that a killed process left more than an hour before `now`.
    ///
    /// Answers what was removed. Files of other names are never touched.
    fn sweep(&self, directories: &[PathBuf], now: Timestamp) -> Vec<PathBuf>;
}

/// What a program said about its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// There is no such program.
    Absent,
    /// It is there and said this, in its first line.
    Said {
        /// Where it is.
        path: PathBuf,
        /// The line.
        line: String,
    },
    /// It is there and does not answer as it should.
    Mute {
        /// Where it is.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// The directory git keeps its things in, in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitDir {
    /// There is none, or it is a link or a file.
    Absent(String),
    /// It is there and takes no file.
    ReadOnly(String),
    /// A file was written and removed.
    Writable,
}

/// What a repository is made with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Project {
    /// Whether it is a Python project.
    pub python: bool,
    /// Tools its Python side is built with.
    pub python_tools: Vec<String>,
    /// Whether it is a JavaScript project.
    pub javascript: bool,
    /// Tools its JavaScript side is built with, the package manager first.
    pub javascript_tools: Vec<String>,
    /// Programs of other kinds it needs: `cargo`, `go`, `make`.
    pub other_tools: Vec<String>,
}

impl Project {
    /// Whether nothing was recognised.
    pub fn is_unknown(&self) -> bool {
        !self.python && !self.javascript && self.other_tools.is_empty()
    }
}

/// The strongest wall that works here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxFacts {
    /// The tier.
    pub tier: Tier,
    /// What was found, and why it is not more.
    pub detail: String,
    /// The command that would raise the tier; empty at the highest.
    pub remedy: String,
}

/// A place with more rights than it should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LooseMode {
    /// The place.
    pub path: PathBuf,
    /// Its mode, permission bits only.
    pub mode: u32,
    /// The mode it should have.
    pub wanted: u32,
}

/// A home directory that is hidden from this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiddenHome {
    /// The home directory.
    pub home: PathBuf,
    /// How it is hidden.
    pub how: String,
}

/// Where a package manager gets packages from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// The package manager.
    pub manager: String,
    /// Its address, without credentials; `None` when it does not tell.
    pub url: Option<String>,
    /// Who said so, or why nobody did.
    pub source: String,
}

/// Whether an address answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It answered with this status.
    Answered(u16),
    /// It did not answer in time.
    Silent,
    /// Something lasting is in the way: a certificate, an answer that is no HTTP, an address that is none.
    Unusable(String),
    /// Something passing is in the way: no name, a refused or broken connection.
    Broken(String),
}
