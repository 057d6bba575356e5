//! How an agent step by hand ends: one append with everything that follows, as seed 004 orders it, and a report of it.

use serde_json::Value;

use crate::harness::Sandbox;

use super::step::{implementing, implementing_with, step};

/// The run's events after a version.
fn events(sandbox: &Sandbox) -> Vec<Value> {
    let said = sandbox.agentpr(&["--json", "events", "a"]).ok().stdout;
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What was appended together with the last end of a step, by name: one append has one time and one cause.
fn appended_with(events: &[Value], step: &str) -> Vec<String> {
    let end = events
        .iter()
        .rposition(|event| event["event_type"] == "attempt.ended" && event["payload"]["step"] == step);
    let end = end.unwrap();
    let same =
        |event: &&Value| event["at_ms"] == events[end]["at_ms"] && event["cause"] == events[end]["cause"];
    let together: Vec<&Value> = events[end..].iter().take_while(same).collect();
    for (at, event) in together.iter().enumerate() {
        assert_eq!(event["version"].as_u64(), together[0]["version"].as_u64().map(|first| first + at as u64));
    }
    together.iter().map(|event| event["event_type"].as_str().unwrap().to_owned()).collect()
}

fn last<'a>(events: &'a [Value], name: &str) -> &'a Value {
    &events.iter().rfind(|event| event["event_type"] == name).unwrap()["payload"]
}

