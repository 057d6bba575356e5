//! `verify` and `auth` as people and scripts meet them.

use std::io::Write;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agentpr::app::execute::By;
use agentpr::app::{App, OperatorNotifier};
use agentpr::config::{Config, Flags};
use agentpr::daemon::Wiring;
use agentpr::domain::actor::Actor;
use agentpr::domain::command::Command;
use agentpr::domain::gate::PrRequest;
use agentpr::domain::id::RunId;
use agentpr::domain::verification::PinnedSpec;
use agentpr::surfaces::cli::{Access, Wire};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{Answer, Sandbox, sandbox::finish};

/// A sandbox with a contract in the folder `tree`.
fn with(contract: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    let _written = sandbox.write("tree/pipeline.yml", contract);
    sandbox
}

fn verify(sandbox: &Sandbox, more: &[&str]) -> Answer {
    let args = [&["verify", "--repo", "tree", "--sandbox", "danger-full-access"], more].concat();
    sandbox.agentpr(&args)
}

#[test]
fn verify_needs_no_store_and_says_stage_by_stage_what_happened() {
    let sandbox = with("tests: {cmd: echo fine}\nbenchmark: {run_cmd: 'true'}");
    let said = verify(&sandbox, &[]).ok().stdout;
    let places =
        ["in place, changed files included", "tests", "$ echo fine", "benchmark", "passed", "artifacts"];
    let mut rest = said.as_str();
    for place in places {
        let at = rest.find(place).unwrap_or_else(|| panic!("`{place}` is not where it should be: {said}"));
        rest = &rest[at + place.len()..];
    }
    assert!(!sandbox.db().exists());
    let left = std::fs::read_dir(sandbox.path().join("data/scratch")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "nothing is left in the data directory");
}

#[test]
fn the_exit_code_says_how_it_ended() {
    let table = [
        ("tests: {cmd: 'true'}", 0, "passed"),
        ("tests: {cmd: 'exit 9'}", 1, "failed"),
        ("version: 1", 3, "no_evidence"),
        ("tests: {cmd: sudo true}", 3, "blocked"),
        ("{auth: {cmd: 'true', interactive: true}, tests: {cmd: 'true'}}", 3, "blocked"),
    ];
    for (contract, code, outcome) in table {
        let document = verify(&with(contract), &["--json"]).code(code).json();
        assert_eq!(document["outcome"], outcome, "{contract}: {document}");
        assert_eq!(document["ok"], code == 0);
        assert!(document["artifacts"].as_str().is_some_and(|path| path.starts_with('/')));
    }
}

#[test]
fn a_bad_contract_is_refused_with_all_its_problems() {
    let sandbox = with("test: {cmd: 'true'}\ntests: {retries: -1, cmd: touch ran}\nversion: 7\n");
    let said = verify(&sandbox, &[]).code(2).stderr;
    for problem in ["`test`", "tests.retries", "version"] {
        assert!(said.contains(problem), "{problem}: {said}");
    }
    let document = verify(&sandbox, &["--json"]).code(2).json();
    assert_eq!(document["code"], "invalid_contract");
    assert_eq!(document["problems"].as_array().map(Vec::len), Some(3), "{document}");
    assert!(!sandbox.path().join("tree/ran").exists());
}

#[test]
fn commands_of_a_person_and_another_contract_are_taken() {
    let sandbox = with("tests: {cmd: 'false'}");
    let _other = sandbox.write("tree/other.yml", "tests: {cmd: 'true'}");
    let _passed = verify(&sandbox, &["--pipeline", "other.yml"]).ok();
    let document = verify(&sandbox, &["--test-cmd", "true", "--test-cmd", "echo two", "--json"]).ok().json();
    assert_eq!(
        (&document["source"], document["results"].as_array().map(Vec::len)),
        (&"given".into(), Some(2))
    );
    let said = verify(&sandbox, &["--pipeline", "nowhere.yml"]).code(2).stderr;
    assert!(said.contains("nowhere.yml") && said.contains("--pipeline"), "{said}");
    let _nowhere = sandbox.agentpr(&["verify", "--repo", "nowhere"]).code(2);
    let kept = sandbox.path().join("kept");
    let document = verify(&sandbox, &["--test-cmd", "true", "--artifacts-dir", "kept", "--json"]).ok().json();
    let kept = kept.canonicalize().unwrap();
    assert!(document["artifacts"].as_str().unwrap().starts_with(kept.to_str().unwrap()), "{document}");
}

