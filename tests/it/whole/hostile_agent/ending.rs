//! Agents that do not end, or end in a way that is not to be believed.

use super::super::Scene;
use super::{Stage, size};

const WORK: &str = "write answer.txt 42\n";

#[test]
fn a_hanging_agent_is_ended_at_its_time_limit() {
    let stage = Stage::start();
    stage.in_each_mode("sleep 600\n", "--max-attempt-secs 2", |told, _| {
        told.is("FAILED_RETRYABLE", "runtime_timeout");
        assert_eq!(told.agent()["outcome"], "timed_out");
    });
    stage.goes_on();
}

#[test]
fn an_agent_that_ignores_term_is_killed_with_everything_it_started() {
    let stage = Stage::start();
    let script = "ignore-term\nfork-sleep 600\nfork-session 600\nsleep 600\n";
    stage.in_each_mode(script, "--max-attempt-secs 1", |told, _| {
        told.is("FAILED_RETRYABLE", "runtime_timeout");
    });
    stage.goes_on();
}

#[test]
fn what_an_agent_leaves_behind_does_not_outlive_it() {
    let stage = Stage::start();
    let script = format!("{WORK}fork-sleep 600\nfork-session 600\ndouble-fork 600\n");
    stage.in_each_mode(&script, "", |told, _| told.is("NEEDS_HUMAN_REVIEW", "ready_for_review"));
    stage.goes_on();
}

#[test]
fn one_endless_line_costs_the_engine_no_memory() {
    let stage = Stage::start();
    let script = format!("{WORK}flood {}\n", size("AGENTPR_HOSTILE_FLOOD", 200_000_000));
    stage.in_each_mode(&script, "", |told, _| {
        told.is("NEEDS_HUMAN_REVIEW", "ready_for_review");
        assert_eq!(told.agent()["evidence"]["log"]["truncated"], true);
    });
    stage.goes_on();
}

#[test]
fn a_heap_of_files_is_taken_as_it_is_and_is_over_the_diff_budget() {
    let scene = Scene::new();
    scene.sandbox.write("home/.config/agentpr/config.toml", "[policy]\nmax_files = 1000\n");
    let stage = Stage::over(scene);
    let script = format!("{WORK}files {} 100\n", size("AGENTPR_HOSTILE_FILES", 10_000));
    stage.in_each_mode(&script, "", |told, _| {
        told.is("NEEDS_HUMAN_REVIEW", "policy_findings");
    });
    stage.goes_on();
}

#[test]
fn too_many_processes_are_ended() {
    let stage = Stage::start();
    let script = "fork-many 200 600\nsleep 600\n";
    stage.in_each_mode(script, r#"--budget-json '{"processes":32}'"#, |told, _| {
        told.is("NEEDS_HUMAN_REVIEW", "process_limit");
        assert_eq!(told.agent()["evidence"]["limit"], "processes");
    });
    stage.goes_on();
}

#[test]
fn an_agent_that_eats_memory_is_ended() {
    let stage = Stage::start();
    stage.in_each_mode("hog 400\nsleep 600\n", r#"--budget-json '{"memory_mib":200}'"#, |told, _| {
        told.is("NEEDS_HUMAN_REVIEW", "memory_limit");
    });
    stage.goes_on();
}

#[test]
fn an_agent_that_fills_the_disk_is_ended() {
    let stage = Stage::start();
    let script = "files 64 1000000\nsleep 600\n";
    stage.in_each_mode(script, r#"--budget-json '{"disk_mib":16}'"#, |told, _| {
        told.is("NEEDS_HUMAN_REVIEW", "disk_limit");
    });
    stage.goes_on();
}

#[test]
fn a_silent_agent_is_ended() {
    let stage = Stage::start();
    stage.in_each_mode("print begun\nsleep 600\n", r#"--budget-json '{"silence_secs":2}'"#, |told, _| {
        told.is("FAILED_RETRYABLE", "worker_inactive");
    });
    stage.goes_on();
}

#[test]
fn success_without_work_is_no_success() {
    let stage = Stage::start();
    stage.in_each_mode("print all done, every test passes\n", "", |told, _| {
        told.is("NEEDS_HUMAN_REVIEW", "no_change");
        assert_eq!(told.of("change.captured").len(), 0);
    });
    stage.goes_on();
}

#[test]
fn good_work_of_an_agent_that_failed_is_not_taken() {
    let stage = Stage::start();
    stage.in_each_mode(&format!("{WORK}exit 1\n"), "", |told, _| {
        told.is("FAILED_RETRYABLE", "runtime_unknown_failure");
        assert_eq!(told.of("change.captured").len(), 0);
    });
    stage.goes_on();
}
