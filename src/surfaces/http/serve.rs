//! Takes connections: so many and no more, and those that do nothing make room for those that do.
//!
//! `axum::serve` has no limit on heads, idle connections or their number, so a few hundred half-sent requests would end it.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{Ended, Shared, attend};
use super::pulse::{Phase, Pulse};

/// What a connection is told when every place is taken by a request under way.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Between two tries to take a connection where the system has no room for another, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How many connections there may be, and how long they may take.
#[derive(Debug, Clone)]
pub struct ServeLimits {
    /// The head of a request, from the connection's begin or the first byte after the last answer to the empty line.
    pub header: Duration,
    /// Between an answer and the next request; also the longest time a client may take nothing of an answer.
    pub idle: Duration,
    /// Connections at the same time.
    pub connections: usize,
    /// After the order to end, for requests under way.
    pub drain: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(5),
            idle: Duration::from_secs(30),
            connections: 512,
            drain: Duration::from_secs(10),
        }
    }
}

/// What was served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServeReport {
    /// Connections that were taken.
    pub connections: u64,
    /// Requests whose head came in.
    pub requests: u64,
    /// Handlers that panicked; each was answered 500.
    pub panics: u64,
    /// Connections closed because their clients let their time pass.
    pub slow: u64,
    /// Connections without a request under way that were closed to make room for another.
    pub evicted: u64,
    /// Connections that were told 503 because all the others had a request under way.
    pub refused: u64,
    /// Requests cut off because they were not done when [`ServeLimits::drain`] was over.
    pub cut: u64,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    slow: AtomicU64,
    evicted: AtomicU64,
    refused: AtomicU64,
    cut: AtomicU64,
}

/// The connections there are.
#[derive(Debug, Default)]
struct Places(Mutex<HashMap<u64, Arc<Pulse>>>);

/// Serves `router` on `listener` until `shutdown`, then finishes what is under way, and says what was served.
///
/// With all places taken, the connection that has been without a request for the longest time is closed for the new one; if every
/// one has a request under way, the new one is told 503 at once.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServeLimits,
    shutdown: CancellationToken,
) -> ServeReport {
    let drain = limits.drain;
    let shared = Arc::new(Shared {
        router,
        limits,
        shutdown: shutdown.clone(),
        cut: CancellationToken::new(),
        requests: AtomicU64::new(0),
        panics: AtomicU64::new(0),
    });
    let (places, counts) = (Arc::new(Places::default()), Arc::new(Counts::default()));
    let tasks = TaskTracker::new();
    let mut pause = FIRST_PAUSE;
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, _)) => {
                pause = FIRST_PAUSE;
                counts.connections.fetch_add(1, Ordering::Relaxed);
                admit(socket, &shared, &places, &counts, &tasks);
            }
            // The client went away before it was its turn.
            Err(err) if is_clients(err.kind()) => {}
            Err(err) => {
                tracing::warn!("no connection can be taken now: {err}");
                // Most likely there are no more file descriptors; one that nobody needs helps.
                if places.make_room() {
                    counts.evicted.fetch_add(1, Ordering::Relaxed);
                }
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    () = sleep(pause) => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    // Whoever comes now is refused by the system, at once.
    drop(listener);
    tasks.close();
    if timeout(drain, tasks.wait()).await.is_err() {
        shared.cut.cancel();
        tasks.wait().await;
    }
    report(&shared, &counts)
}

fn admit(
    socket: TcpStream,
    shared: &Arc<Shared>,
    places: &Arc<Places>,
    counts: &Arc<Counts>,
    tasks: &TaskTracker,
) {
    if places.lock().len() >= shared.limits.connections {
        if places.make_room() {
            counts.evicted.fetch_add(1, Ordering::Relaxed);
        } else {
            counts.refused.fetch_add(1, Ordering::Relaxed);
            // A new socket has room for so little; who is gone already need not be told.
            let _gone = socket.try_write(FULL);
            return;
        }
    }
    // An answer is written whole, so waiting for more of it only costs time.
    let _slower = socket.set_nodelay(true);
    let pulse = Arc::new(Pulse::new());
    let place = Place { number: counts.connections.load(Ordering::Relaxed), places: Arc::clone(places) };
    places.lock().insert(place.number, Arc::clone(&pulse));
    let (shared, counts) = (Arc::clone(shared), Arc::clone(counts));
    tasks.spawn(async move {
        let _place = place;
        match attend(socket, pulse, shared).await {
            // Who was evicted was counted by who did it.
            Ended::Closed | Ended::Evicted => {}
            Ended::TooSlow => {
                counts.slow.fetch_add(1, Ordering::Relaxed);
            }
            Ended::Cut => {
                counts.cut.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
}

/// The place of one connection; free when dropped, also by a panic.
struct Place {
    number: u64,
    places: Arc<Places>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().remove(&self.number);
    }
}

impl Places {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Pulse>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection that has been without a request for the longest time; `false` when each has one.
    fn make_room(&self) -> bool {
        let mut places = self.lock();
        let waiting = places.iter().filter(|(_, pulse)| pulse.phase() != Phase::Busy);
        let Some(number) = waiting.min_by_key(|(_, pulse)| pulse.since()).map(|(number, _)| *number) else {
            return false;
        };
        if let Some(pulse) = places.remove(&number) {
            pulse.evicted.cancel();
        }
        true
    }
}

fn is_clients(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)
}

fn report(shared: &Shared, counts: &Counts) -> ServeReport {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    ServeReport {
        connections: count(&counts.connections),
        requests: count(&shared.requests),
        panics: count(&shared.panics),
        slow: count(&counts.slow),
        evicted: count(&counts.evicted),
        refused: count(&counts.refused),
        cut: count(&counts.cut),
    }
}
