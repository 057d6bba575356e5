//! The pipes of a program, and the way each byte takes: launcher's messages off, made harmless, secrets out, then log and memory.
//!
//! Everything here has a bound, so what a program prints never decides how much memory this process takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};

use super::handshake::Handshake;
use super::lines::{LineSink, Lines};
use super::output::{CappedLog, Captured};
use super::redact::{RedactingStream, Redactor};
use super::sanitise::Sanitiser;
use super::transcript::{Output, OutputSink, Transcript};

/// Bytes of a program's output that are kept in memory, half of them from its end.
pub(super) const KEPT: usize = 512 * 1024;

/// Bytes read at once; as many as a pipe holds by default (pipe(7)).
const CHUNK: usize = 64 * 1024;

/// The pipes of a program; one step moves some bytes on one of them.
pub(super) struct Streams {
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    stdin: Option<ChildStdin>,
    unwritten: Vec<u8>,
    written: usize,
    out_buffer: Vec<u8>,
    err_buffer: Vec<u8>,
    handshake: Handshake,
    out_way: Way,
    err_way: Way,
    kept: Kept,
    moved: Arc<AtomicU64>,
}

/// Where the outputs end up.
struct Kept {
    memory: CappedLog,
    transcript: Option<Transcript>,
    sink: Option<OutputSink>,
}

impl Kept {
    fn take(&mut self, output: Output, bytes: &[u8]) {
        self.memory.push(bytes);
        if let Some(transcript) = &mut self.transcript {
            transcript.push(output, bytes);
        }
        if let Some(sink) = &self.sink {
            sink(output, bytes);
        }
    }
}

/// What is left when the pipes are closed.
pub(super) struct Finished {
    pub(super) output: Captured,
    pub(super) transcript: Option<Transcript>,
    /// Why the program did not begin.
    pub(super) failure: Option<String>,
}

impl Streams {
    /// Takes the pipes of a child. What `number` marks on its standard error is the launcher's.
    pub(super) fn of(
        child: &mut Child,
        stdin: Option<&str>,
        number: &str,
        transcript: Option<Transcript>,
        redactor: &Redactor,
        lines: Option<LineSink>,
        sink: Option<OutputSink>,
    ) -> Self {
        Self {
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            stdin: child.stdin.take(),
            unwritten: stdin.unwrap_or_default().as_bytes().to_vec(),
            written: 0,
            out_buffer: vec![0; CHUNK],
            err_buffer: vec![0; CHUNK],
            handshake: Handshake::new(number),
            out_way: Way::new(Output::Stdout, redactor, lines),
            err_way: Way::new(Output::Stderr, redactor, None),
            kept: Kept { memory: CappedLog::new(KEPT), transcript, sink },
            moved: Arc::default(),
        }
    }

    /// How many bytes have moved so far; whoever holds it can watch for silence.
    pub(super) fn moved(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.moved)
    }

    /// Waits for one pipe to be ready and serves it; never returns once all are closed. Safe to drop at any point.
    pub(super) async fn step(&mut self) {
        let rest = self.unwritten.get(self.written..).unwrap_or_default();
        let count = tokio::select! {
            count = read_some(&mut self.stdout, &mut self.out_buffer) => {
                self.out_way.take(self.out_buffer.get(..count).unwrap_or_default(), &mut self.kept);
                count
            }
            count = read_some(&mut self.stderr, &mut self.err_buffer) => {
                let mut own = Vec::new();
                self.handshake.push(self.err_buffer.get(..count).unwrap_or_default(), &mut own);
                self.err_way.take(&own, &mut self.kept);
                count
            }
            count = write_some(&mut self.stdin, rest) => {
                self.written += count;
                count
            }
        };
        self.moved.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Reads until both outputs are closed.
    pub(super) async fn drain(&mut self) {
        self.stdin = None;
        while self.stdout.is_some() || self.stderr.is_some() {
            self.step().await;
        }
    }

    /// What was kept.
    pub(super) fn finish(mut self) -> Finished {
        self.out_way.finish(&mut self.kept);
        self.err_way.finish(&mut self.kept);
        Finished {
            output: self.kept.memory.finish(),
            transcript: self.kept.transcript,
            failure: self.handshake.failure(),
        }
    }
}

/// The way of one output.
struct Way {
    output: Output,
    sanitiser: Sanitiser,
    redacting: RedactingStream,
    lines: Option<Lines>,
    clean: Vec<u8>,
    safe: Vec<u8>,
}

impl Way {
    fn new(output: Output, redactor: &Redactor, lines: Option<LineSink>) -> Self {
        Self {
            output,
            sanitiser: Sanitiser::default(),
            redacting: redactor.stream(),
            lines: lines.map(Lines::new),
            clean: Vec::new(),
            safe: Vec::new(),
        }
    }

    fn take(&mut self, bytes: &[u8], kept: &mut Kept) {
        self.sanitiser.push(bytes, &mut self.clean);
        self.redacting.push(&self.clean, &mut self.safe);
        self.clean.clear();
        self.keep(kept);
    }

    fn keep(&mut self, kept: &mut Kept) {
        kept.take(self.output, &self.safe);
        if let Some(lines) = &mut self.lines {
            lines.push(&self.safe);
        }
        self.safe.clear();
    }

    fn finish(mut self, kept: &mut Kept) {
        std::mem::take(&mut self.sanitiser).finish(&mut self.clean);
        self.redacting.push(&self.clean, &mut self.safe);
        let mut last = Vec::new();
        self.redacting.finish(&mut last);
        self.safe.extend_from_slice(&last);
        kept.take(self.output, &self.safe);
        if let Some(lines) = &mut self.lines {
            lines.push(&self.safe);
            lines.finish();
        }
    }
}

/// Reads some bytes; 0 and a closed pipe at its end. A pipe that is closed already is never ready.
async fn read_some<R: AsyncRead + Unpin>(pipe: &mut Option<R>, buffer: &mut [u8]) -> usize {
    let Some(open) = pipe else { return std::future::pending().await };
    let count = open.read(buffer).await.unwrap_or(0);
    if count == 0 {
        *pipe = None;
    }
    count
}

/// Writes some bytes and closes the pipe after the last one. A program that does not read (EPIPE) is within its rights.
async fn write_some(pipe: &mut Option<ChildStdin>, rest: &[u8]) -> usize {
    let Some(open) = pipe else { return std::future::pending().await };
    let count = if rest.is_empty() { 0 } else { open.write(rest).await.unwrap_or(0) };
    if count == rest.len() || count == 0 {
        *pipe = None;
    }
    count
}
