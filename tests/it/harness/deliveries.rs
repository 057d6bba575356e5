//! Deliveries as GitHub sends them, the runs they are about, and a client that sends them: shared by the tests of the receiver, the
//! kill test and the bench.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use agentpr::adapters::store::SqliteStore;
use agentpr::domain::actor::Actor;
use agentpr::domain::event::{PrLinked, Pushed, RunCreated};
use agentpr::domain::id::{PrNumber, RunId, Version};
use agentpr::domain::state::State;
use agentpr::domain::time::Timestamp;
use agentpr::ports::store::{Append, EventStore};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::life;

/// The secret of the hook.
pub(crate) const SECRET: &str = "a hook's secret, known to the tests";

/// Where deliveries go.
pub(crate) const PATH: &str = "/github/webhook";

/// The number the forge has of the repository.
pub(crate) const REPO_ID: u64 = 4242;

/// The number of the first made-up run's pull request.
const FIRST_PULL: u64 = 1;

/// The name of a made-up run.
pub(crate) fn run_id(n: u32) -> RunId {
    RunId::new(format!("run-{n}")).unwrap()
}

/// The commit a made-up run pushed.
pub(crate) fn head(n: u32) -> String {
    life::sha(100_000 + n).to_string()
}

/// Gives a run its life up to its pull request, or up to its push: then it is not linked yet.
pub(crate) fn publish(store: &SqliteStore, n: u32, is_linked: bool) -> RunId {
    let run = run_id(n);
    let mut spec = life::spec(&run);
    spec.repo = "Acme/Widget".parse().unwrap();
    let mut events = life::life(&run, 14);
    events[0].0 = RunCreated { spec }.into();
    let (branch, sha) = (format!("agentpr/{run}").parse().unwrap(), life::sha(100_000 + n));
    events.push((Pushed { branch, sha, request: None }.into(), State::Pushed));
    if is_linked {
        let pr_number = PrNumber::new(pull(n)).unwrap();
        events.push((PrLinked { pr_number, url: None, request: None }.into(), State::CiWait));
    }
    let append = Append {
        run: run.clone(),
        expected: Version(0),
        fence: None,
        actor: Actor::engine(),
        at: Timestamp(1_700_000_000_000),
        cause: None,
        key: None,
        events,
    };
    store.append(&append).unwrap();
    run
}

/// The number of a made-up run's pull request.
pub(crate) fn pull(n: u32) -> u64 {
    FIRST_PULL + u64::from(n)
}

/// A delivery, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) id: String,
    pub(crate) event: String,
    pub(crate) body: Vec<u8>,
    pub(crate) signature: String,
}

impl Delivery {
    /// A delivery of `body`, signed.
    pub(crate) fn of(number: u64, event: &str, body: Vec<u8>) -> Self {
        let signature = sign(SECRET, &body);
        Self { id: id(number), event: event.to_owned(), body, signature }
    }

    /// A suite of checks that passed at the head of run `n`; the delivery's number is the suite's.
    pub(crate) fn suite(number: u64, n: u32, size: usize) -> Self {
        Self::of(number, "check_suite", suite(number, &head(n), "success", size).to_string().into_bytes())
    }

    /// The request that brings it, on a connection that stays open.
    pub(crate) fn request(&self) -> Vec<u8> {
        let Self { id, event, body, signature } = self;
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nhost: hooks.test\r\nuser-agent: GitHub-Hookshot/test\r\ncontent-type: application/json\r\nx-github-event: {event}\r\nx-github-delivery: {id}\r\nx-github-hook-id: 3\r\nx-hub-signature-256: {signature}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        request
    }
}

/// A delivery's name, made of a number.
pub(crate) fn id(number: u64) -> String {
    format!("72d3162e-cc78-11e3-81ab-{number:012x}")
}

/// The header of a signature.
pub(crate) fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// The body of a suite that is through, as it comes from a fork: without pull requests and without a branch. It has about `size`
/// bytes.
pub(crate) fn suite(id: u64, head: &str, conclusion: &str, size: usize) -> Value {
    let mut body = json!({
        "action": "completed",
        "check_suite": {
            "id": id,
            "head_branch": null,
            "head_sha": head,
            "status": "completed",
            "conclusion": conclusion,
            "pull_requests": [],
            "app": { "id": 15368, "slug": "github-actions", "name": "GitHub Actions" },
            "created_at": "2026-11-20T09:59:00Z",
            "updated_at": "2026-11-20T10:05:00Z",
            "latest_check_runs_count": 1,
        },
        "repository": repository(),
        "sender": { "login": "octocat", "id": 1, "type": "User" },
    });
    let missing = size.saturating_sub(body.to_string().len());
    if missing > 0 {
        body["repository"]["description"] = "x".repeat(missing).into();
    }
    body
}

/// The repository, as every delivery has it.
pub(crate) fn repository() -> Value {
    json!({
        "id": REPO_ID,
        "name": "Widget",
        "full_name": "Acme/Widget",
        "private": false,
        "archived": false,
        "owner": { "login": "Acme", "id": 9, "type": "Organization" },
    })
}

/// A connection to the receiver that stays open.
#[derive(Debug)]
pub(crate) struct Client {
    socket: TcpStream,
    /// What came after the last answer.
    rest: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|err| panic!("{err}: {self:?}"))
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
        socket.set_read_timeout(Some(Duration::from_secs(60)))?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, rest: Vec::new() })
    }

    /// Sends bytes and takes the answer; an error where the connection ends before it is whole.
    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<Reply> {
        self.say(request)?;
        self.hear()
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    pub(crate) fn hear(&mut self) -> io::Result<Reply> {
        let mut heard = std::mem::take(&mut self.rest);
        let mut buffer = [0; 16 * 1024];
        loop {
            if let Some(end) = heard.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&heard[..end]).to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.map_or(0, |length| length.trim().parse().unwrap_or(0));
                if heard.len() >= end + 4 + length {
                    let body = String::from_utf8_lossy(&heard[end + 4..end + 4 + length]).into_owned();
                    self.rest = heard.split_off(end + 4 + length);
                    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
                    return Ok(Reply { status, head, body });
                }
            }
            match self.socket.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => heard.extend_from_slice(&buffer[..more]),
            }
        }
    }
}
