//! What is remembered of a GitHub over processes: limits, the last write, failures. One small file for each host.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::breaker::Breaker;
use super::deadline::Deadline;
use super::limit::Scope;
use crate::domain::time::Moment;

/// How long nothing is asked after what was remembered could not be read: a limit may have been in it.
const DAMAGED: Duration = Duration::from_secs(60);

/// The file's content. A login is named by a digest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Remembered {
    /// When the last write ended, or began while `is_writing`.
    pub last_write: Option<Moment>,
    /// Whether a write was begun and not ended: it runs, or its process died.
    pub is_writing: bool,
    /// The row of failures.
    pub breaker: Breaker,
    /// The limits of each login.
    pub logins: BTreeMap<String, Limits>,
    /// Nothing is asked by anybody before.
    pub closed: Option<Deadline>,
}

/// The limits of one login.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Limits {
    /// What is left alone until when.
    pub not_before: BTreeMap<Scope, Deadline>,
    /// Waits in a row that had no length of GitHub's.
    pub blind: u32,
}

impl Remembered {
    /// Reads the file; without one there is nothing to remember. Of a damaged one it is only known that a limit may hold.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn load(path: &Path, now: &Moment) -> io::Result<Self> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(err) if err.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(err) => return Err(err),
        };
        if let Ok(remembered) = serde_json::from_slice(&bytes) {
            return Ok(remembered);
        }
        let closed = Some(Deadline::after(now, DAMAGED));
        let remembered = Self { closed, is_writing: true, ..Self::default() };
        // Kept at once, so that the next process does not begin the minute anew.
        remembered.save(path, true)?;
        Ok(remembered)
    }

    /// Puts the file in place of the old one, whole or not at all; when it must be `durable`, it outlives a power cut when this returns.
    ///
    /// # Errors
    /// What the file system says; then the old one is there still.
    pub(super) fn save(&self, path: &Path, durable: bool) -> io::Result<()> {
        let text = serde_json::to_vec(self)?;
        let part = path.with_extension("part");
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(&text)?;
        if durable {
            file.sync_all()?;
        }
        fs::rename(&part, path)?;
        match path.parent() {
            Some(folder) if durable => File::open(folder)?.sync_all(),
            Some(_) | None => Ok(()),
        }
    }

    /// Takes out what is over.
    pub(super) fn tidy(&mut self, now: &Moment) {
        for limits in self.logins.values_mut() {
            limits.not_before.retain(|_, deadline| deadline.left(now).is_some());
        }
        self.logins.retain(|_, limits| *limits != Limits::default());
        self.closed = self.closed.take().filter(|closed| closed.left(now).is_some());
    }
}
