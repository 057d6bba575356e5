//! Control repositories: one bare repository per remote repository, the engine's own, which nobody else writes to.
//!
//! Guard, diff, checks and push work on objects there. Owner and name are part of its path, in lower case as
//! [`RepoSlug::key`] says, so two owners with the same repository name never meet.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::program::{Git, GitError};
use crate::adapters::process::tree::private_dir;
use crate::domain::id::{CommitSha, RepoSlug, RunId};

/// Faults of old histories that many well-known repositories carry and that harm nobody (git-fsck(1)).
const HARMLESS: [&str; 6] = [
    "zeroPaddedFilemode",
    "badTimezone",
    "badDateOverflow",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "missingNameBeforeEmail",
];

/// What a control repository is set to: objects are checked on their way in and flushed to the disk before a ref names them,
/// and one commit can be fetched by its id.
const SETTINGS: &str = "[transfer]
	fsckObjects = true
[uploadpack]
	allowAnySHA1InWant = true
[core]
	fsync = committed
";

/// The file in a control repository that says that it was made to the end.
const READY: &str = "agentpr-ready";

/// Keeps the control repositories below the data directory.
#[derive(Debug, Clone)]
pub struct ControlRepos {
    data_dir: PathBuf,
    git: Git,
}

/// Holds a repository for one writer; free again when dropped.
#[derive(Debug)]
pub struct ControlLock {
    _file: File,
}

/// Why a control repository cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The file system refuses.
    #[error("cannot use the control repository at `{}`: {source}", .path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Git refuses.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl ControlRepos {
    /// Keeps them below `data_dir`.
    pub fn new(data_dir: PathBuf, git: Git) -> Self {
        Self { data_dir, git }
    }

    /// The git program they are used with.
    pub fn git(&self) -> &Git {
        &self.git
    }

    /// Where the control repository of `repo` is, whether or not it was made.
    pub fn path(&self, repo: &RepoSlug) -> PathBuf {
        self.data_dir.join("control").join(format!("{}.git", repo.key()))
    }

    /// Waits until no other process or thread writes to the repository; blocks.
    ///
    /// # Errors
    /// [`ControlError::File`].
    pub fn lock(&self, repo: &RepoSlug) -> Result<ControlLock, ControlError> {
        let path = self.path(repo).with_extension("lock");
        let failed = |source| ControlError::File { path: path.clone(), source };
        if let Some(folder) = path.parent() {
            private_dir(folder).map_err(failed)?;
        }
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
        loop {
            match flock(&file, FlockOperation::LockExclusive) {
                Ok(()) => {
                    clear_stale_locks(&self.path(repo));
                    return Ok(ControlLock { _file: file });
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(failed(errno.into())),
            }
        }
    }

    /// Where the control repository is, if it was made.
    pub fn ready(&self, repo: &RepoSlug) -> Option<PathBuf> {
        Some(self.path(repo)).filter(|path| path.join(READY).is_file())
    }

    /// Makes the control repository if it is not there; the lock must be held.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn ensure(&self, repo: &RepoSlug, _lock: &ControlLock) -> Result<PathBuf, ControlError> {
        if let Some(path) = self.ready(repo) {
            return Ok(path);
        }
        let path = self.path(repo);
        let failed = |source| ControlError::File { path: path.clone(), source };
        private_dir(&path).map_err(failed)?;
        self.git
            .anywhere(&path)
            .run(["init", "--quiet", "--bare", "--template=", "--"])
            .arg(show(&path))
            .output()?;
        let harmless: String = HARMLESS.iter().map(|fault| format!("\t{fault} = ignore\n")).collect();
        let settings = format!("{SETTINGS}[fetch \"fsck\"]\n{harmless}");
        let mut config = OpenOptions::new().append(true).open(path.join("config")).map_err(failed)?;
        config.write_all(settings.as_bytes()).map_err(failed)?;
        std::fs::write(path.join(READY), b"").map_err(failed)?;
        Ok(path)
    }

    /// Says whether a commit is there.
    pub fn has(&self, repo: &RepoSlug, commit: &CommitSha) -> bool {
        let object = format!("{commit}^{{commit}}");
        self.git.on(&self.path(repo)).run(["cat-file", "-e"]).arg(object).output().is_ok()
    }

    /// The ref that keeps the commit a run is built on.
    pub fn base_ref(run: &RunId) -> String {
        format!("refs/agent/{run}/base")
    }

    /// The ref that keeps a run's newest captured commit.
    pub fn head_ref(run: &RunId) -> String {
        format!("refs/agent/{run}/head")
    }
}

/// Removes git's own lock files, which a git that was killed leaves behind and which would stop every later one.
///
/// Only who holds the [`ControlLock`] writes refs, so no living command of ours owns one. What cannot be removed is
/// reported by the command it stops.
fn clear_stale_locks(repository: &Path) {
    let mut folders = vec![repository.join("refs")];
    let mut files: Vec<PathBuf> = ["packed-refs.lock", "shallow.lock", "config.lock", "HEAD.lock"]
        .iter()
        .map(|name| repository.join(name))
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "lock") {
                files.push(path);
            }
        }
    }
    for file in files {
        let _absent = std::fs::remove_file(file);
    }
}

/// A path as an argument; every path of ours is made of checked names below an operator's directory.
pub fn show(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
