//! How an agent at work is told: a word for it and the signs it rests on, and never that one works whose program is gone.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use agentpr::adapters::process::table::process_ref;
use agentpr::domain::event::{AttemptStarted, ProcessStarted};
use agentpr::domain::evidence::{ProcessRef, Step};
use agentpr::domain::id::AttemptNo;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Value, json};

use crate::harness::{Sandbox, sandbox::finish};

use super::step::implementing;
use super::usage::{add, now};

/// Attempts so far of a run that is ready for an agent.
fn attempts(sandbox: &Sandbox) -> u32 {
    let attempts = sandbox.json(&["show", "a"])["attempts"].clone();
    u32::try_from(attempts.as_array().unwrap().len()).unwrap()
}

/// A world in which an agent of run `a` is at work by the log, as this process; the number of the attempt.
fn at_work(process: ProcessRef) -> (Sandbox, u32) {
    let sandbox = implementing();
    let no = attempts(&sandbox) + 1;
    let attempt = AttemptNo(no);
    let started = AttemptStarted { attempt, step: Step::Agent, generation: 1, reserved: None };
    let process = ProcessStarted { attempt, process };
    add(&sandbox, "a", now(), vec![started.into(), process.into()]);
    (sandbox, no)
}

fn file(sandbox: &Sandbox, run: &str, attempt: u64) -> PathBuf {
    sandbox.path().join(format!("data/artifacts/{run}/attempt-{attempt}.pulse.json"))
}

/// Puts a pulse down that is so many seconds old, with these signs.
fn put(sandbox: &Sandbox, attempt: u32, age: i64, signs: &Value, more: &Value) {
    let mut pulse = json!({
        "at": now() - age * 1_000,
        "vitals": {
            "is_running": true, "bytes_secs": 3, "cpu_secs": 1, "files_secs": 10, "tool_secs": null, "says_it_waits": false,
        },
        "liveness": "working",
        "silence_ms": 300_000,
        "pid": 4_000_000,
    });
    pulse["vitals"].as_object_mut().unwrap().extend(signs.as_object().unwrap().clone());
    pulse.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let path = file(sandbox, "a", attempt.into());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, pulse.to_string()).unwrap();
}

fn own() -> ProcessRef {
    process_ref(i32::try_from(std::process::id()).unwrap())
}

/// What `show` says of the agent in its one line.
fn said(sandbox: &Sandbox) -> String {
    let text = sandbox.agentpr(&["show", "a"]).ok().stdout;
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix("agent is"));
    line.unwrap_or_else(|| panic!("{text}")).trim().to_owned()
}

#[test]
fn the_words_for_an_agent_are_different_and_rest_on_its_signs() {
    let (sandbox, no) = at_work(own());
    assert!(sandbox.json(&["show", "a"])["pulse"].is_null(), "nothing is known of it yet");
    let quiet = json!({ "bytes_secs": 25, "cpu_secs": 70, "files_secs": null });
    let stalled = json!({ "bytes_secs": 400, "cpu_secs": 400, "files_secs": 400 });
    let tool = json!({ "bytes_secs": 400, "cpu_secs": 400, "files_secs": 400, "tool_secs": 405 });
    for (signs, word, signs_said) in [
        (json!({}), "working", "last byte 3 s, processor 1 s, files 10 s"),
        (quiet, "quiet", "last byte 25 s, processor 1 min 10 s"),
        (json!({ "says_it_waits": true }), "waiting", "last byte 3 s"),
        (stalled, "stalled", "files 6 min 40 s"),
        (tool, "quiet", "tool 6 min 45 s"),
    ] {
        // From a clock that was set back since: so no second is added to the signs, however slow this machine is.
        put(&sandbox, no, -600, &signs, &json!({}));
        let said = said(&sandbox);
        assert!(said.starts_with(&format!("{word}, ")) && said.contains(signs_said), "{signs}: {said}");
        let pulse = &sandbox.json(&["why", "a"])["pulse"];
        assert_eq!((&pulse["liveness"], &pulse["attempt"]), (&word.into(), &no.into()));
        let why = sandbox.agentpr(&["why", "a"]).ok().stdout;
        assert!(why.contains(&format!("Its agent is {word}, ")), "{why}");
    }
}

