//! Redaction of known secrets where a stream enters. Nothing is known yet: every byte passes.

/// The secrets to take out of streams; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Redactor;

/// One stream on its way through a [`Redactor`].
#[derive(Debug)]
pub struct RedactingStream;

impl Redactor {
    /// A redactor that knows no secret.
    pub fn none() -> Self {
        Self
    }

    /// Begins a stream.
    pub fn stream(&self) -> RedactingStream {
        RedactingStream
    }
}

impl RedactingStream {
    /// Takes bytes in, and appends to `out` what may leave.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(bytes);
    }

    /// Appends what was held back.
    pub fn finish(self, _out: &mut Vec<u8>) {}
}
