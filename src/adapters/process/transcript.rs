//! The log of a program: a file that grows while the program speaks, up to a cap for each of its outputs.
//!
//! Beyond the cap the end of an output is kept in memory and written at the end, after a line that says how much is missing; so
//! neither the file nor the memory grows with what a program prints.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::tree::private_dir;
use crate::domain::id::Digest;

/// Bytes of each output that are stored as they arrive.
pub const STREAM_CAP: u64 = 16 * 1024 * 1024;

/// Bytes from the end of each output that are stored besides.
pub const STREAM_TAIL: usize = 64 * 1024;

/// One of the two outputs of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Takes the bytes of both outputs as they arrive, harmless and without secrets. Called on the task that reads; it must not block.
pub type OutputSink = Arc<dyn Fn(Output, &[u8]) + Send + Sync>;

/// A log that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLog {
    /// SHA-256 of the stored bytes.
    pub sha256: Digest,
    /// Stored bytes.
    pub bytes: u64,
    /// Whether something is missing.
    pub truncated: bool,
}

/// A log that is being written.
#[derive(Debug)]
pub struct Transcript {
    file: File,
    hash: Sha256,
    bytes: u64,
    /// Whether the file ends with a line break.
    at_line_start: bool,
    failed: bool,
    stdout: Share,
    stderr: Share,
}

/// What one output has of the log.
#[derive(Debug)]
struct Share {
    room: u64,
    tail: VecDeque<u8>,
    dropped: u64,
}

impl Transcript {
    /// Begins the file anew, readable by its owner only, with `cap` bytes for each output.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(path: &Path, cap: u64) -> io::Result<Self> {
        path.parent().map_or(Ok(()), private_dir)?;
        match fs::remove_file(path) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let share = || Share { room: cap, tail: VecDeque::new(), dropped: 0 };
        Ok(Self {
            file,
            hash: Sha256::new(),
            bytes: 0,
            at_line_start: true,
            failed: false,
            stdout: share(),
            stderr: share(),
        })
    }

    /// Takes more of an output in. A file system that refuses ends the log, not the program.
    pub fn push(&mut self, output: Output, bytes: &[u8]) {
        let share = match output {
            Output::Stdout => &mut self.stdout,
            Output::Stderr => &mut self.stderr,
        };
        let room = usize::try_from(share.room).unwrap_or(usize::MAX).min(bytes.len());
        let (stored, rest) = bytes.split_at(room);
        share.room -= stored.len() as u64;
        share.keep_end(rest);
        self.store(stored);
    }

    fn store(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        if self.failed {
            return;
        }
        if let Err(err) = self.file.write_all(bytes) {
            tracing::warn!(%err, "a log cannot be written any more");
            self.failed = true;
            return;
        }
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.at_line_start = *last == b'\n';
    }

    /// Writes the ends of long outputs and flushes the file; durable when it returns. Blocks.
    ///
    /// # Errors
    /// What the file system says.
    pub fn finish(mut self) -> io::Result<StoredLog> {
        let mut truncated = self.failed;
        let shares = [&mut self.stdout, &mut self.stderr]
            .map(|share| (share.dropped, std::mem::take(&mut share.tail)));
        for ((dropped, tail), name) in shares.into_iter().zip(["output", "error output"]) {
            if dropped > 0 {
                truncated = true;
                let line_break = if self.at_line_start { "" } else { "\n" };
                self.store(format!("{line_break}[{dropped} bytes of the {name} left out]\n").as_bytes());
            }
            let (first, second) = tail.as_slices();
            self.store(first);
            self.store(second);
        }
        self.file.sync_all()?;
        let sha256 = Digest::new(hex::encode(self.hash.finalize())).map_err(io::Error::other)?;
        Ok(StoredLog { sha256, bytes: self.bytes, truncated: truncated || self.failed })
    }
}

impl Share {
    fn keep_end(&mut self, bytes: &[u8]) {
        let fresh = bytes.len().saturating_sub(STREAM_TAIL);
        let (skipped, kept) = bytes.split_at(fresh);
        let excess = (self.tail.len() + kept.len()).saturating_sub(STREAM_TAIL);
        self.tail.drain(..excess);
        self.tail.extend(kept);
        self.dropped += (skipped.len() + excess) as u64;
    }
}
