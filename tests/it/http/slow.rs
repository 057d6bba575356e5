//! Slow clients: they are closed in time, and until then they take nothing from the others.

use std::time::{Duration, Instant};

use agentpr::surfaces::http::serve::ServeLimits;
use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::{GET, LONG, Server, assert_status, hear, hear_one, post_of, router};
use crate::harness::skip::skipped;

/// Lets this process have so many files open; `false` where the system does not.
fn allow_files(count: u64) -> bool {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= count) {
        return true;
    }
    maximum.is_none_or(|maximum| maximum >= count)
        && setrlimit(Resource::Nofile, Rlimit { current: Some(count), maximum }).is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_half_heads_and_three_hundred_half_bodies_keep_nobody_out() {
    if !allow_files(4096) {
        skipped("4096 open files are not allowed");
        return;
    }
    let limits = ServeLimits { header: Duration::from_secs(3), ..ServeLimits::default() };
    let server = Server::start(router(), limits).await;
    let mut heads = Vec::new();
    for _ in 0..200 {
        heads.push(server.say("POST /body HTTP/1.1\r\nhost: x\r\nx-slow: ").await);
    }
    let mut bodies = Vec::new();
    for _ in 0..300 {
        let begin = "POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 26000000\r\n\r\n{\"action\":";
        bodies.push(server.say(begin).await);
    }
    let mut longest = Duration::ZERO;
    let body = "x".repeat(10_000);
    for _ in 0..100 {
        let begun = Instant::now();
        assert!(server.ask(&post_of(&body)).await.ends_with("10000"));
        longest = longest.max(begun.elapsed());
    }
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    for mut head in heads {
        // They go on, a byte now and then; the time counts from their begin.
        let _closed = head.write_all(b"x").await;
        assert_eq!(hear(&mut head).await, "");
    }
    for mut body in bodies {
        assert_status(&hear(&mut body).await, 408);
    }
    let report = server.end().await;
    assert_eq!((report.slow, report.evicted, report.refused), (200, 0, 0), "{report:?}");
}

#[tokio::test]
async fn more_silent_connections_than_places_make_room_for_one_that_asks() {
    let server = Server::start(router(), ServeLimits { connections: 8, ..ServeLimits::default() }).await;
    let mut silent = Vec::new();
    for number in 0..30 {
        silent.push(server.say("GET / HT").await);
        if number % 5 == 0 {
            assert!(server.ask(GET).await.ends_with("hello"));
        }
    }
    assert_eq!(hear(&mut silent[0]).await, "", "the one that waited longest was closed");
    let report = server.end().await;
    assert!(report.evicted >= 22, "{report:?}");
    assert_eq!(report.refused, 0);
}

#[tokio::test]
async fn an_idle_connection_may_wait_longer_than_a_head_may_take_but_not_without_end() {
    let limits = ServeLimits {
        header: Duration::from_millis(100),
        idle: Duration::from_millis(1500),
        ..ServeLimits::default()
    };
    let server = Server::start(router(), limits).await;
    let mut socket = server.say("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(hear_one(&mut socket).await.ends_with("hello"));
    assert!(timeout(Duration::from_millis(500), socket.read_u8()).await.is_err(), "it is kept");
    socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(hear_one(&mut socket).await.ends_with("hello"));
    assert_eq!(hear(&mut socket).await, "", "and closed in the end");
    let mut silent = server.connect().await;
    assert_eq!(hear(&mut silent).await, "", "one that never began has the time of a head");
    assert_eq!(server.end().await.slow, 2);
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_not_waited_for() {
    let endless = Router::new().route("/", get(|| async { vec![b'x'; 64 * 1024 * 1024] }));
    let limits = ServeLimits {
        header: Duration::from_millis(100),
        idle: Duration::from_millis(300),
        ..ServeLimits::default()
    };
    let server = Server::start(endless, limits).await;
    let mut deaf = server.say(GET).await;
    // It begins to listen only when the server has given it up.
    while timeout(LONG, deaf.readable()).await.is_err() {}
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut heard = 0;
    let mut buffer = vec![0; 1 << 20];
    while let Ok(more @ 1..) = deaf.read(&mut buffer).await {
        heard += more;
    }
    assert!(heard < 64 * 1024 * 1024, "{heard}");
    assert_eq!(server.end().await.slow, 1);
}
