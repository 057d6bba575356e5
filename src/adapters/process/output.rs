//! Output of a program kept in memory: its beginning and its end, for these are what people look for.

use std::collections::VecDeque;

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
        let (skipped, kept) = rest.split_at(rest.len().saturating_sub(self.half));
        let excess = (self.tail.len() + kept.len()).saturating_sub(self.half);
        self.tail.drain(..excess);
        self.tail.extend(kept);
        self.dropped += (skipped.len() + excess) as u64;
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
