//! What a reading command costs as a whole process, on a small and on a large store:
//! `cargo bench --bench cli -- 10000 1000000`, which are the runs and events of the large one.
//!
//! Both stores are made here, in a directory that goes away. Processor time, not the clock, is measured, so that it matters
//! little what else the machine does; calls on the two stores take turns.

#![expect(clippy::unwrap_used, reason = "a measurement may stop where it stands")]
#![expect(clippy::disallowed_methods, reason = "a benchmark starts the program it measures")]
#![expect(clippy::print_stdout, reason = "its output is for the person who started it")]

#[path = "../examples/fill.rs"]
mod fill;
#[path = "../tests/it/store/life.rs"]
mod life;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Turns; in each the command is called once on each store.
const TURNS: usize = 60;

/// The program that is measured.
const PROGRAM: &str = env!("CARGO_BIN_EXE_agentpr");

/// What one command cost on one store.
struct Cost {
    /// Median processor time in milliseconds, in the program and in the kernel.
    cpu_ms: f64,
    /// Most memory that any call held, in MiB.
    memory_mib: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.first().map(String::as_str) {
        Some("fill") => {
            let [_, path, runs, events] = arguments.as_slice() else { panic!("fill PATH RUNS EVENTS") };
            let written = fill::fill(Path::new(path), runs.parse().unwrap(), events.parse().unwrap());
            println!("{runs} runs, {written} events");
        }
        Some("call") => call_once(&arguments[1..]),
        _ => compare(&arguments),
    }
}

fn compare(arguments: &[String]) {
    let number = |at: usize, default: usize| arguments.get(at).map_or(default, |text| text.parse().unwrap());
    let (runs, events) = (number(0, 10_000), number(1, 1_000_000));
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let store = |name: &str, runs: usize, events: usize| {
        let path = place.path().join(name);
        let numbers = [runs.to_string(), events.to_string()];
        assert!(again("fill").arg(&path).args(numbers).status().unwrap().success());
        path
    };
    let empty = place.path().join("empty.db");
    assert!(program(place.path(), &empty).arg("init-db").output().unwrap().status.success());
    let one = store("one.db", 1, events / runs);
    let large = store("large.db", runs, events);
    let run = fill::run_id(0);
    for json in [&[][..], &["--json"][..]] {
        let list = [&["list-runs"][..], json].concat();
        report("list-runs", json, place.path(), [&empty, &large], &list);
        let show = [&["show-run", run.as_str()][..], json].concat();
        report("show-run", json, place.path(), [&one, &large], &show);
    }
}

fn report(name: &str, json: &[&str], place: &Path, stores: [&PathBuf; 2], arguments: &[&str]) {
    let mut costs = [(); 2].map(|()| (Vec::new(), 0_f64));
    for turn in 0..TURNS {
        // The order changes, so that neither store is always the one that was read last.
        for at in if turn % 2 == 0 { [0, 1] } else { [1, 0] } {
            let (cpu_ms, memory_mib) = measured(place, stores[at], arguments);
            costs[at].0.push(cpu_ms);
            costs[at].1 = costs[at].1.max(memory_mib);
        }
    }
    let [small, large] = costs.map(|(cpu, memory_mib)| Cost { cpu_ms: median(cpu), memory_mib });
    println!(
        "{name} {}: small {:.2} ms {:.1} MiB; large {:.2} ms {:.1} MiB; time x {:.2}, memory x {:.2}",
        json.concat(),
        small.cpu_ms,
        small.memory_mib,
        large.cpu_ms,
        large.memory_mib,
        large.cpu_ms / small.cpu_ms,
        large.memory_mib / small.memory_mib
    );
}

/// One call, by a process of its own: the kernel adds up what all ended children of a process cost.
fn measured(place: &Path, store: &Path, arguments: &[&str]) -> (f64, f64) {
    let output = again("call").arg(place).arg(store).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (cpu_ms, memory_mib) = text.trim().split_once(' ').unwrap();
    (cpu_ms.parse().unwrap(), memory_mib.parse().unwrap())
}

fn call_once(arguments: &[String]) {
    let [place, store, command @ ..] = arguments else { panic!("call DIRECTORY STORE COMMAND") };
    let mut program = program(Path::new(place), Path::new(store));
    assert!(program.args(command).stdout(Stdio::null()).status().unwrap().success());
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let micros = u32::try_from((usage.user_time() + usage.system_time()).num_microseconds()).unwrap();
    let kibibytes = u32::try_from(usage.max_rss()).unwrap();
    println!("{} {}", f64::from(micros) / 1_000.0, f64::from(kibibytes) / 1_024.0);
}

fn again(part: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(part);
    command
}

fn program(place: &Path, store: &Path) -> Command {
    let mut program = Command::new(PROGRAM);
    program.env_clear().arg("--db").arg(store).arg("--data-dir").arg(place);
    program
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
