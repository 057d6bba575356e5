//! Files of runs, kept below one directory.
//!
//! A file is written beside its place, flushed and renamed, so a reader sees the old one or the new one. Names are checked:
//! nothing outside the directory is read or written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use crate::adapters::process::redact::Redactor;
use crate::adapters::process::tree::{private_dir, remove_tree};
use crate::domain::evidence::LogRef;
use crate::domain::id::{Digest, RunId};
use crate::ports::artifact::{ArtifactError, Artifacts};

/// Files below one directory, by run.
#[derive(Debug)]
pub struct ArtifactStore {
    root: PathBuf,
    redactor: Redactor,
    written: AtomicU64,
}

impl ArtifactStore {
    /// Keeps files below `root`, an absolute path; nothing is made before the first file. What `redactor` finds is in none of
    /// them.
    pub fn new(root: PathBuf, redactor: Redactor) -> Self {
        Self { root, redactor, written: AtomicU64::new(0) }
    }

    fn write_whole(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let folder = path.parent().ok_or_else(outside)?;
        private_dir(folder)?;
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let partial = folder.join(format!(".partial-{}-{number}", std::process::id()));
        let written = write_synced(&partial, bytes).and_then(|()| fs::rename(&partial, path));
        if written.is_err() {
            // What failed first is what the caller wants to hear of.
            let _left = fs::remove_file(&partial);
        }
        written.and_then(|()| File::open(folder)?.sync_all())
    }
}

impl Artifacts for ArtifactStore {
    fn write(&self, run: &RunId, name: &str, bytes: &[u8]) -> Result<LogRef, ArtifactError> {
        let failed = |source| ArtifactError { action: "write", path: PathBuf::from(name), source };
        let name_path = relative(name).map_err(failed)?;
        let relative = Path::new(run.as_str()).join(name_path);
        let path = self.root.join(&relative);
        let bytes = &self.redactor.bytes(bytes);
        self.write_whole(&path, bytes).map_err(|source| ArtifactError { action: "write", path, source })?;
        let sha256 =
            Digest::new(hex::encode(Sha256::digest(bytes))).map_err(|err| failed(io::Error::other(err)))?;
        Ok(LogRef {
            path: relative.to_string_lossy().into_owned(),
            sha256,
            bytes: bytes.len() as u64,
            truncated: false,
        })
    }

    fn read_tail(&self, path: &str, limit: u64) -> Result<Vec<u8>, ArtifactError> {
        let failed = |source| ArtifactError { action: "read", path: PathBuf::from(path), source };
        let absolute = self.root.join(relative(path).map_err(failed)?);
        tail_of(&absolute, limit).map_err(failed)
    }

    fn absolute(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn remove(&self, run: &RunId) -> Result<u64, ArtifactError> {
        let path = self.root.join(run.as_str());
        remove_tree(&path).map_err(|source| ArtifactError { action: "remove", path, source })
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn tail_of(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(limit)))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Takes a path of plain names only.
fn relative(name: &str) -> io::Result<PathBuf> {
    let path = Path::new(name);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if name.is_empty() || !plain || name.chars().any(char::is_control) {
        return Err(outside());
    }
    Ok(path.to_owned())
}

fn outside() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the name does not stay in the artifact directory")
}
