//! What it costs to supervise a program: its output, and its start behind each wall.
//! `cargo bench --bench stream`.
//!
//! Each size is measured in a process of its own, so that memory one of them took is not there for the next.

#![expect(clippy::unwrap_used, reason = "a measurement may stop where it stands")]
#![expect(clippy::disallowed_methods, reason = "a benchmark starts programs and reads the clock")]
#![expect(clippy::print_stdout, reason = "its output is for the person who started it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use agentpr::adapters::process::group::{Ending, GroupOrder, Supervisor};
use agentpr::adapters::process::redact::Redactor;
use agentpr::adapters::process::sandbox::{Sandbox, SandboxSettings};
use agentpr::domain::confine::{Confinement, ProcessLimits, SandboxMode, Tier};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// Megabytes of output.
const SIZES: [u32; 3] = [5, 50, 200];

/// Starts of each kind.
const STARTS: usize = 50;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [word, megabytes] = arguments.as_slice()
        && word == "output"
    {
        return output(megabytes.parse().unwrap());
    }
    for size in SIZES {
        let own = std::env::current_exe().unwrap();
        assert!(Command::new(own).args(["output", &size.to_string()]).status().unwrap().success());
    }
    starts();
}

fn supervisor(search_path: String) -> Supervisor {
    let settings = SandboxSettings { search_path, hidden: Vec::new(), readable: Vec::new() };
    let known = ["a-secret-value-of-some-length".to_owned(), "another-secret-0123456789".to_owned()];
    Supervisor::new(env!("CARGO_BIN_EXE_agentpr").into(), Sandbox::new(settings), Redactor::new(known))
}

fn order(place: &Path, program: &str, args: &[&str], mode: SandboxMode) -> GroupOrder {
    std::fs::create_dir_all(place.join("runtime")).unwrap();
    GroupOrder {
        program: PathBuf::from(program),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        dir: place.to_owned(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        stdin: None,
        workspace: place.to_owned(),
        runtime: place.join("runtime"),
        readable: Vec::new(),
        confinement: Confinement { mode, required: Tier::Open, network: true },
        limits: ProcessLimits::wall(Duration::from_secs(600)),
        grace: Duration::from_secs(1),
        log: Some(place.join("log")),
        lines: None,
        sink: None,
        signs: None,
    }
}

/// One program that prints lines of 80 characters, as many as make so many megabytes.
fn output(megabytes: u32) {
    let place = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let supervisor = supervisor(String::new());
    let open = SandboxMode::DangerFullAccess;
    let stop = CancellationToken::new();
    let warm = order(place.path(), "/bin/true", &[], open);
    runtime.block_on(supervisor.run(&warm, &|_| {}, &stop)).unwrap();
    let line = "test adapter::process::the_time_limit_ends_the_whole_group_and_more ... ok 12 ms";
    let script = format!("yes '{line}' | head -c {megabytes}000000");
    let order = order(place.path(), "/bin/sh", &["-c", &script], open);
    let (before, begun) = (cpu_ms(), Instant::now());
    let report = runtime.block_on(supervisor.run(&order, &|_| {}, &stop)).unwrap();
    assert_eq!(report.ending, Ending::Exited(0));
    println!(
        "{megabytes} MB of output: {} ms of the processor, {} ms by the clock, {:.1} MiB of memory at most, log of {:.1} MiB",
        cpu_ms() - before,
        begun.elapsed().as_millis(),
        f64::from(u32::try_from(getrusage(UsageWho::RUSAGE_SELF).unwrap().max_rss()).unwrap()) / 1_024.0,
        f64::from(u32::try_from(report.log.unwrap().bytes).unwrap()) / 1_048_576.0,
    );
}

fn cpu_ms() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    (usage.user_time() + usage.system_time()).num_milliseconds()
}

/// How long `/bin/true` takes, started plainly and behind each wall; the kinds take turns.
fn starts() {
    let runtime = Runtime::new().unwrap();
    let place = tempfile::tempdir().unwrap();
    let path = std::env::var("PATH").unwrap();
    let kinds = [
        ("tier 0", SandboxMode::DangerFullAccess, supervisor(String::new())),
        ("tier 1", SandboxMode::Auto, supervisor(String::new())),
        ("tier 2", SandboxMode::Auto, supervisor(path)),
    ];
    let mut plain = Vec::new();
    let mut times = kinds.each_ref().map(|_| Vec::new());
    let mut tiers = kinds.each_ref().map(|_| Tier::Open);
    let stop = CancellationToken::new();
    for _ in 0..STARTS {
        let begun = Instant::now();
        assert!(Command::new("/bin/true").env_clear().status().unwrap().success());
        plain.push(begun.elapsed());
        for (at, (_, mode, supervisor)) in kinds.iter().enumerate() {
            supervisor.sandbox().probe();
            let order = order(place.path(), "/bin/true", &[], *mode);
            let report = runtime.block_on(supervisor.run(&order, &|_| {}, &stop)).unwrap();
            assert_eq!(report.ending, Ending::Exited(0));
            tiers[at] = report.tier;
            times[at].push(report.duration);
        }
    }
    println!("start and end of /bin/true, plain: {:.1} ms", median(plain));
    for ((name, _, _), (times, tier)) in kinds.iter().zip(times.into_iter().zip(tiers)) {
        println!("start and end of /bin/true, {name} (in force: {}): {:.1} ms", tier.number(), median(times));
    }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1_000.0
}
