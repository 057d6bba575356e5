//! Signals: a call that is interrupted says so by its exit code, and the log stays whole.

use std::io::{BufRead, BufReader};
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Sandbox, sandbox::finish};

use super::with_run;

/// Waits for the first line of a program, then signals it and gives its exit code.
fn interrupt_after_first_line(mut child: Child, signal: Signal) -> Option<i32> {
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    assert!(!first.is_empty(), "it ended before it said anything: {:?}", finish(child));
    kill_process(Pid::from_child(&child), signal).unwrap();
    // What it still says is read, so that it never waits for a reader.
    let _rest = std::io::copy(&mut lines, &mut std::io::sink()).unwrap();
    child.wait().unwrap().code()
}

#[test]
fn following_the_log_ends_with_130_on_ctrl_c() {
    let sandbox = with_run("a");
    let child = sandbox.command(&["events", "--follow"]).spawn().unwrap();
    assert_eq!(interrupt_after_first_line(child, Signal::INT), Some(130));
}

#[test]
fn the_engine_ends_with_130_and_leaves_a_sound_log() {
    let sandbox = Sandbox::new();
    let _remote = sandbox.with_remote("o", "r", &[("a.txt", "a\n")]);
    let order = ["submit", "--owner", "o", "--repo", "r", "--task", "t", "--run-id", "a"];
    let _run = sandbox.agentpr(&[&order[..], &["--agent", "command:sleep 600"]].concat()).ok();
    let child = sandbox.command(&["run-manager-loop", "--run-id", "a"]).spawn().unwrap();
    assert_eq!(interrupt_after_first_line(child, Signal::TERM), Some(130));
    assert_eq!(sandbox.json(&["verify-log"])["ok"], true);
}