#[test]
fn ctrl_c_ends_the_commands_and_leaves_nothing() {
    let sleep = format!("62.{}", std::process::id());
    let sandbox = with(&format!("tests: {{cmd: 'touch began; sleep {sleep} & sleep {sleep}'}}"));
    let args = ["verify", "--repo", "tree", "--sandbox", "danger-full-access"];
    let child = sandbox.command(&args).spawn().unwrap();
    let begun = Instant::now();
    while !sandbox.path().join("tree/began").exists() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the command never began");
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let answer = finish(child);
    assert_eq!(answer.code, Some(130), "{answer:?}");
    let living = std::fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
        std::fs::read(entry.path().join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&sleep))
    });
    assert_eq!(living.count(), 0);
}

#[test]
fn fsm_38_a_guided_login_asks_and_hears_and_is_kept() {
    let contract = r#"
auth:
  cmd: 'printf "name? " && read name && printf "password? " && read word && test "$word" = hush && echo "hello $name"'
  interactive: true
tests: {cmd: 'true'}
"#;
    let sandbox = with(contract);
    let args =
        ["verify", "--repo", "tree", "--sandbox", "danger-full-access", "--unattended", "guided", "--json"];
    let mut child = sandbox.command(&args).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"ann\nhush\n").unwrap();
    let answer = finish(child).ok();
    let document: Value = answer.json();
    assert_eq!(document["outcome"], "passed");
    assert!(answer.stderr.contains("name? ") && answer.stderr.contains("hello ann"), "{}", answer.stderr);
    let kept = format!("{}/preflight/auth_cmd01_try01_stdout.txt", document["artifacts"].as_str().unwrap());
    let shown = std::fs::read_to_string(kept).unwrap();
    assert!(shown.contains("name? ") && shown.contains("hello ann"), "{shown}");
}

#[test]
fn auth_says_what_is_missing() {
    let sandbox = super::with_run("r1");
    let document = sandbox.agentpr(&["auth", "r1", "--json"]).code(2).json();
    assert!(document["error"].as_str().unwrap().contains("no verification contract"), "{document}");
    let _nobody = sandbox.agentpr(&["auth", "nobody"]).code(4);
}

/// Hears nothing.
struct Deaf;

impl OperatorNotifier for Deaf {
    fn token_issued(&self, _: &RunId, _: &PrRequest, _: &str) {}
}

/// The app over a sandbox's store, as the program itself puts it together.
fn app(sandbox: &Sandbox) -> App {
    let environment = [("AGENTPR_DATA_DIR", sandbox.path().join("data"))];
    let environment = environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    let config = Config::load(&Flags::default(), &environment).unwrap();
    Wiring.open(&config, Access::Write, Arc::new(Deaf)).unwrap()
}

#[test]
fn f26_fsm_38_auth_logs_in_at_a_terminal_and_puts_the_grant_on_record() {
    let sandbox = Sandbox::new();
    let _remote = sandbox.with_remote("o", "r", &[("a", "1\n")]);
    let created = ["create-run", "--owner", "o", "--repo", "r", "--prompt-version", "v1", "--run-id", "r1"];
    let _created = sandbox.agentpr(&created).ok();
    let _begun = sandbox.agentpr(&["start-discovery", "--run-id", "r1"]).ok();
    let _prepared = sandbox.agentpr(&["run-prepare", "--run-id", "r1"]).ok();
    let contract =
        b"auth: {cmd: 'test -t 0 && test -e a && read word && test \"$word\" = hush', interactive: true}";
    let (app, run) = (app(&sandbox), RunId::new("r1").unwrap());
    let kept = app.artifacts().write(&run, "pinned.yml", contract).unwrap();
    let spec = PinnedSpec { origin: "pipeline.yml".to_owned(), sha256: kept.sha256, copy: kept.path };
    let by = By::actor(Actor::cli("ada"));
    app.execute(&run, &Command::PinVerifySpec { spec: Some(spec) }, &by).unwrap();

    let typed = |word: &str| {
        let mut child = sandbox.command(&["auth", "r1", "--json"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(word.as_bytes()).unwrap();
        finish(child)
    };
    let document = typed("wrong\n").code(1).json();
    assert_eq!(document["code"], "login_failed", "{document}");
    assert!(!app.run(&run).unwrap().auth_granted);
    let document = typed("hush\n").ok().json();
    assert_eq!(document["auth_granted"], true, "{document}");
    assert!(document["next"].as_str().unwrap().ends_with("retry r1"), "{document}");
    assert!(app.run(&run).unwrap().auth_granted);
    let result = app.artifacts().read_tail("r1/auth/auth_result.json", 1_000).unwrap();
    assert!(String::from_utf8(result).unwrap().contains("\"rc\": 0"));
}
