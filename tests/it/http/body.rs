//! Bodies, in a time that is made up: how slow is too slow, how much is too much, and who waits for whom.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use agentpr::surfaces::http::body::{BodyError, Room, read_body};
use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

const MIB: usize = 1024 * 1024;

/// A body that comes in pieces, each after a time.
struct Dripping {
    announced: Option<u64>,
    pieces: VecDeque<(Duration, usize)>,
    wait: Option<Pin<Box<Sleep>>>,
}

impl hyper::body::Body for Dripping {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some((after, bytes)) = self.pieces.front().copied() else { return Poll::Ready(None) };
        let wait = self.wait.get_or_insert_with(|| Box::pin(sleep(after)));
        ready!(wait.as_mut().poll(cx));
        self.wait = None;
        self.pieces.pop_front();
        Poll::Ready(Some(Ok(Frame::data(vec![b'x'; bytes].into()))))
    }

    fn size_hint(&self) -> SizeHint {
        self.announced.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

/// Pieces of `bytes`, one after each `pause`.
fn dripping(count: usize, bytes: usize, pause: Duration) -> Body {
    let pieces = vec![(pause, bytes); count].into();
    Body::new(Dripping { announced: Some((count * bytes) as u64), pieces, wait: None })
}

/// A body that announces so much and never brings any of it.
fn promised(bytes: u64) -> Body {
    let never = [(Duration::from_secs(3600), 1)].into();
    Body::new(Dripping { announced: Some(bytes), pieces: never, wait: None })
}

const TEN: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_steadily_has_its_whole_time_and_no_more() {
    let steady = dripping(90, 4 * 1024, Duration::from_millis(100));
    assert_eq!(read_body(steady, MIB, TEN).await.unwrap().len(), 90 * 4 * 1024);
    let too_long = dripping(110, 4 * 1024, Duration::from_millis(100));
    let begun = Instant::now();
    assert_eq!(read_body(too_long, MIB, TEN).await.unwrap_err(), BodyError::TooSlow);
    assert_eq!(begun.elapsed(), TEN);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stands_still_is_given_up_long_before_its_time_is_over() {
    let begun = Instant::now();
    assert_eq!(read_body(promised(100), MIB, TEN).await.unwrap_err(), BodyError::TooSlow);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    // A byte a tenth of a second is no body either.
    let drop_by_drop = dripping(1000, 1, Duration::from_millis(100));
    let begun = Instant::now();
    assert_eq!(read_body(drop_by_drop, MIB, TEN).await.unwrap_err(), BodyError::TooSlow);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_announced_length_is_looked_at_first_and_what_came_in_the_end() {
    let begun = Instant::now();
    assert_eq!(read_body(promised(MIB as u64 + 1), MIB, TEN).await.unwrap_err(), BodyError::TooLarge);
    assert_eq!(begun.elapsed(), Duration::ZERO, "nothing was waited for");
    assert_eq!(read_body(dripping(1, MIB, Duration::ZERO), MIB, TEN).await.unwrap().len(), MIB);
    let pieces = vec![(Duration::ZERO, MIB); 2].into();
    let unannounced = Body::new(Dripping { announced: None, pieces, wait: None });
    assert_eq!(read_body(unannounced, MIB + 5, TEN).await.unwrap_err(), BodyError::TooLarge);
    assert_eq!(read_body(Body::empty(), 0, TEN).await.unwrap().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn room_is_taken_by_what_is_there_and_free_when_it_is_dropped() {
    let room = Room::new(MIB, 4);
    let promises: Vec<_> = (0..300)
        .map(|_| {
            let room = room.clone();
            tokio::spawn(async move { room.read(promised(MIB as u64), MIB, TEN).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let begun = Instant::now();
    let whole = room.read(dripping(16, MIB / 16, Duration::ZERO), MIB, TEN).await.unwrap();
    assert_eq!((whole.len(), begun.elapsed()), (MIB, Duration::ZERO), "an announcement takes none");
    let one = || dripping(1, 1, Duration::ZERO);
    assert_eq!(room.read(one(), MIB, TEN).await.unwrap_err(), BodyError::NoRoom);
    drop(whole);
    assert_eq!(room.read(one(), MIB, TEN).await.unwrap().len(), 1);
    for promise in promises {
        assert_eq!(promise.await.unwrap().unwrap_err(), BodyError::TooSlow);
    }
}

#[tokio::test(start_paused = true)]
async fn few_large_bodies_are_read_at_once_and_the_small_ones_pass_by() {
    let room = Room::new(64 * MIB, 2);
    let large = || dripping(32, MIB / 8, Duration::from_millis(10));
    let (one, two) =
        (room.read(large(), 5 * MIB, TEN).await.unwrap(), room.read(large(), 5 * MIB, TEN).await.unwrap());
    let waits = {
        let room = room.clone();
        let body = large();
        tokio::spawn(async move { room.read(body, 5 * MIB, TEN).await })
    };
    sleep(Duration::from_secs(8)).await;
    assert!(!waits.is_finished());
    assert_eq!(room.read(dripping(1, 1000, Duration::ZERO), MIB, TEN).await.unwrap().len(), 1000);
    drop(one);
    // The time it had to wait does not count as slowness of its own.
    assert_eq!(waits.await.unwrap().unwrap().len(), 4 * MIB);
    drop(two);
}
