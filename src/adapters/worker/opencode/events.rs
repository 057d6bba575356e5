//! Cuts a stream of server-sent events into its payloads. Knows nothing of what they mean, and never holds more than one of them.

/// Bytes of the longest payload; a tool's part carries its whole input and output. One that is longer is left out.
pub const LONGEST: usize = 8 * 1024 * 1024;

/// Reads a stream from its beginning.
#[derive(Debug, Default)]
pub struct Events {
    line: Vec<u8>,
    data: Vec<u8>,
    /// Whether the present event or line is too long and is left out.
    skipping: bool,
    has_data: bool,
}

impl Events {
    /// Takes bytes in and appends the payloads they complete.
    pub fn push(&mut self, bytes: &[u8], payloads: &mut Vec<Vec<u8>>) {
        let mut parts = bytes.split(|byte| *byte == b'\n');
        if let Some(first) = parts.next() {
            self.add(first);
        }
        for part in parts {
            self.end_line(payloads);
            self.add(part);
        }
    }

    fn add(&mut self, part: &[u8]) {
        if self.line.len() + self.data.len() + part.len() > LONGEST {
            self.skipping = true;
            self.line.clear();
            self.data = Vec::new();
        }
        if !self.skipping {
            self.line.extend_from_slice(part);
        } else if !part.is_empty() && part != b"\r" {
            // Something of the line must be left, or its end would look like the end of the event.
            self.line = vec![b':'];
        }
    }

    fn end_line(&mut self, payloads: &mut Vec<Vec<u8>>) {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            if std::mem::take(&mut self.has_data) && !std::mem::take(&mut self.skipping) {
                payloads.push(data);
            }
            self.skipping = false;
        } else if let Some(value) = line.strip_prefix(b"data:").filter(|_| !self.skipping) {
            if std::mem::replace(&mut self.has_data, true) {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
        }
    }
}
