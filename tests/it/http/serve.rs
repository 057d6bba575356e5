//! What comes in broken is refused, what goes wrong inside is answered, and the end waits for what is under way.

use std::sync::Arc;
use std::time::Duration;

use agentpr::surfaces::http::serve::ServeLimits;
use axum::Router;
use axum::routing::get;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::{GET, LONG, Server, assert_status, hear, hear_one, post_of, router};

/// A router whose `/wait` is answered when there is a permit for it; the other semaphore counts those who wait.
fn waiting() -> (Router, Arc<Semaphore>, Arc<Semaphore>) {
    let (go, here) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (gone, came) = (Arc::clone(&go), Arc::clone(&here));
    let wait = move || async move {
        came.add_permits(1);
        gone.acquire().await.unwrap().forget();
        "done"
    };
    (router().route("/wait", get(wait)), go, here)
}

const WAIT: &str = "GET /wait HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn a_connection_is_used_for_one_request_after_the_other() {
    let server = Server::start(router(), ServeLimits::default()).await;
    let mut socket = server.connect().await;
    for _ in 0..3 {
        socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert!(hear_one(&mut socket).await.ends_with("hello"));
    }
    drop(socket);
    let report = server.end().await;
    assert_eq!((report.connections, report.requests), (1, 3));
}

#[tokio::test]
async fn what_breaks_the_rules_of_http_is_answered_with_400_and_the_next_is_served() {
    let server = Server::start(router(), ServeLimits::default()).await;
    for broken in [
        "POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\nabc".to_owned(),
        "POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 1e3\r\n\r\n".to_owned(),
        "POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999999\r\n\r\n".to_owned(),
        "POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd".to_owned(),
        "POST /body HTTP/1.1\r\nhost: x\r\ntransfer-encoding: x\r\n\r\nabcd".to_owned(),
        "\u{1}\u{2}\u{3}\r\n\r\n".to_owned(),
        "hello\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nno colon\r\n\r\n".to_owned(),
        "GET / HTTP/7.9\r\nhost: x\r\n\r\n".to_owned(),
        format!("{}\r\n\r\n", "x".repeat(20_000)),
    ] {
        assert_status(&server.ask(&broken).await, 400);
    }
    let chunks = "POST /body HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
    assert_status(&server.ask(chunks).await, 400);
    let head = format!("GET / HTTP/1.1\r\nhost: x\r\nlong: {}\r\n\r\n", "x".repeat(100_000));
    assert_status(&server.ask(&head).await, 431);
    assert!(server.ask(GET).await.ends_with("hello"));
    assert_eq!(server.end().await.panics, 0);
}

