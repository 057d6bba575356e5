//! One connection, from its first byte to its last.

use std::any::Any;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use axum::{Router, response::IntoResponse};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioTimer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::pulse::{Answered, Phase, Pulse, Watched};
use super::serve::ServeLimits;

/// The longest head of a request, and what is read of a body at once. GitHub's heads have less than 2 KiB.
const BUFFER: usize = 32 * 1024;

/// After the end of answering, a head that has begun to come in has this long.
const SETTLE: Duration = Duration::from_secs(1);

/// How long, and how far, a client that is still sending is listened to after its answer: closing at once would take the answer back.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

/// What all connections of a server share.
pub(super) struct Shared {
    pub(super) router: Router,
    pub(super) limits: ServeLimits,
    /// No new requests.
    pub(super) shutdown: CancellationToken,
    /// Not even those under way.
    pub(super) cut: CancellationToken,
    pub(super) requests: AtomicU64,
    pub(super) panics: AtomicU64,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// By itself, or by its client.
    Closed,
    /// Its client let its time pass.
    TooSlow,
    /// Another needed its place.
    Evicted,
    /// It was at work when the server's time to end was over.
    Cut,
}

/// Serves a connection to its end.
pub(super) async fn attend(socket: TcpStream, pulse: Arc<Pulse>, shared: Arc<Shared>) -> Ended {
    let limits = &shared.limits;
    let service = Requests { shared: Arc::clone(&shared), pulse: Arc::clone(&pulse) };
    // The pulse keeps the time of heads; hyper's own clock would count an idle connection as a slow head.
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(BUFFER)
        .serve_connection(Watched::new(socket, Arc::clone(&pulse)), service);
    let mut look = interval((limits.header / 5).clamp(Duration::from_millis(20), Duration::from_secs(1)));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut settling = None;
    let served = loop {
        tokio::select! {
            biased;
            served = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break served,
            () = shared.cut.cancelled() => {
                return if pulse.phase() == Phase::Busy { Ended::Cut } else { Ended::Closed };
            }
            () = pulse.evicted.cancelled() => return Ended::Evicted,
            () = shared.shutdown.cancelled(), if settling.is_none() => {
                Pin::new(&mut connection).graceful_shutdown();
                settling = Some(tokio::time::Instant::now());
            }
            _ = look.tick() => {
                if pulse.is_over(limits) {
                    return Ended::TooSlow;
                }
                let is_settled = settling.is_some_and(|since| since.elapsed() >= SETTLE);
                if is_settled && pulse.phase() != Phase::Busy {
                    return Ended::Closed;
                }
            }
        }
    };
    // Where the client breaks HTTP's rules it was told so; everything else that goes wrong is the connection's end.
    if served.is_ok() || served.is_err_and(|err| err.is_parse()) {
        pulse.enter(Phase::Idle);
        linger(connection.into_parts().io.into_inner()).await;
    }
    Ended::Closed
}

/// Closes a connection so that its last answer arrives: a socket that is closed with something unread takes back what it sent.
async fn linger(mut socket: TcpStream) {
    if socket.shutdown().await.is_err() {
        return;
    }
    let mut buffer = vec![0; 16 * 1024];
    let read_over = async {
        let mut read = 0;
        while let Ok(more @ 1..) = socket.read(&mut buffer).await {
            read += more;
            if read > LINGER_BYTES {
                return;
            }
        }
    };
    // A client that goes on is cut off.
    let _over = timeout(LINGER, read_over).await;
}

/// Hands the requests of one connection to the router.
struct Requests {
    shared: Arc<Shared>,
    pulse: Arc<Pulse>,
}

/// The answer to one request, in the making.
type Answering = Pin<Box<dyn Future<Output = Result<Response<Answered>, Infallible>> + Send>>;

impl Service<Request<Incoming>> for Requests {
    type Response = Response<Answered>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        self.pulse.enter(Phase::Busy);
        self.shared.requests.fetch_add(1, Ordering::Relaxed);
        let (shared, pulse) = (Arc::clone(&self.shared), Arc::clone(&self.pulse));
        Box::pin(async move {
            let address = request.uri().clone();
            let router = shared.router.clone();
            let answer = Caught::new(async move { router.oneshot(request.map(Body::new)).await }).await;
            let answer = match answer {
                Ok(Ok(answer)) => answer,
                Ok(Err(never)) => match never {},
                Err(panic) => {
                    shared.panics.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(
                        path = address.path(),
                        "a request could not be answered: {}",
                        words_of(&*panic)
                    );
                    StatusCode::INTERNAL_SERVER_ERROR.into_response()
                }
            };
            Ok(answer.map(|body| Answered::new(body, pulse)))
        })
    }
}

/// A future whose panic is a value: one request's fault is no reason to break a connection's others.
struct Caught<F>(Pin<Box<F>>);

impl<F: Future> Caught<F> {
    fn new(future: F) -> Self {
        Self(Box::pin(future))
    }
}

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, Box<dyn Any + Send>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.get_mut().0.as_mut();
        // Nothing of the future is used again after a panic.
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked")
}
