//! The log of an attempt: what the server printed, and the events of the session, as they came.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::adapters::process::output::{CappedLog, Captured};
use crate::adapters::process::transcript::{Output, OutputSink, STREAM_CAP, StoredLog, Transcript};

/// Bytes of it that are kept in memory, to be looked through at the end.
const KEPT: usize = 512 * 1024;

/// A log that is being written, from any task. Clones share it.
#[derive(Clone)]
pub(super) struct Journal(Arc<Mutex<Option<Inner>>>);

struct Inner {
    transcript: Transcript,
    memory: CappedLog,
}

impl Journal {
    /// Begins the file anew.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn begin(path: &Path) -> std::io::Result<Self> {
        let inner = Inner { transcript: Transcript::create(path, STREAM_CAP)?, memory: CappedLog::new(KEPT) };
        Ok(Self(Arc::new(Mutex::new(Some(inner)))))
    }

    /// Takes what the server prints.
    pub(super) fn sink(&self) -> OutputSink {
        let journal = self.clone();
        Arc::new(move |output, bytes| journal.push(output, bytes))
    }

    /// Takes one event, without secrets.
    pub(super) fn event(&self, payload: &[u8]) {
        let line: Vec<u8> =
            payload.iter().copied().filter(|byte| !b"\r\n".contains(byte)).chain([b'\n']).collect();
        self.push(Output::Stdout, &line);
    }

    fn push(&self, output: Output, bytes: &[u8]) {
        if let Some(inner) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            inner.transcript.push(output, bytes);
            inner.memory.push(bytes);
        }
    }

    /// Closes it: what was stored, and what was kept in memory. Nothing more is taken.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) async fn finish(&self) -> std::io::Result<(StoredLog, Captured)> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let inner = inner.ok_or_else(|| std::io::Error::other("the log was closed before"))?;
        let work = move || Ok((inner.transcript.finish()?, inner.memory.finish()));
        tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?
    }
}
