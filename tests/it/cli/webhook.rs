//! The commands around webhooks: what refuses to start, what is shown, what is forgotten.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;

use crate::harness::Sandbox;
use crate::harness::deliveries::{Delivery, SECRET, id, sign};
use crate::harness::receiver::{Receiver, world_with};

#[test]
fn without_a_secret_it_does_not_start_and_says_what_to_type() {
    let sandbox = Sandbox::new();
    let answer = sandbox.agentpr(&["run-github-webhook", "--port", "0"]).code(2);
    assert!(answer.stderr.contains("export AGENTPR_GITHUB_WEBHOOK_SECRET"), "{}", answer.stderr);
    assert!(answer.stderr.contains("--allow-unsigned"), "{}", answer.stderr);
}

#[test]
fn unsigned_deliveries_are_taken_on_a_loopback_address_only_and_loudly() {
    let sandbox = world_with(1);
    let refused = ["run-github-webhook", "--port", "0", "--allow-unsigned", "--host", "0.0.0.0"];
    let answer = sandbox.agentpr(&refused).code(2);
    assert!(answer.stderr.contains("loopback"), "{}", answer.stderr);
    let receiver = Receiver::start_with(&sandbox, &["--allow-unsigned"], &[]);
    assert_eq!(receiver.said["signed"], false);
    let mut delivery = Delivery::suite(1, 0, 0);
    delivery.signature = "none".to_owned();
    assert_eq!(receiver.send(&delivery).status, 200);
    assert_eq!(receiver.end(Signal::TERM), Some(0));
}

#[test]
fn with_a_secret_signatures_are_asked_for_whatever_else_is_allowed() {
    let sandbox = world_with(1);
    let variables = [("AGENTPR_GITHUB_WEBHOOK_SECRET", SECRET)];
    let receiver = Receiver::start_with(&sandbox, &["--allow-unsigned"], &variables);
    assert_eq!(receiver.said["signed"], true);
    let mut delivery = Delivery::suite(1, 0, 0);
    delivery.signature = "none".to_owned();
    assert_eq!(receiver.send(&delivery).status, 401);
}

