//! The first of the two commands a newcomer types.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::Sandbox;
use crate::harness::sandbox::finish;

#[test]
fn the_demo_goes_the_whole_way_and_leaves_nothing() {
    let sandbox = Sandbox::empty();
    let temporary = sandbox.path().join("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    let mut command = sandbox.command(&["demo", "--yes-both"]);
    let child = command.env_remove("AGENTPR_FORGE_ROOT").env("TMPDIR", &temporary).spawn().unwrap();
    let answer = crate::harness::sandbox::finish(child).ok();
    for said in [
        "FAIL: 'Hello  brave   world'",
        "exit code 1",
        "first confirmation",
        "the commit that was approved",
        "CI_WAIT",
    ] {
        assert!(answer.stdout.contains(said), "`{said}` is missing in {}", answer.stdout);
    }
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    assert!(!sandbox.db().exists(), "the demo does not touch the store of the machine");
}

#[test]
fn the_demo_confirms_nothing_by_itself() {
    let sandbox = Sandbox::empty();
    let answer = sandbox.agentpr(&["demo"]).code(3);
    assert!(answer.stderr.contains("--yes-both"), "{}", answer.stderr);
}

#[test]
fn what_the_demo_keeps_can_be_looked_at_with_the_commands_it_names() {
    let sandbox = Sandbox::empty();
    let mut command = sandbox.command(&["--json", "demo", "--yes-both", "--keep"]);
    let child = command.env_remove("AGENTPR_FORGE_ROOT").env("TMPDIR", sandbox.path()).spawn().unwrap();
    let shown = crate::harness::sandbox::finish(child).ok().json();
    let kept = std::fs::read_dir(sandbox.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with("agentpr-demo-"))
        .unwrap();
    let run = shown["run"]["run_id"].as_str().unwrap();
    let why = sandbox.agentpr(&["--data-dir", &kept.display().to_string(), "why", run]).ok();
    assert!(why.stdout.contains("waits for its two confirmations"), "{}", why.stdout);
}

/// The demo at the fake GitHub, with an operator's own token and settings, which are of no use there.
fn at_the_fake(sandbox: &Sandbox, args: &[&str]) -> Command {
    let temporary = sandbox.path().join("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    let mut all = vec!["demo", "--forge", "fake-github"];
    all.extend(args);
    let mut command = sandbox.command(&all);
    command
        .env("TMPDIR", temporary)
        .env("GH_TOKEN", "the operators own token")
        .env("AGENTPR_GITHUB_API_URL", "http://127.0.0.1:9/api/v3")
        .env("AGENTPR_FORGE", "local");
    command
}

/// Nothing of a demo is left: no file, and no program that was started for it.
#[track_caller]
fn nothing_is_left(sandbox: &Sandbox) {
    let temporary = sandbox.path().join("tmp");
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    assert!(!sandbox.db().exists(), "the demo does not touch the store of the machine");
    let place = temporary.display().to_string();
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        assert!(!line.contains(&place), "still there: {line}");
    }
}

#[test]
fn the_demo_goes_the_whole_way_at_a_fake_github_and_leaves_nothing() {
    let sandbox = Sandbox::empty();
    let answer = finish(at_the_fake(&sandbox, &["--yes-both"]).spawn().unwrap()).ok();
    let mut rest = answer.stdout.as_str();
    for said in [
        "exit code 1",
        "second confirmation",
        "command.pr.linked",
        "/acme/slug/pull/1",
        "pr.sent_back                    ITERATING",
        "ci / changelog",
        "failed",
        "Add a line that begins with",
        "new since the pull request was opened",
        "+- Slugs of titles",
        "second confirmation",
        "pr.checks_passed                REVIEW_WAIT",
        "grace: approved",
        "pr.closed                       DONE",
        "there is exactly one pull request, #1 from `helpful-bot:agentpr/run_",
        "contains that commit",
        "none failed",
        "the log is sound",
    ] {
        let Some((_, after)) = rest.split_once(said) else {
            panic!("`{said}` is missing, or not in its place, in {}", answer.stdout)
        };
        rest = after;
    }
    nothing_is_left(&sandbox);
}

#[test]
fn the_demo_at_a_fake_github_is_one_document_for_machines() {
    let sandbox = Sandbox::empty();
    let shown = finish(at_the_fake(&sandbox, &["--yes-both", "--json"]).spawn().unwrap()).ok().json();
    assert_eq!(shown["state"], "DONE", "{shown}");
    for proof in ["pull_requests", "head", "merged", "deliveries", "log"] {
        assert!(shown["proofs"][proof].is_string(), "{proof} is missing in {shown}");
    }
    nothing_is_left(&sandbox);
}

#[test]
fn the_demo_at_a_fake_github_confirms_nothing_by_itself() {
    let sandbox = Sandbox::empty();
    let answer = finish(at_the_fake(&sandbox, &[]).spawn().unwrap()).code(3);
    assert!(answer.stderr.contains("agentpr demo --forge fake-github --yes-both"), "{}", answer.stderr);
    assert!(!answer.stdout.contains("4. Fork"), "{}", answer.stdout);
    nothing_is_left(&sandbox);
}

#[test]
fn a_signal_ends_the_demo_at_a_fake_github_and_leaves_nothing() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let sandbox = Sandbox::empty();
        let mut child = at_the_fake(&sandbox, &["--yes-both"]).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().starts_with("2. A run")));
        kill_process(Pid::from_child(&child), signal).unwrap();
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal:?}: {rest:?}");
        nothing_is_left(&sandbox);
    }
}

#[test]
fn the_fake_ends_when_the_demo_is_killed() {
    let sandbox = Sandbox::empty();
    let mut child = at_the_fake(&sandbox, &["--yes-both"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.find_map(|line| line.unwrap().trim().strip_prefix("repository ").map(str::to_owned));
    let address = line.unwrap().trim().trim_start_matches("http://").split('/').next().unwrap().to_owned();
    assert!(std::net::TcpStream::connect(&address).is_ok());
    child.kill().unwrap();
    let _reaped = child.wait().unwrap();
    let begun = std::time::Instant::now();
    while std::net::TcpStream::connect(&address).is_ok() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "the fake outlives the demo");
        std::thread::yield_now();
    }
}

#[test]
fn without_the_fake_beside_it_the_demo_says_how_to_build_it() {
    let sandbox = Sandbox::empty();
    let program = sandbox.path().join("agentpr");
    let built = Path::new(env!("CARGO_BIN_EXE_agentpr"));
    if std::fs::hard_link(built, &program).is_err() {
        std::fs::copy(built, &program).unwrap();
    }
    let there = at_the_fake(&sandbox, &["--yes-both"]);
    let mut command = Command::new(program);
    command.args(there.get_args()).env_clear().stdin(std::process::Stdio::null());
    command.envs(there.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let answer = finish(command.spawn().unwrap()).code(2);
    assert!(answer.stderr.contains("`cargo build --release --bin fake-github`"), "{}", answer.stderr);
    nothing_is_left(&sandbox);
}
