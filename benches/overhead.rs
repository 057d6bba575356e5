//! How long a run takes from `submit` to its agent's first breath, as whole processes on real git: the order and one pass of the engine.
//! `cargo bench --bench overhead`.
//!
//! The agent is a shell script that writes down the time, so what is left is the engine's own: order, store, clone, guard, wall,
//! start. What the script and its `date` take by themselves is measured beside it and taken off. Rounds of all kinds take turns.

#![expect(clippy::unwrap_used, reason = "a measurement may stop where it stands")]
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark starts the program it measures and reads the clock"
)]
#![expect(clippy::print_stdout, reason = "its output is for the person who started it")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// Rounds of each kind.
const ROUNDS: usize = 21;

fn main() {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let place = place.path();
    let repo = place.join("repo");
    repository(&repo);
    let agent = place.join("agent.sh");
    let script =
        "#!/bin/sh\ncat > /dev/null\ndate +%s%N > \"$AGENTPR_RUNTIME_DIR/stamp\"\necho fixed >> file\n";
    write_program(&agent, script);
    let bare = place.join("bare.sh");
    write_program(&bare, "#!/bin/sh\ndate +%s%N > \"$1\"\n");

    let kinds = ["danger-full-access", "auto"];
    let mut own = Vec::new();
    let mut times = kinds.map(|_| Vec::new());
    // The first round makes the control repository and warms the caches; it does not count.
    for round in 0..=ROUNDS {
        let stamp = place.join("bare-stamp");
        let begun = now();
        assert!(Command::new(&bare).arg(&stamp).status().unwrap().success());
        let alone = stamp_of(&stamp) - begun;
        for (at, sandbox) in kinds.iter().enumerate() {
            let took = one(place, &repo, &agent, sandbox, &format!("run-{round}-{at}"));
            if round > 0 {
                times[at].push(took - alone);
            }
        }
        if round > 0 {
            own.push(alone);
        }
    }
    println!("the agent's own start: {:.1} ms", median(own));
    for (sandbox, times) in kinds.iter().zip(times) {
        println!(
            "from `submit` to the agent's first breath, sandbox `{sandbox}`: {:.1} ms beyond that",
            median(times)
        );
    }
}

/// One run; milliseconds from the start of the program to the agent's stamp.
fn one(place: &Path, repo: &Path, agent: &Path, sandbox: &str, run: &str) -> f64 {
    let data = place.join("data");
    let agentpr = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_agentpr"))
            .args(arguments)
            .arg("--data-dir")
            .arg(&data)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", place)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let (repo, agent) = (repo.display().to_string(), format!("command:{}", agent.display()));
    let begun = now();
    let order = ["submit", "--owner", "bench", "--repo", "repo", "--task", "Write a line", "--check", "true"];
    let place_of = ["--remote", &repo, "--agent", &agent, "--sandbox", sandbox, "--run-id", run];
    agentpr(&[&order[..], &["--delivery", "none"], &place_of].concat());
    // An engine that runs has looked at the machine before.
    agentpr(&["manager-tick", "--skip-doctor", "--run-id", run]);
    stamp_of(&data.join("runtime").join(run).join("stamp")) - begun
}

fn repository(repo: &Path) {
    let git = |args: &[&str]| {
        let status = Command::new("git")
            .args(["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-C"])
            .arg(repo)
            .args(args)
            .status();
        assert!(status.unwrap().success());
    };
    std::fs::create_dir_all(repo).unwrap();
    git(&["init", "--quiet", "--initial-branch=main"]);
    for at in 0..200 {
        std::fs::write(repo.join(format!("file-{at}")), format!("{at}\n").repeat(50)).unwrap();
    }
    std::fs::write(repo.join("file"), "broken\n").unwrap();
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "begin"]);
}

fn write_program(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Milliseconds by the wall clock, which two processes share.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() * 1_000.0
}

fn stamp_of(path: &Path) -> f64 {
    let nanos: f64 = std::fs::read_to_string(path).unwrap().trim().parse().unwrap();
    nanos / 1_000_000.0
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
