//! The server, told with real sockets on loopback: most of what comes here is slow, broken or hostile.

mod body;
mod hostile;
mod receiver;
mod repeated;
mod serve;
mod signature;
mod slow;
mod slow_disk;

use std::net::SocketAddr;
use std::time::Duration;

use agentpr::surfaces::http::body::{BodyError, Room};
use agentpr::surfaces::http::serve::{ServeLimits, ServeReport, serve};
use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The longest body the router of these tests takes.
const CAP: usize = 25 * 1024 * 1024;

/// No answer takes so long; what is waited for this long never comes.
const LONG: Duration = Duration::from_secs(30);

/// A server on a port of its own.
struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<ServeReport>,
}

impl Server {
    async fn start(router: Router, limits: ServeLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(serve(listener, router, limits, shutdown.clone()));
        Self { address, shutdown, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Opens a connection and says something on it.
    async fn say(&self, text: &str) -> TcpStream {
        let mut socket = self.connect().await;
        socket.write_all(text.as_bytes()).await.unwrap();
        socket
    }

    /// The whole answer to what is said on a connection of its own.
    async fn ask(&self, text: &str) -> String {
        hear(&mut self.say(text).await).await
    }

    async fn end(self) -> ServeReport {
        self.shutdown.cancel();
        timeout(LONG, self.task).await.unwrap().unwrap()
    }
}

/// Everything that comes until the connection is closed; a client that is cut off keeps what it got.
async fn hear(socket: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    let all = async {
        while let Ok(more @ 1..) = socket.read(&mut buffer).await {
            heard.extend_from_slice(&buffer[..more]);
        }
    };
    timeout(LONG, all).await.expect("the connection stays open");
    String::from_utf8_lossy(&heard).into_owned()
}

/// One answer on a connection that stays open: its head, and a body of the announced length.
async fn hear_one(socket: &mut TcpStream) -> String {
    let mut heard = String::new();
    let one = async {
        loop {
            let mut byte = [0];
            if socket.read(&mut byte).await.unwrap() == 0 {
                return;
            }
            heard.push(char::from(byte[0]));
            if let Some((head, body)) = heard.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                    return;
                }
            }
        }
    };
    timeout(LONG, one).await.expect("no answer comes");
    heard
}

#[track_caller]
fn assert_status(answer: &str, status: u16) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status} expected: {answer:?}");
}

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

fn post_of(body: &str) -> String {
    format!(
        "POST /body HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// `/` says hello, `/body` says how long the body was, `/panic` panics.
fn router() -> Router {
    let room = Room::default();
    let read = move |body: Body| {
        let room = room.clone();
        async move {
            match room.read(body, CAP, Duration::from_secs(10)).await {
                Ok(body) => (StatusCode::OK, body.len().to_string()),
                Err(err) => (status_of(err), err.to_string()),
            }
        }
    };
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/body", post(read))
        .route("/panic", get(|| async { panics() }))
}

fn panics() -> &'static str {
    panic!("a handler of a test panics")
}

fn status_of(err: BodyError) -> StatusCode {
    match err {
        BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
        BodyError::Broken => StatusCode::BAD_REQUEST,
        BodyError::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
    }
}
