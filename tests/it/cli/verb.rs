//! Verbs that read the log again: what they print is what was recorded.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::harness::Sandbox;

use super::with_run;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A run that was begun, paused and resumed: four events.
fn with_history() -> Sandbox {
    let sandbox = with_run("a");
    for args in [&["start-discovery", "--run-id", "a"][..], &["pause", "a"], &["resume", "a"]] {
        let _done = sandbox.agentpr(args).ok();
    }
    sandbox
}

#[test]
fn events_are_printed_in_order_and_from_a_place() {
    let sandbox = with_history();
    let all = lines(&sandbox.agentpr(&["events", "a", "--json"]).ok().stdout);
    let types: Vec<&str> = all.iter().map(|event| event["event_type"].as_str().unwrap()).collect();
    let expected = ["command.run.create", "command.start.discovery", "command.pause", "command.resume"];
    assert_eq!(types, expected);
    let after = all[1]["seq"].to_string();
    let rest = lines(&sandbox.agentpr(&["events", "--after", &after, "--json"]).ok().stdout);
    assert_eq!(rest, all[2..]);
}

#[test]
fn an_export_is_the_log_and_its_file_is_private_and_never_replaced() {
    let sandbox = with_history();
    let printed = sandbox.agentpr(&["export"]).ok().stdout;
    let to = sandbox.path().join("log.jsonl");
    let args = ["export", "--output", &to.display().to_string()];
    let _written = sandbox.agentpr(&args).ok();
    assert_eq!(std::fs::read_to_string(&to).unwrap(), printed);
    assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    let _refused = sandbox.agentpr(&args).code(2);
    for event in lines(&printed) {
        for field in
            ["seq", "run_id", "version", "event_type", "schema", "created_at", "actor", "cause", "payload"]
        {
            assert!(event.get(field).is_some(), "{field}: {event}");
        }
        assert_eq!(event["actor"], "cli:tester");
        assert_eq!(event["hash"].as_str().map(str::len), Some(64), "{event}");
    }
    let last = lines(&printed).pop().unwrap();
    let shown = sandbox.json(&["show", last["run_id"].as_str().unwrap()]);
    assert_eq!(shown["digest"], last["hash"], "the digest of a run is that of its last event");
}

#[test]
fn a_replay_shows_the_run_as_it_was() {
    let sandbox = with_history();
    let events = lines(&sandbox.agentpr(&["export"]).ok().stdout);
    for event in &events {
        let (seq, at) = (event["seq"].to_string(), event["created_at"].as_str().unwrap());
        let by_seq = sandbox.json(&["replay", "--run-id", "a", "--to", &seq]);
        assert_eq!(by_seq["state"], event["state"], "{event}");
        assert_eq!(by_seq["version"], event["version"], "{event}");
        let by_time = sandbox.json(&["replay", "--run-id", "a", "--to", at]);
        assert!(by_time["version"].as_u64() >= event["version"].as_u64(), "{event}");
    }
    let (then, now) = (sandbox.json(&["replay", "--run-id", "a"]), sandbox.json(&["show", "a"]));
    assert_eq!(then, now, "the end of the log is the present");
}

#[test]
fn why_tells_each_move_with_its_actor_and_what_is_waited_for() {
    let sandbox = with_history();
    let _steered = sandbox.agentpr(&["--actor", "grace", "cancel", "a", "--reason", "not now"]).ok();
    let told = sandbox.json(&["why", "a"]);
    let moves: Vec<(&str, &str, &str)> = told["moves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| {
            let text = |field: &str| step[field].as_str().unwrap();
            (text("to"), text("actor"), text("message"))
        })
        .collect();
    assert_eq!(moves[1], ("DISCOVERY", "cli:tester", "discovery began"));
    assert_eq!(moves[4], ("FAILED_TERMINAL", "cli:grace", "not now"));
    let text = sandbox.agentpr(&["why", "a"]).ok().stdout;
    assert!(text.contains("waits for nothing"), "{text}");
}

#[test]
fn people_hear_where_a_run_stands_and_what_to_type_next() {
    let sandbox = with_history();
    let shown = sandbox.agentpr(&["show", "a"]).ok().stdout;
    assert!(shown.contains("DISCOVERY") && shown.contains("agentpr run-prepare --run-id a"), "{shown}");
    let said = sandbox.agentpr(&["pause", "a"]).ok().stdout;
    assert!(
        said.contains("run a is PAUSED (phase PAUSED)") && said.contains("next: agentpr resume a"),
        "{said}"
    );
}

#[test]
fn a_contract_is_recorded_with_the_digest_of_its_bytes() {
    let sandbox = with_run("a");
    let _begun = sandbox.agentpr(&["start-discovery", "--run-id", "a"]).ok();
    let plan = sandbox.write("PLAN.md", "plan\n").display().to_string();
    let _ready = sandbox.agentpr(&["mark-plan-ready", "--run-id", "a", "--contract-path", &plan]).ok();
    let contract = sandbox.json(&["show", "a"])["contract"].clone();
    assert_eq!(contract["path"], plan);
    // printf 'plan\n' | sha256sum
    assert_eq!(contract["sha256"], "1b4025dc7b8d27cf38df85e77b20ed44a00851a2c28b338560560d85deded8e3");
}

#[test]
fn upkeep_says_that_the_log_is_sound_and_copies_it() {
    let sandbox = with_history();
    assert_eq!(sandbox.json(&["verify-log"])["events"], 4);
    assert_eq!(sandbox.json(&["rebuild-projections"])["differences"], serde_json::json!([]));
    let copy = sandbox.path().join("copy.db").display().to_string();
    let _copied = sandbox.agentpr(&["backup", &copy]).ok();
    let _refused = sandbox.agentpr(&["backup", &copy]).code(2);
    assert_eq!(sandbox.json(&["--db", &copy, "show", "a"])["state"], "DISCOVERY");
}

#[test]
fn the_doctor_looks_at_what_is_required_also_before_there_is_a_store() {
    let sandbox = Sandbox::empty();
    let report =
        sandbox.agentpr(&["--json", "doctor", "--skip-network-check", "--require-telegram-token"]).code(7);
    let report = report.json();
    let failures = report["failures"].to_string();
    assert!(failures.contains("env.AGENTPR_TELEGRAM_BOT_TOKEN") && failures.contains("store"), "{report}");
    assert!(!sandbox.db().exists());
    let _made = sandbox.agentpr(&["init-db"]).ok();
    let report = sandbox.json(&["doctor"]);
    assert_eq!(report["ok"], true);
    assert!(report["warnings"].to_string().contains("network"), "{report}");
}