#[test]
fn an_agents_own_words_in_its_pulse_move_no_cursor() {
    let (sandbox, no) = at_work(own());
    let more = json!({
        "doing": "cargo\u{1b}[2J test \u{202e}gnp.exe",
        "usage": { "tokens": { "input": 12_000, "output": 300 } },
    });
    put(&sandbox, no, 0, &json!({ "tool_secs": 40 }), &more);
    let said = said(&sandbox);
    assert!(said.contains("12,300 tokens, doing `cargo\\u{1b}[2J test \\u{202e}gnp.exe`"), "{said}");
    let why = sandbox.agentpr(&["why", "a"]).ok().stdout;
    assert!(!why.contains(['\u{1b}', '\u{202e}']), "{why:?}");
    let text = sandbox.agentpr(&["--json", "show", "a"]).ok().stdout;
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
}

#[test]
fn a_pulse_that_is_no_pulse_is_none() {
    let (sandbox, no) = at_work(own());
    put(&sandbox, no, 0, &json!({}), &json!({}));
    for text in ["", "{\"at\":", "[]", "null"] {
        fs::write(file(&sandbox, "a", no.into()), text).unwrap();
        assert!(sandbox.json(&["show", "a"])["pulse"].is_null(), "{text}");
    }
}

#[test]
fn one_whose_program_is_gone_or_another_is_dead_whatever_its_pulse_says() {
    let other = ProcessRef { start_ticks: own().start_ticks + 1, ..own() };
    let (sandbox, no) = at_work(other);
    let shown = sandbox.json(&["show", "a"]);
    assert_eq!(shown["pulse"]["liveness"], "dead", "the log alone says so: {shown}");
    put(&sandbox, no, 1, &json!({}), &json!({}));
    let shown = sandbox.json(&["show", "a"]);
    assert_eq!(
        (&shown["pulse"]["liveness"], &shown["pulse"]["signs"]["is_running"]),
        (&"dead".into(), &false.into())
    );
    assert!(
        shown["waits_for"].as_str().unwrap().contains("under way"),
        "an engine may be about to say so: {shown}"
    );

    put(&sandbox, no, 60, &json!({}), &json!({}));
    let said = said(&sandbox);
    assert!(said.starts_with("dead, its program is gone, no engine has looked at it for 1 min"), "{said}");
    let shown = sandbox.json(&["show", "a"]);
    assert_eq!(shown["next"][0], "agentpr run-manager-loop --run-id a", "{shown}");
    assert!(shown["waits_for"].as_str().unwrap().starts_with("an engine"), "{shown}");
}

#[test]
fn an_agent_that_runs_on_without_an_engine_is_not_called_dead() {
    let (sandbox, no) = at_work(own());
    put(&sandbox, no, 120, &json!({}), &json!({}));
    let said = said(&sandbox);
    assert!(said.starts_with("quiet, no engine has looked at it for 2 min"), "{said}");
}

/// Looks until something is so, for a minute at most.
fn look(what: &str, is_so: impl Fn() -> bool) {
    let seen = (0..1_200).any(|_| {
        if is_so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
        false
    });
    assert!(seen, "{what}");
}

#[test]
fn a_real_agent_works_until_its_engine_is_killed_and_then_it_is_dead() {
    let sandbox = Sandbox::new();
    let _remote = sandbox.with_remote("o", "r", &[("a.txt", "a\n")]);
    let agent = sandbox.fake_agent("agent.script", "print hello\nsleep 600\n");
    let order = ["submit", "--owner", "o", "--repo", "r", "--task", "t", "--run-id", "a", "--agent", &agent];
    let _run = sandbox.agentpr(&order).ok();
    let engine = sandbox.command(&["run-manager-loop", "--run-id", "a"]).spawn().unwrap();
    let pulse = || sandbox.json(&["show", "a"])["pulse"].clone();
    look("it works", || pulse()["liveness"] == "working");
    let pulse_then = pulse();
    assert!(said(&sandbox).starts_with("working, last byte "), "{pulse_then}");

    let program = Pid::from_raw(i32::try_from(pulse_then["pid"].as_i64().unwrap()).unwrap()).unwrap();
    kill_process(Pid::from_child(&engine), Signal::KILL).unwrap();
    let _killed = finish(engine);
    // Without a wall that ends it with its engine, this stands for a machine that lost both.
    let _gone = kill_process_group(program, Signal::KILL);
    look("it is dead", || pulse()["liveness"] == "dead");
    let path = file(&sandbox, "a", pulse_then["attempt"].as_u64().unwrap());
    let left: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(left["liveness"], "working", "what the engine left behind still says so");
}