/// Arguments, variables, and the secrets that are good with them.
type Way<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a [&'a str]);

#[test]
fn the_secret_comes_from_a_flag_a_file_or_a_variable_and_the_one_before_stays_good() {
    let sandbox = world_with(1);
    let file = sandbox.write("secret", "from a file\n");
    let path = file.display().to_string();
    let open = sandbox.agentpr(&["run-github-webhook", "--port", "0", "--secret-file", &path]).code(2);
    assert!(open.stderr.contains("chmod 600"), "{}", open.stderr);
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let both =
        [("AGENTPR_GITHUB_WEBHOOK_SECRET", "now"), ("AGENTPR_GITHUB_WEBHOOK_SECRET_PREVIOUS", "before")];
    let ways: [Way<'_>; 4] = [
        (&["--secret", "from a flag"], &[], &["from a flag"]),
        (&["--secret-file", &path], &both, &["from a file", "before"]),
        (&[], &[("AGENTPR_GITHUB_WEBHOOK_SECRET_FILE", &path)], &["from a file"]),
        (&[], &both, &["now", "before"]),
    ];
    let mut number = 0;
    for (args, variables, good) in ways {
        let receiver = Receiver::start_with(&sandbox, args, variables);
        for secret in ["from a flag", "from a file", "now", "before"] {
            number += 1;
            let mut delivery = Delivery::suite(number, 0, 0);
            delivery.signature = sign(secret, &delivery.body);
            let expected = if good.contains(&secret) { 200 } else { 401 };
            assert_eq!(receiver.send(&delivery).status, expected, "{args:?} {variables:?} {secret}");
        }
    }
}

#[test]
fn a_path_that_is_none_and_a_port_that_is_taken_are_said_in_words() {
    let sandbox = Sandbox::new();
    let start = ["run-github-webhook", "--secret", "s", "--port", "0"];
    for path in ["hook", "/{id}", "/a b", ""] {
        let _refused = sandbox.agentpr(&[&start[..], &["--path", path]].concat()).code(2);
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let answer = sandbox.agentpr(&["run-github-webhook", "--secret", "s", "--port", &port]).code(2);
    assert!(answer.stderr.contains(&port), "{}", answer.stderr);
}

#[test]
fn deliveries_and_hooks_are_listed_and_shown() {
    let sandbox = world_with(1);
    let receiver = Receiver::start(&sandbox);
    let ping = include_str!("../data/github/ping.json").as_bytes().to_vec();
    let ping = Delivery::of(1, "ping", ping);
    let mut replay = Delivery::suite(2, 0, 0);
    assert_eq!(receiver.send(&ping).status, 200);
    assert_eq!(receiver.send(&replay).status, 200);
    replay.id = id(3);
    assert_eq!(receiver.send(&replay).status, 200);
    let status = sandbox.json(&["webhook", "status"]);
    assert_eq!(status["counts"]["processed"], 2, "{status}");
    assert_eq!(status["counts"]["replayed"], 1);
    assert_eq!(status["hooks"][0]["hook_id"], 3);
    let missing = status["hooks"][0]["missing_events"].as_array().unwrap();
    assert!(missing.contains(&"check_suite".into()) && !missing.contains(&"push".into()), "{missing:?}");
    assert_eq!(status["incidents"][0]["kind"], "suspected_replay");
    let people = sandbox.agentpr(&["webhook", "status"]).ok().stdout;
    assert!(people.contains("It does not send: check_suite"), "{people}");
    let listed = sandbox.json(&["webhook", "list", "--status", "processed", "--limit", "1"]);
    assert_eq!(listed["deliveries"].as_array().unwrap().len(), 1);
    assert_eq!(listed["deliveries"][0]["delivery"], id(2));
    let shown = sandbox.json(&["webhook", "show", &id(2), "--body"]);
    assert_eq!(shown["runs"], serde_json::json!(["run-0"]));
    assert!(shown["body"].as_str().unwrap().contains("check_suite"));
    assert!(sandbox.json(&["webhook", "show", &id(2)]).get("body").is_none());
    let _absent = sandbox.agentpr(&["webhook", "show", &id(77)]).code(4);
    let doctor =
        sandbox.agentpr(&["--json", "doctor", "--skip-network-check", "--no-require-gh-auth"]).json();
    let checks = doctor["checks"].as_array().unwrap();
    let row = |name: &str| checks.iter().find(|check| check["name"] == name).cloned().unwrap();
    assert!(row("webhook")["detail"].as_str().unwrap().contains("1 known"), "{doctor}");
    assert!(row("webhook.events.3")["remedy"].as_str().unwrap().contains("add_events[]=check_suite"));
}

#[test]
fn a_settled_delivery_is_not_replayed_and_an_unknown_one_is_not_found() {
    let sandbox = world_with(1);
    let receiver = Receiver::start(&sandbox);
    assert_eq!(receiver.send(&Delivery::suite(1, 0, 0)).status, 200);
    let replayed = sandbox.json(&["webhook", "replay", &id(1)]);
    assert_eq!(replayed["outcome"], "duplicate");
    let _unknown = sandbox.agentpr(&["webhook", "replay", &id(5)]).code(4);
    let _odd = sandbox.agentpr(&["webhook", "replay", "five"]).code(2);
}

#[test]
fn deliveries_are_kept_for_seven_days_at_least() {
    let sandbox = Sandbox::new();
    for days in ["0", "1", "6"] {
        let answer = sandbox.agentpr(&["cleanup-webhook-deliveries", "--keep-days", days]).code(2);
        assert!(answer.stderr.contains("7 days or more"), "{}", answer.stderr);
    }
    let cleaned = sandbox.json(&["cleanup-webhook-deliveries", "--source", "github", "--keep-days", "7"]);
    let expected = serde_json::json!({ "ok": true, "source": "github", "keep_days": 7, "deleted": 0 });
    assert_eq!(cleaned, expected);
    let _other = sandbox.agentpr(&["cleanup-webhook-deliveries", "--source", "elsewhere"]).code(2);
}

#[test]
fn what_never_came_can_only_be_asked_of_hooks_that_are_named_or_known() {
    let sandbox = Sandbox::new();
    let _none = sandbox.agentpr(&["webhook", "reconcile"]).code(4);
    let _unknown = sandbox.agentpr(&["webhook", "reconcile", "--repo", "acme/parser"]).code(4);
}
