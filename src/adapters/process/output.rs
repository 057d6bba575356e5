//! Output of a program, kept up to a cap: its beginning and its end, for these are what people look for.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::tree::private_dir;

/// Collects bytes up to a cap; beyond it the middle is left out.
#[derive(Debug)]
pub struct CappedLog {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    half: usize,
    dropped: u64,
}

/// What was kept of a program's output.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Captured {
    /// The bytes; where the middle was left out, a line says how much of it.
    pub bytes: Vec<u8>,
    /// Whether bytes were left out.
    pub truncated: bool,
}

impl CappedLog {
    /// Makes an empty log that keeps at most `cap` bytes, half of them from the end.
    pub fn new(cap: usize) -> Self {
        Self { head: Vec::new(), tail: VecDeque::new(), half: cap / 2, dropped: 0 }
    }

    /// Takes more bytes in.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = self.half.saturating_sub(self.head.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let excess = self.tail.len().saturating_sub(self.half);
        self.tail.drain(..excess);
        self.dropped += excess as u64;
    }

    /// What was kept.
    pub fn finish(self) -> Captured {
        let mut bytes = self.head;
        if self.dropped > 0 {
            bytes.extend_from_slice(format!("\n[{} bytes left out]\n", self.dropped).as_bytes());
        }
        bytes.extend(self.tail);
        Captured { bytes, truncated: self.dropped > 0 }
    }
}

/// A file that grows while a program speaks. It is a convenience: when it cannot be written, the program goes on.
#[derive(Debug)]
pub struct LiveLog {
    file: File,
    room: usize,
}

impl LiveLog {
    /// Begins the file anew, readable by its owner only; `None` when the file system refuses.
    pub fn open(path: &Path, cap: usize) -> Option<Self> {
        private_dir(path.parent()?).ok()?;
        let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path).ok()?;
        Some(Self { file, room: cap })
    }

    /// Takes more bytes in, until the cap is reached.
    pub fn push(&mut self, bytes: &[u8]) {
        let count = bytes.len().min(self.room);
        let written = self.file.write_all(bytes.get(..count).unwrap_or_default());
        self.room = if written.is_ok() { self.room - count } else { 0 };
    }
}
