//! The client to GitHub's API, told with a server whose answers are written down.

mod limit;
pub(crate) mod login;
mod read;
mod server;
mod trouble;
mod write;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use agentpr::adapters::forge::github::client::{ClientSettings, GitHubClient, Login, Secret};
use agentpr::domain::time::{Moment, Timestamp};
use agentpr::ports::clock::Clock;
use agentpr::ports::forge::ForgeError;
use tempfile::TempDir;

use server::Server;

/// A token as GitHub's Apps have them since 2026: long, with dots.
const TOKEN: &str = "ghs_12345_eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ0ZXN0In0.c2lnbmF0dXJl";

/// When the tests take place.
const TODAY: u64 = 1_800_000_000_000;

/// A clock that goes by itself and can be put forward.
#[derive(Clone)]
struct Hands(Arc<(Instant, AtomicU64)>);

impl Hands {
    fn new() -> Self {
        Self(Arc::new((Instant::now(), AtomicU64::new(0))))
    }

    fn forward(&self, span: Duration) {
        let span = u64::try_from(span.as_millis()).unwrap();
        self.0.1.fetch_add(span, Ordering::SeqCst);
    }

    fn ms(&self) -> u64 {
        u64::try_from(self.0.0.elapsed().as_millis()).unwrap() + self.0.1.load(Ordering::SeqCst)
    }
}

impl Clock for Hands {
    fn now(&self) -> Moment {
        let wall = Timestamp(i64::try_from(TODAY + self.ms()).unwrap());
        Moment { wall, boot: "boot".to_owned(), monotonic_ms: self.ms() }
    }
}

/// A GitHub, a folder and a clock.
struct Stage {
    server: Server,
    folder: TempDir,
    clock: Hands,
    gap: Duration,
    time_limit: Duration,
}

impl Stage {
    fn new(acts: impl IntoIterator<Item = server::Act>) -> Self {
        Self {
            server: Server::new(acts),
            folder: tempfile::tempdir().unwrap(),
            clock: Hands::new(),
            gap: Duration::ZERO,
            time_limit: Duration::from_secs(20),
        }
    }

    /// A client as a process of its own would have it.
    fn client(&self) -> GitHubClient {
        self.client_as(Login::Token(Secret::new(TOKEN)))
    }

    fn client_as(&self, login: Login) -> GitHubClient {
        let settings = ClientSettings {
            api_url: self.server.api(),
            login,
            state_dir: self.folder.path().join("github"),
            write_gap: self.gap,
            time_limit: self.time_limit,
        };
        GitHubClient::new(settings, Arc::new(self.clock.clone())).unwrap()
    }

    fn state(&self) -> std::path::PathBuf {
        let entries = std::fs::read_dir(self.folder.path().join("github")).unwrap();
        let mut paths = entries.map(|entry| entry.unwrap().path());
        paths.find(|path| path.extension().is_some_and(|end| end == "json")).unwrap()
    }

    /// How far off the end of a limit is.
    #[track_caller]
    fn left<T: std::fmt::Debug>(&self, answer: Result<T, ForgeError>) -> Duration {
        match answer {
            Err(ForgeError::Limited { until, .. }) => until.since(self.clock.now().wall),
            other => panic!("not limited: {other:?}"),
        }
    }

    /// The verbs and paths that came.
    fn lines(&self) -> Vec<String> {
        self.server.came().iter().map(|came| format!("{} {}", came.verb, came.path)).collect()
    }
}

#[track_caller]
fn assert_unavailable<T: std::fmt::Debug>(answer: Result<T, ForgeError>) -> String {
    match answer {
        Err(ForgeError::Unavailable(why)) => why,
        other => panic!("not unavailable: {other:?}"),
    }
}

/// Every file below a folder holds none of these words.
#[track_caller]
fn assert_clean(folder: &Path, words: &[&str]) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        for word in words {
            assert!(!text.contains(word), "{} holds it", path.display());
        }
    }
}
