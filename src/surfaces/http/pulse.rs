//! What a connection is doing right now, so that one that does nothing can be told from one that works.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::serve::ServeLimits;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Nothing was asked for yet, or the head of a request is coming in.
    Head = 0,
    /// A request was answered, and the next one has not begun.
    Idle = 1,
    /// A request is worked on: its body is read, or its answer is made or sent.
    Busy = 2,
}

/// The state of one connection, seen by its own task and by the one that makes room for others.
#[derive(Debug)]
pub(super) struct Pulse {
    begun: Instant,
    phase: AtomicU8,
    /// Milliseconds after `begun` at which the phase began.
    since: AtomicU64,
    /// The same for the moment since when the client takes no more of an answer; 0 while it does.
    blocked: AtomicU64,
    /// Ended by who needs the place.
    pub(super) evicted: CancellationToken,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            phase: AtomicU8::new(Phase::Head as u8),
            since: AtomicU64::new(0),
            blocked: AtomicU64::new(0),
            evicted: CancellationToken::new(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Head,
            1 => Phase::Idle,
            _ => Phase::Busy,
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.since.store(self.now(), Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// When the phase began.
    pub(super) fn since(&self) -> Instant {
        self.begun + Duration::from_millis(self.since.load(Ordering::Relaxed))
    }

    /// Says whether the connection has had its time. A request that is worked on has as much as its handler gives it.
    pub(super) fn is_over(&self, limits: &ServeLimits) -> bool {
        let blocked = self.blocked.load(Ordering::Relaxed);
        if blocked > 0 && self.now().saturating_sub(blocked) > millis(limits.idle) {
            return true;
        }
        let spent = self.since().elapsed();
        match self.phase() {
            Phase::Head => spent >= limits.header,
            Phase::Idle => spent >= limits.idle,
            Phase::Busy => false,
        }
    }

    fn now(&self) -> u64 {
        millis(self.begun.elapsed())
    }

    fn wrote<T>(&self, written: &Poll<io::Result<T>>) {
        let blocked = match written {
            Poll::Ready(_) => 0,
            Poll::Pending if self.blocked.load(Ordering::Relaxed) > 0 => return,
            Poll::Pending => self.now().max(1),
        };
        self.blocked.store(blocked, Ordering::Relaxed);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A socket that notes what passes through it.
pub(super) struct Watched {
    socket: TokioIo<TcpStream>,
    pulse: Arc<Pulse>,
}

impl Watched {
    pub(super) fn new(socket: TcpStream, pulse: Arc<Pulse>) -> Self {
        Self { socket: TokioIo::new(socket), pulse }
    }

    pub(super) fn into_inner(self) -> TcpStream {
        self.socket.into_inner()
    }
}

impl Read for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.socket).poll_read(cx, buf);
        if read.is_ready() && this.pulse.phase() == Phase::Idle {
            this.pulse.enter(Phase::Head);
        }
        read
    }
}

impl Write for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write(cx, buf);
        this.pulse.wrote(&written);
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write_vectored(cx, bufs);
        this.pulse.wrote(&written);
        written
    }
}

/// The body of an answer; its connection is idle when it is gone.
pub(super) struct Answered {
    body: Body,
    pulse: Arc<Pulse>,
}

impl Answered {
    pub(super) fn new(body: Body, pulse: Arc<Pulse>) -> Self {
        Self { body, pulse }
    }
}

impl hyper::body::Body for Answered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.pulse.enter(Phase::Idle);
    }
}
