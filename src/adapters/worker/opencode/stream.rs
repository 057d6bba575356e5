//! The stream of a server's events, joined again when it breaks.

use std::time::Duration;

use reqwest::Response;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::client::Client;
use super::events::Events;

/// A stream that says nothing for so long is dead: heartbeats come every 10 s.
const DEAD: Duration = Duration::from_secs(35);

/// Wait before the first try to join it again; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// Longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Tries in a row that bring nothing, after which it is given up. Polling goes on without it.
const MOST_TRIES: u32 = 12;

/// What came of waiting for a stream.
#[derive(Debug)]
pub(super) enum Heard {
    /// Payloads of events.
    Payloads(Vec<Vec<u8>>),
    /// It was joined again; events in between are lost.
    Joined,
}

/// A stream.
pub(super) struct Stream {
    response: Option<Response>,
    events: Events,
    heard_at: Instant,
    join_at: Instant,
    tries: u32,
}

impl Stream {
    /// Subscribes. Where that fails it is tried again while somebody waits for what it says.
    pub(super) async fn open(client: &Client) -> Self {
        let now = Instant::now();
        let mut stream =
            Self { response: None, events: Events::default(), heard_at: now, join_at: now, tries: 0 };
        stream.join(client).await;
        stream
    }

    /// Says whether it is there.
    pub(super) fn is_open(&self) -> bool {
        self.response.is_some()
    }

    /// Waits for what is said next; never returns once the stream was given up. Safe to drop at any point.
    pub(super) async fn next(&mut self, client: &Client) -> Heard {
        loop {
            let Some(response) = &mut self.response else {
                if self.tries >= MOST_TRIES {
                    std::future::pending::<()>().await;
                }
                sleep_until(self.join_at).await;
                if self.join(client).await {
                    return Heard::Joined;
                }
                continue;
            };
            if let Ok(Ok(Some(bytes))) = timeout_at(self.heard_at + DEAD, response.chunk()).await {
                self.heard_at = Instant::now();
                let mut payloads = Vec::new();
                self.events.push(&bytes, &mut payloads);
                if !payloads.is_empty() {
                    self.tries = 0;
                    return Heard::Payloads(payloads);
                }
            } else {
                tracing::debug!("a stream of events broke off");
                self.response = None;
                self.wait();
            }
        }
    }

    async fn join(&mut self, client: &Client) -> bool {
        self.events = Events::default();
        match client.events().await {
            Ok(response) => {
                self.response = Some(response);
                self.heard_at = Instant::now();
            }
            Err(err) => {
                tracing::debug!(%err, "a stream of events cannot be had");
                self.wait();
            }
        }
        self.response.is_some()
    }

    fn wait(&mut self) {
        self.join_at =
            Instant::now() + (FIRST_WAIT * 2_u32.saturating_pow(self.tries.min(8))).min(LONGEST_WAIT);
        self.tries += 1;
    }
}