#[tokio::test]
async fn a_handler_that_panics_is_answered_with_500_and_the_connection_goes_on() {
    let server = Server::start(router(), ServeLimits::default()).await;
    let mut socket = server.say("GET /panic HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_status(&hear_one(&mut socket).await, 500);
    socket.write_all(GET.as_bytes()).await.unwrap();
    assert!(hear(&mut socket).await.ends_with("hello"));
    assert_eq!(server.end().await.panics, 1);
}

#[tokio::test]
async fn a_request_under_way_is_finished_at_the_end_and_nobody_else_is_let_in() {
    let (router, go, here) = waiting();
    let server = Server::start(router, ServeLimits::default()).await;
    let mut working = server.say(WAIT).await;
    here.acquire().await.unwrap().forget();
    let mut idle = server.say("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(hear_one(&mut idle).await.ends_with("hello"));
    let mut silent = server.connect().await;
    server.shutdown.cancel();
    assert_eq!(hear(&mut idle).await, "", "an idle connection is closed");
    assert_eq!(hear(&mut silent).await, "", "so is one that never said anything");
    let mut refused = TcpStream::connect(server.address).await.is_err();
    while !refused {
        // The listener closes a moment after the order.
        refused = TcpStream::connect(server.address).await.is_err();
    }
    go.add_permits(1);
    assert!(hear(&mut working).await.ends_with("done"));
    let report = server.end().await;
    assert_eq!((report.requests, report.cut, report.slow), (2, 0, 0));
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_off_when_the_time_to_end_is_over() {
    let (router, _go, here) = waiting();
    let limits = ServeLimits { drain: Duration::from_millis(100), ..ServeLimits::default() };
    let server = Server::start(router, limits).await;
    let mut stuck = server.say(WAIT).await;
    here.acquire().await.unwrap().forget();
    let report = server.end().await;
    assert_eq!(report.cut, 1);
    assert_eq!(hear(&mut stuck).await, "");
}

#[tokio::test]
async fn with_every_place_at_work_the_next_is_told_503_at_once() {
    let (router, go, here) = waiting();
    let server = Server::start(router, ServeLimits { connections: 2, ..ServeLimits::default() }).await;
    let (mut one, mut two) = (server.say(WAIT).await, server.say(WAIT).await);
    here.acquire_many(2).await.unwrap().forget();
    let mut third = server.connect().await;
    let refused = hear(&mut third).await;
    assert_status(&refused, 503);
    assert!(refused.contains("retry-after: "), "{refused}");
    go.add_permits(2);
    assert!(hear_one(&mut one).await.ends_with("done") && hear_one(&mut two).await.ends_with("done"));
    // Both are idle now, so one of them makes room.
    assert!(server.ask(GET).await.ends_with("hello"));
    let report = server.end().await;
    assert_eq!((report.refused, report.evicted), (1, 1));
}

#[tokio::test]
async fn a_body_is_taken_up_to_its_cap_and_one_that_announces_more_is_refused_unread() {
    let server = Server::start(router(), ServeLimits::default()).await;
    assert!(server.ask(&post_of("abc")).await.ends_with('3'));
    assert!(server.ask(&post_of(&"x".repeat(super::CAP))).await.ends_with(&super::CAP.to_string()));
    let head = format!("POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", super::CAP + 1);
    assert_status(&server.ask(&head).await, 413);
    // A client that sends all the same still gets its answer.
    let mut socket = server.say(&head).await;
    let (mut read, mut write) = socket.split();
    let sending = async {
        let piece = vec![b'x'; 64 * 1024];
        while write.write_all(&piece).await.is_ok() {}
    };
    let mut answer = String::new();
    let hearing = tokio::io::AsyncReadExt::read_to_string(&mut read, &mut answer);
    let _cut_off = tokio::time::timeout(LONG, async { tokio::join!(sending, hearing) }).await.unwrap();
    assert_status(&answer, 413);
    let _report = server.end().await;
}

#[tokio::test]
async fn a_body_without_a_length_is_refused_once_it_is_too_long() {
    let server = Server::start(router(), ServeLimits::default()).await;
    let mut socket = server.say("POST /body HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let piece = format!("{:x}\r\n{}\r\n", 1 << 20, "x".repeat(1 << 20));
    let (mut read, mut write) = socket.split();
    let sending = async { while write.write_all(piece.as_bytes()).await.is_ok() {} };
    let mut answer = String::new();
    let hearing = tokio::io::AsyncReadExt::read_to_string(&mut read, &mut answer);
    let _cut_off = tokio::time::timeout(LONG, async { tokio::join!(sending, hearing) }).await.unwrap();
    assert_status(&answer, 413);
    let _report = server.end().await;
}

#[tokio::test]
async fn an_answer_that_panics_while_it_is_sent_frees_its_place() {
    struct Panicking;
    impl hyper::body::Body for Panicking {
        type Data = axum::body::Bytes;
        type Error = std::convert::Infallible;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
            panic!("an answer of a test panics")
        }
    }
    let router = router().route("/sent", get(|| async { axum::body::Body::new(Panicking) }));
    let server = Server::start(router, ServeLimits { connections: 1, ..ServeLimits::default() }).await;
    assert_eq!(server.ask("GET /sent HTTP/1.1\r\nhost: x\r\n\r\n").await, "");
    assert!(server.ask(GET).await.ends_with("hello"));
    let report = server.end().await;
    assert_eq!((report.refused, report.evicted), (0, 0));
}