/// The report of the last judged attempt.
fn report(sandbox: &Sandbox, events: &[Value]) -> Value {
    let path = events.iter().rfind(|event| event["payload"]["kind"] == "agent_runtime_report").unwrap();
    let path = sandbox.path().join("data/artifacts").join(path["payload"]["path"].as_str().unwrap());
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_failed_preflight_brings_the_run_to_a_person_in_one_append() {
    let sandbox = implementing();
    let _step = step(&sandbox, "write answer.txt 42\n", &["--codex-sandbox", "read-only"]).code(7);
    let events = events(&sandbox);
    let failed = last(&events, "worker.step.failed");
    assert_eq!((&failed["step"], &failed["reason_code"]), (&"preflight".into(), &"preflight_failed".into()));
    assert_eq!(last(&events, "verdict.rendered")["verdict"]["reason_code"], "preflight_hard_failure");
    let at = events.iter().position(|event| event["event_type"] == "verdict.rendered").unwrap();
    assert_eq!(events[at + 1]["event_type"], "worker.step.failed");
    assert_eq!(events[at]["at_ms"], events[at + 1]["at_ms"]);
    assert_eq!(sandbox.state("a"), "NEEDS_HUMAN_REVIEW");
    assert!(!events.iter().any(|event| event["payload"]["step"] == "agent"), "no agent began");
}

#[test]
fn a_failed_agent_converges_by_what_it_said_in_one_append() {
    for (script, reason, grade, state) in [
        (
            "err error: permission denied\nexit 1\n",
            "runtime_hard_failure",
            "HUMAN_REVIEW",
            "NEEDS_HUMAN_REVIEW",
        ),
        (
            "err error: connection reset by peer\nexit 1\n",
            "runtime_transient_failure",
            "RETRYABLE",
            "FAILED_RETRYABLE",
        ),
        ("print nothing to say\nexit 1\n", "runtime_unknown_failure", "RETRYABLE", "FAILED_RETRYABLE"),
    ] {
        let sandbox = implementing();
        let said = step(&sandbox, script, &[]).code(1).json();
        assert_eq!(
            (&said["ok"], &said["exit_code"], &said["state"]),
            (&false.into(), &1.into(), &state.into())
        );
        let verdict = &said["classification"];
        assert_eq!((&verdict["reason_code"], &verdict["grade"]), (&reason.into(), &grade.into()));
        let events = events(&sandbox);
        assert_eq!(
            appended_with(&events, "agent"),
            ["attempt.ended", "verdict.rendered", "worker.step.failed"]
        );
    }
}

#[test]
fn fault_44_tests_that_only_the_agent_saw_prove_nothing() {
    let sandbox = implementing_with(&[]);
    let said = step(
        &sandbox,
        "write answer.txt 42\nprint /bin/bash -lc 'pytest'\n",
        &["--success-state", "LOCAL_VALIDATING"],
    );
    let said = said.code(1).json();
    assert_eq!(said["classification"]["reason_code"], "missing_test_evidence", "{said}");
    assert_eq!(said["state"], "NEEDS_HUMAN_REVIEW");
    let events = events(&sandbox);
    let together = appended_with(&events, "checks");
    assert_eq!(together, ["attempt.ended", "checks.finished", "verdict.rendered", "review.requested"]);
}

#[test]
fn a_pass_leads_where_it_was_told_to_in_one_append() {
    let judged = ["attempt.ended", "checks.finished", "verdict.rendered"];
    for (more, state, moved) in [
        (&[][..], "IMPLEMENTING", None),
        (
            &["--success-state", "LOCAL_VALIDATING"],
            "LOCAL_VALIDATING",
            Some("command.local.validation.passed"),
        ),
        (
            &["--success-state", "NEEDS_HUMAN_REVIEW", "--skip-preflight"],
            "NEEDS_HUMAN_REVIEW",
            Some("review.requested"),
        ),
    ] {
        let sandbox = implementing();
        let said = step(&sandbox, "write answer.txt 42\n", more).ok().json();
        assert_eq!(
            (&said["state"], &said["classification"]["reason_code"]),
            (&state.into(), &"runtime_success".into())
        );
        let events = events(&sandbox);
        let expected: Vec<&str> = judged.into_iter().chain(moved).collect();
        assert_eq!(appended_with(&events, "checks"), expected);
        assert_eq!(appended_with(&events, "agent"), ["attempt.ended", "change.captured"]);
        let looked = events.iter().any(|event| event["payload"]["kind"] == "preflight_report");
        assert_eq!(looked, !more.contains(&"--skip-preflight"));
    }
}

#[test]
fn the_runtime_report_has_the_fields_of_the_seed() {
    let sandbox = implementing();
    let script =
        "print /bin/bash -lc 'pytest -q'\nprint /bin/bash -lc 'git commit -m x'\nwrite answer.txt 42\n";
    let _step = step(&sandbox, script, &["--success-state", "LOCAL_VALIDATING"]).ok();
    let report = report(&sandbox, &events(&sandbox));
    for field in [
        "/run_id",
        "/created_at",
        "/engine",
        "/result/exit_code",
        "/result/duration_ms",
        "/runtime/policy",
        "/signals/commands_sample",
        "/signals/test_commands",
        "/signals/git_commands",
        "/safety/violations",
        "/safety/violation_count",
        "/classification/grade",
        "/classification/reason_code",
        "/classification/next_action",
    ] {
        assert!(report.pointer(field).is_some_and(|value| !value.is_null()), "{field} in {report:#}");
    }
    assert_eq!(report["engine"], "command");
    assert_eq!(report["signals"]["test_commands"], serde_json::json!(["pytest -q"]));
}

#[test]
fn fault_48_new_files_and_commits_of_the_agent_count_in_the_diff_budget() {
    let sandbox = implementing_with(&["--check", "sh check.sh"]);
    let lines = "x\\n".repeat(500);
    let script = format!(
        "write answer.txt 42\nwrite long.txt {lines}\nsh git add -A; git -c user.name=a -c user.email=a@b commit -qm mine\n"
    );
    let said = step(&sandbox, &script, &[]).ok().json();
    assert_eq!(said["change"]["stat"]["files"], 2, "{said}");
    assert!(said["change"]["stat"]["insertions"].as_u64().unwrap() > 500, "{said}");
}

#[test]
fn fault_46_a_forbidden_program_stops_the_run_and_a_word_does_not() {
    let sandbox = implementing();
    let said =
        step(&sandbox, "print /bin/bash -lc 'rg \"sudo \" docs'\nwrite answer.txt 42\n", &[]).ok().json();
    assert_eq!(said["classification"]["reason_code"], "runtime_success");
    let said =
        step(&sandbox, "print /bin/bash -lc 'sudo make install'\nwrite more.txt 1\n", &[]).code(1).json();
    assert_eq!(
        (&said["classification"]["reason_code"], &said["state"]),
        (&"safety_violation".into(), &"NEEDS_HUMAN_REVIEW".into())
    );
}

#[test]
fn fault_47_a_word_in_a_file_the_agent_read_is_no_trouble_of_its_own() {
    let sandbox = implementing();
    // On one stream: two pipes have no order between them.
    let script =
        "err docs: 403 forbidden means that the token is wrong\nerr error: connection timed out\nexit 1\n";
    let said = step(&sandbox, script, &[]).code(1).json();
    assert_eq!(said["classification"]["reason_code"], "runtime_transient_failure", "{said}");
}
