//! How near the receiver of webhooks comes to a bare one: `cargo bench --bench webhook`.
//!
//! Unique signed deliveries of 10 KiB about 1,000 runs, on 1, 8 and 32 connections that stay open, to the program itself and to a server
//! that checks the signature and inserts the body in a group commit on the same disk. Rounds take turns; medians count. The load comes
//! from this process, so both share the processors with it. `AGENTPR_BENCH_LARGE=1` does it again over a store of 10,000 runs and a
//! million events, which takes minutes to make.

#![expect(clippy::unwrap_used, reason = "a measurement may stop where it stands")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock and starts programs")]
#![expect(clippy::print_stdout, reason = "its output is for the person who started it")]

#[path = "../tests/it/harness/deliveries.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod deliveries;
#[path = "../examples/fill.rs"]
mod fill;
#[path = "../tests/it/store/life.rs"]
mod life;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use agentpr::adapters::store::SqliteStore;
use agentpr::surfaces::http::signature::Signatures;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use deliveries::{Client, Delivery, PATH, SECRET, publish};
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

/// Runs the deliveries are about.
const RUNS: u32 = 1_000;

/// Bytes of a delivery.
const SIZE: usize = 10 * 1024;

/// Rounds of each side.
const ROUNDS: usize = 3;

/// Says to this program that it is the bare server, and where its store goes.
const BARE: &str = "AGENTPR_BENCH_BARE";

fn main() {
    if let Some(path) = std::env::var_os(BARE) {
        bare_server(Path::new(&path));
        return;
    }
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let made = place.path().join("made.db");
    let store = SqliteStore::create(&made).unwrap();
    (0..RUNS).for_each(|n| drop(publish(&store, n, true)));
    drop(store);
    println!("{RUNS} runs:");
    for (connections, each) in [(1, 400), (8, 150), (32, 80)] {
        compare(&made, connections, each);
    }
    if std::env::var_os("AGENTPR_BENCH_LARGE").is_some() {
        let large = place.path().join("large.db");
        let events = fill::fill(&large, 10_000, 1_000_000);
        let store = SqliteStore::open(&large).unwrap();
        // Those of `fill` have other names.
        (0..RUNS).for_each(|n| drop(publish(&store, n, true)));
        drop(store);
        println!("{} runs, {events} events:", 10_000 + RUNS);
        compare(&large, 32, 80);
    }
}

/// What one side of a round came to.
#[derive(Debug, Clone, Copy)]
struct Side {
    rate: f64,
    p50: f64,
    p99: f64,
    /// Microseconds of processor time a delivery, of the server.
    cpu: f64,
}

fn compare(made: &Path, connections: usize, each: usize) {
    let (mut bare, mut ours, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let load: Vec<Vec<Vec<u8>>> = requests(connections, each);
        let mut of_bare = || bare.push(measure(&Server::bare(), &load));
        let mut of_ours = || {
            let server = Server::ours(made);
            ours.push(measure(&server, &load));
            again.push(measure(&server, &load));
        };
        if round % 2 == 0 {
            of_bare();
            of_ours();
        } else {
            of_ours();
            of_bare();
        }
    }
    let (bare, ours, again) = (median(&bare), median(&ours), median(&again));
    for (name, side) in [("bare", bare), ("agentpr", ours), ("again", again)] {
        let Side { rate, p50, p99, cpu } = side;
        println!(
            "{connections:>3} connections, {name:<8} {rate:>7.0}/s, p50 {p50:>6.2} ms, p99 {p99:>7.2} ms, {cpu:>4.0} us of processor"
        );
    }
    let (ratio, duplicates) = (ours.rate / bare.rate, again.rate / ours.rate);
    println!(
        "{connections:>3} connections: {ratio:.2} of bare (target 0.60), duplicates x {duplicates:.1} (target 5)"
    );
}

/// Each connection's requests, made before anything is measured.
fn requests(connections: usize, each: usize) -> Vec<Vec<Vec<u8>>> {
    let of = |connection: usize| {
        let number = |at: usize| u64::try_from(connection * each + at + 1).unwrap();
        let run = |number: u64| u32::try_from(number % u64::from(RUNS)).unwrap();
        (0..each).map(|at| Delivery::suite(number(at), run(number(at)), SIZE).request()).collect()
    };
    (0..connections).map(of).collect()
}

