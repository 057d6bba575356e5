//! Lines of an output as they arrive, for an adapter that speaks a protocol with its agent.

use std::sync::Arc;

/// Longest line that is handed on; what is beyond it is cut off.
pub const LONGEST_LINE: usize = 256 * 1024;

/// Takes the lines of one output, without their line break and without secrets. Called on the task that reads; it must not block.
pub type LineSink = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// Cuts a stream into lines.
pub(super) struct Lines {
    sink: LineSink,
    line: Vec<u8>,
}

impl Lines {
    pub(super) fn new(sink: LineSink) -> Self {
        Self { sink, line: Vec::new() }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut parts = bytes.split(|byte| *byte == b'\n');
        if let Some(first) = parts.next() {
            self.add(first);
        }
        for part in parts {
            (self.sink)(&self.line);
            self.line.clear();
            self.add(part);
        }
    }

    /// The stream has ended; a last line without a line break is one.
    pub(super) fn finish(&mut self) {
        if !self.line.is_empty() {
            (self.sink)(&self.line);
            self.line.clear();
        }
    }

    fn add(&mut self, part: &[u8]) {
        let room = LONGEST_LINE.saturating_sub(self.line.len()).min(part.len());
        self.line.extend_from_slice(part.get(..room).unwrap_or_default());
    }
}
