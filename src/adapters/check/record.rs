//! The artifact tree of one verification: what was run, what it said and how it ended, under the seed's file names.
//!
//! Commands may write beside these files, so nothing is reached by a path twice: the directory is opened once without
//! following links, and every file is made anew in it. Writing is best effort; the durable log of a command is kept elsewhere.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, open, openat, unlinkat};
use serde_json::{Value, json};

use crate::adapters::process::redact::Redactor;
use crate::domain::verification::Stage;

/// Characters of a text that are kept; the seed's number.
pub(super) const TEXT_CAP: usize = 2_000_000;

/// How a command ended, as scripts know it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    /// Exit code; 124 at a time limit, 126 refused, 128 and the number of a signal.
    pub(super) rc: i32,
    /// Whether a time limit ended it.
    pub(super) timed_out: bool,
}

/// What one try left.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    pub(super) command: &'a str,
    pub(super) stdout: &'a [u8],
    pub(super) stderr: &'a [u8],
    pub(super) ended: Ended,
}

/// An open directory that takes artifacts.
#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
    dir: OwnedFd,
    redactor: Redactor,
}

impl Record {
    /// Makes and opens `relative` below `root`, following no link on the way.
    /// What `redactor` knows is in none of its files.
    ///
    /// # Errors
    /// What the file system says; a link on the way is an error.
    pub(super) fn below(root: &Path, relative: &Path, redactor: &Redactor) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut dir = open(root, flags, Mode::empty())?;
        for part in relative.components() {
            let Component::Normal(name) = part else {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a plain path"));
            };
            match mkdirat(&dir, name, Mode::from_raw_mode(0o700)) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(err) => return Err(err.into()),
            }
            dir = openat(&dir, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
        }
        Ok(Self { path: root.join(relative), dir, redactor: redactor.clone() })
    }

    /// The directory inside this one.
    pub(super) fn inner(&self, name: &str) -> io::Result<Self> {
        match mkdirat(&self.dir, name, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(err) => return Err(err.into()),
        }
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let dir = openat(&self.dir, name, flags, Mode::empty())?;
        Ok(Self { path: self.path.join(name), dir, redactor: self.redactor.clone() })
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one command's four files, their names beginning with `prefix`.
    pub(super) fn entry(&self, prefix: &str, entry: &Entry<'_>) {
        self.text(&format!("{prefix}_cmd.txt"), format!("{}\n", entry.command).as_bytes());
        self.text(&format!("{prefix}_stdout.txt"), entry.stdout);
        self.text(&format!("{prefix}_stderr.txt"), entry.stderr);
        let Ended { rc, timed_out } = entry.ended;
        self.document(&format!("{prefix}_result.json"), &json!({ "rc": rc, "timed_out": timed_out }));
    }

    /// Writes how a stage ended; `failed` is the number of the command that failed, starting at 1.
    pub(super) fn stage(&self, stage: Stage, failed: Option<usize>, total: usize) {
        let summary = json!({ "ok": failed.is_none(), "failed_index": failed, "total_results": total });
        self.document(&format!("{}_summary.json", stage.name()), &summary);
    }

    /// Writes a document.
    pub(super) fn document(&self, name: &str, value: &Value) {
        self.write(name, format!("{value:#}\n").as_bytes());
    }

    /// Writes a text, cut at the cap.
    pub(super) fn text(&self, name: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        match text.char_indices().nth(TEXT_CAP) {
            None => self.write(name, text.as_bytes()),
            Some((end, _)) => {
                let kept = text.get(..end).unwrap_or_default();
                self.write(name, format!("{kept}\n[cut after {TEXT_CAP} characters]\n").as_bytes());
            }
        }
    }

    /// Writes bytes without the secrets in them.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        let safe = self.redactor.bytes(bytes);
        if let Err(err) = self.write_new(name, &safe) {
            tracing::warn!(path = %self.path.join(name).display(), %err, "an artifact could not be written");
        }
    }

    fn write_new(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        match unlinkat(&self.dir, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(err) => return Err(err.into()),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&self.dir, name, flags, Mode::from_raw_mode(0o600))?);
        file.write_all(bytes)
    }
}