fn measure(server: &Server, load: &[Vec<Vec<u8>>]) -> Side {
    let (before, begin) = (server.cpu(), Instant::now());
    let mut times: Vec<f64> = std::thread::scope(|scope| {
        let threads: Vec<_> = load
            .iter()
            .map(|requests| {
                scope.spawn(move || {
                    let mut client = Client::connect(server.address).unwrap();
                    let time = |request: &Vec<u8>| {
                        let begin = Instant::now();
                        let reply = client.send(request).unwrap();
                        assert_eq!(reply.status, 200, "{reply:?}");
                        begin.elapsed().as_secs_f64() * 1e3
                    };
                    requests.iter().map(time).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let spent = begin.elapsed().as_secs_f64();
    let count = f64::from(u32::try_from(times.len()).unwrap());
    times.sort_by(f64::total_cmp);
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    Side { rate: count / spent, p50, p99, cpu: (server.cpu() - before) / count }
}

fn median(sides: &[Side]) -> Side {
    let of = |figure: fn(&Side) -> f64| {
        let mut figures: Vec<f64> = sides.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    Side { rate: of(|s| s.rate), p50: of(|s| s.p50), p99: of(|s| s.p99), cpu: of(|s| s.cpu) }
}

/// A server in a process of its own; it ends when this is dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    _place: tempfile::TempDir,
}

impl Server {
    fn bare() -> Self {
        let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(BARE, place.path().join("bare.db"));
        Self::start(command, place)
    }

    fn ours(made: &Path) -> Self {
        let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let db = place.path().join("agentpr.db");
        std::fs::copy(made, &db).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_agentpr"));
        command
            .args(["--skip-doctor", "run-github-webhook", "--port", "0"])
            .env_clear()
            .env("AGENTPR_DATA_DIR", place.path())
            .env("AGENTPR_GITHUB_WEBHOOK_SECRET", SECRET);
        Self::start(command, place)
    }

    fn start(mut command: Command, place: tempfile::TempDir) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        // `listening on http://127.0.0.1:PORT/path`
        let address = line.split('/').nth(2).unwrap().trim().parse().unwrap();
        Self { child, address, _place: place }
    }

    /// Microseconds of processor time, of all threads, in the program and in the kernel.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<f64>().unwrap());
        let per_second = f64::from(u32::try_from(rustix::param::clock_ticks_per_second()).unwrap());
        ticks.sum::<f64>() / per_second * 1e6
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A body, its name, and who waits for it to be on the disk.
type Insert = (Vec<u8>, Bytes, oneshot::Sender<()>);

fn bare_server(path: &Path) {
    let db = Connection::open(path).unwrap();
    let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;
                    CREATE TABLE deliveries (id BLOB PRIMARY KEY, body BLOB NOT NULL);";
    db.execute_batch(settings).unwrap();
    let (ask, asked) = channel();
    let writer = std::thread::spawn(move || write_groups(&db, &asked));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let router = Router::new()
            .route(PATH, post(bare_take))
            .layer(DefaultBodyLimit::max(25 << 20))
            .with_state((Signatures::new([SECRET]).unwrap(), ask));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("listening on http://{}/", listener.local_addr().unwrap());
        axum::serve(listener, router).await.unwrap();
    });
    writer.join().unwrap();
}

async fn bare_take(
    State((signatures, ask)): State<(Signatures, Sender<Insert>)>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let signature = headers.get("x-hub-signature-256").map(|value| value.as_bytes());
    if !signatures.accept(signature, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    let (done, wait) = oneshot::channel();
    let id = headers["x-github-delivery"].as_bytes().to_vec();
    ask.send((id, body, done)).unwrap();
    wait.await.unwrap();
    StatusCode::OK
}

fn write_groups(db: &Connection, asked: &Receiver<Insert>) {
    while let Ok(first) = asked.recv() {
        let group: Vec<_> = std::iter::once(first).chain(asked.try_iter().take(255)).collect();
        db.prepare_cached("BEGIN IMMEDIATE").unwrap().execute([]).unwrap();
        for (id, body, _) in &group {
            let sql = "INSERT INTO deliveries (id, body) VALUES (?1, ?2)";
            db.prepare_cached(sql).unwrap().execute(params![id, &body[..]]).unwrap();
        }
        db.prepare_cached("COMMIT").unwrap().execute([]).unwrap();
        for (_, _, done) in group {
            // Who asked may be gone by now.
            let _told = done.send(());
        }
    }
}
