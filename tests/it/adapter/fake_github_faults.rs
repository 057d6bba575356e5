//! The fake GitHub's hooks, limits and faults: what it sends, what it loses, and what it notices about its clients.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::github::{FakeGitHub, Reply};

const REPOSITORY: &str = "Owner/Repo";

/// One delivery as it came in: headers with names in lower case, and the raw body.
struct Came {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Came {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }

    /// Event, action and delivery id.
    fn name(&self) -> (String, Value, String) {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        let event = self.header("x-github-event").to_owned();
        (event, body["action"].clone(), self.header("x-github-delivery").to_owned())
    }
}

/// A receiver that answers each delivery with the next of these, and with 200 after them. It ends with the test program.
fn receiver(statuses: &'static [u16]) -> (String, Receiver<Came>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (tx, rx) = channel();
    std::thread::spawn(move || {
        let mut statuses = statuses.iter();
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut input = BufReader::new(socket.try_clone().unwrap());
            let mut came = Came { headers: Vec::new(), body: Vec::new() };
            let mut line = String::new();
            input.read_line(&mut line).unwrap();
            loop {
                line.clear();
                input.read_line(&mut line).unwrap();
                let Some((name, value)) = line.trim_end().split_once(':') else { break };
                came.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            came.body.resize(came.header("content-length").parse().unwrap(), 0);
            input.read_exact(&mut came.body).unwrap();
            let status = statuses.next().unwrap_or(&200);
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            socket.write_all(answer.as_bytes()).unwrap();
            if tx.send(came).is_err() {
                break;
            }
        }
    });
    (url, rx)
}

fn start() -> (FakeGitHub, String) {
    let github = FakeGitHub::start();
    let token = github.user("Owner");
    github.repository(REPOSITORY, &[("a", "1\n")]);
    (github, token)
}

fn deliveries(github: &FakeGitHub, token: &str, hook: u64, more: &str) -> Reply {
    let path = format!("/api/v3/repos/{REPOSITORY}/hooks/{hook}/deliveries{more}");
    github.call("GET", &path, Some(token), None)
}

#[test]
fn a_delivery_is_signed_logged_and_sent_again_under_the_same_id() {
    let (github, token) = start();
    let (url, came) = receiver(&[200, 503]);
    let hook = github.hook(REPOSITORY, &url, "s3cret", &["check_run"]);
    github.check(REPOSITORY, &json!({"sha": "a".repeat(40), "name": "t", "status": "queued"}));
    github.flush();
    let (ping, check) = (came.recv().unwrap(), came.recv().unwrap());
    assert_eq!(ping.name().0, "ping");
    let mut mac = Hmac::<Sha256>::new_from_slice(b"s3cret").unwrap();
    mac.update(&check.body);
    let wanted = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    assert_eq!(check.header("x-hub-signature-256"), wanted);
    assert_eq!(check.header("x-github-hook-id"), hook.to_string());
    let log = deliveries(&github, &token, hook, "?per_page=1");
    let failed = &log.json()[0];
    assert_eq!((&failed["status"], &failed["status_code"]), (&json!("Service Unavailable"), &json!(503)));
    let next = log.header("link").unwrap();
    assert!(next.contains("cursor=v1_") && next.contains("rel=\"next\""), "{next}");
    let query = &next[next.find('?').unwrap()..next.find('>').unwrap()];
    assert_eq!(deliveries(&github, &token, hook, query).json()[0]["event"], "ping");
    let whole = deliveries(&github, &token, hook, &format!("/{}", failed["id"])).json();
    assert_eq!(whole["request"]["payload"], serde_json::from_slice::<Value>(&check.body).unwrap());
    assert!(!whole.to_string().contains("s3cret"));
    let again = format!("/api/v3/repos/{REPOSITORY}/hooks/{hook}/deliveries/{}/attempts", failed["id"]);
    assert_eq!(github.call("POST", &again, Some(&token), None).status, 202);
    github.flush();
    let second = came.recv().unwrap();
    assert_eq!((second.name(), &second.body), (check.name(), &check.body));
    let log = deliveries(&github, &token, hook, "").json();
    assert_eq!((&log[0]["guid"], &log[0]["redelivery"]), (&failed["guid"], &json!(true)));
    assert_ne!(log[0]["id"], failed["id"]);
    assert_eq!(github.call("GET", &again, Some(&github.user("eve")), None).status, 404, "only for admins");
}

#[test]
fn deliveries_can_be_lost_held_doubled_and_turned_round() {
    let (github, token) = start();
    let (url, came) = receiver(&[]);
    github.admin("hooks/drop", &json!({"next": 1}));
    let hook = github.hook(REPOSITORY, &url, "s", &["status"]);
    github.admin("hooks/pause", &json!({}));
    for state in ["pending", "success"] {
        github.act(REPOSITORY, "statuses", &json!({"sha": "b".repeat(40), "state": state, "context": "ci"}));
    }
    assert_eq!(github.state()["queued_deliveries"], 2);
    github.admin("hooks/resume", &json!({"order": "reverse", "copies": 2}));
    github.flush();
    let states: Vec<Value> = came
        .try_iter()
        .map(|one| serde_json::from_slice::<Value>(&one.body).unwrap()["state"].clone())
        .collect();
    assert_eq!(states, ["success", "success", "pending", "pending"]);
    let log = deliveries(&github, &token, hook, "").json();
    let words: Vec<&Value> = log.as_array().unwrap().iter().map(|one| &one["status"]).collect();
    assert_eq!(words, ["OK", "OK", "OK", "OK", "failed to connect to host"]);
}

#[test]
fn the_story_of_a_pull_request_is_told_event_by_event() {
    let (github, token) = start();
    github.push_by_other(REPOSITORY, "work", "owner", ("a", "2\n"));
    let (url, came) = receiver(&[]);
    github.hook(REPOSITORY, &url, "s", &["*"]);
    let pull = json!({"head": "work", "base": "main", "title": "T", "draft": true});
    let made = github.call("POST", &format!("/api/v3/repos/{REPOSITORY}/pulls"), Some(&token), Some(&pull));
    let before = made.json()["head"]["sha"].clone();
    let sha = github.push_by_other(REPOSITORY, "work", "bob", ("b", "1\n"));
    let check = github.check(REPOSITORY, &json!({"sha": sha, "name": "t", "status": "queued"}));
    github.check(REPOSITORY, &json!({"id": check["id"], "conclusion": "success"}));
    github.review(REPOSITORY, 1, "bob", "approved", "");
    github.comment(REPOSITORY, 1, "bob", "thanks");
    github.merge(REPOSITORY, 1);
    github.act(REPOSITORY, "transfer", &json!({"owner": "New"}));
    github.flush();
    let told: Vec<(String, Value, Value)> = came
        .try_iter()
        .map(|one| (one.name().0, one.name().1, serde_json::from_slice(&one.body).unwrap()))
        .collect();
    let names: Vec<String> =
        told.iter().map(|(event, action, _)| format!("{event} {}", action.as_str().unwrap_or("-"))).collect();
    let wanted = "ping -, pull_request opened, push -, pull_request synchronize, check_run created, \
        check_run completed, check_suite completed, pull_request_review submitted, issue_comment created, \
        pull_request ready_for_review, pull_request closed, push -, repository transferred";
    assert_eq!(names.join(", "), wanted);
    assert_eq!((&told[3].2["before"], &told[3].2["after"]), (&before, &json!(sha)));
    assert_eq!(told[5].2["check_run"]["pull_requests"][0]["number"], 1, "a branch of the repository itself");
    assert_eq!(told[7].2["review"]["state"], "approved");
    assert_eq!(told[10].2["pull_request"]["merged"], true);
    assert_eq!(told[12].2["changes"]["owner"]["from"]["user"]["login"], "Owner");
    assert!(
        told.iter().all(|(_, _, body)| body["repository"]["id"].is_u64() && body["sender"]["id"].is_u64())
    );
}

#[test]
fn an_answer_can_be_lost_after_the_effect() {
    let (github, token) = start();
    for branch in ["one", "two", "three", "four"] {
        github.push_by_other(REPOSITORY, branch, "owner", ("a", branch));
    }
    let post = json!("POST");
    github.faults(&json!([
        {"method": post, "path_regex": "/pulls$", "kind": "error_before", "status": 502},
        {"method": post, "path_regex": "/pulls$", "kind": "error_after", "status": 502},
        {"method": post, "path_regex": "/pulls$", "kind": "reset_after"},
        {"method": post, "path_regex": "/pulls$", "kind": "reset_before"},
        {"method": post, "path_regex": "/pulls$", "kind": "hang", "ms": 1, "effect": "first"},
        {"path_regex": "/user$", "kind": "truncate"}, {"path_regex": "/user$", "kind": "truncate", "torn": true},
        {"path_regex": "/user$", "kind": "not_found"}, {"path_regex": "/Repo$", "kind": "redirect"},
    ]));
    let path = format!("/api/v3/repos/{REPOSITORY}/pulls");
    let ask = |head: &str| {
        let body = json!({"head": head, "base": "main", "title": "T"});
        let reply = github.send("POST", &path, Some(&token), &[], Some(&body));
        (reply.ok().map(|reply| reply.status), github.pulls(REPOSITORY).len())
    };
    assert_eq!(ask("one"), (Some(502), 0));
    assert_eq!(ask("one"), (Some(502), 1), "a pull request is left behind");
    assert_eq!(ask("two"), (None, 2));
    assert_eq!(ask("three"), (None, 2));
    assert_eq!(ask("four"), (Some(201), 3));
    let user = |path: &str| github.send("GET", path, Some(&token), &[], None);
    let half = user("/api/v3/user").unwrap();
    assert!(half.status == 200 && !half.body.is_empty() && half.json().is_null());
    assert!(user("/api/v3/user").is_err(), "the connection breaks inside the body");
    assert_eq!(user("/api/v3/user").unwrap().status, 404);
    assert_eq!(user("/api/v3/repos/Owner/Repo").unwrap().status, 301);
    assert_eq!(github.state()["faults_struck"], json!([1, 1, 1, 1, 1, 1, 1, 1, 1]));
}

#[test]
fn what_has_not_changed_is_not_sent_again_and_costs_nothing() {
    let (github, token) = start();
    let path = format!("/api/v3/repos/{REPOSITORY}");
    let first = github.call("GET", &path, Some(&token), None);
    let tag = first.header("etag").unwrap();
    let again = || github.send("GET", &path, Some(&token), &[("if-none-match", tag)], None).unwrap();
    let same = again();
    assert_eq!((same.status, same.body.len()), (304, 0));
    assert_eq!(same.header("x-ratelimit-remaining"), first.header("x-ratelimit-remaining"));
    github.act(REPOSITORY, "archive", &json!({}));
    assert_eq!(again().status, 200);
}

#[test]
fn requests_that_come_before_a_limit_ends_are_counted() {
    let (github, token) = start();
    github.admin("clock", &json!({"now_ms": 1_800_000_000_000_i64}));
    let user = || github.call("GET", "/api/v3/user", Some(&token), None);
    let at = |now_ms: i64| github.admin("clock", &json!({"now_ms": now_ms}));
    github.faults(&json!([{"kind": "rate_secondary", "retry_after": 7, "status": 429}]));
    let told = user();
    assert_eq!((told.status, told.header("retry-after")), (429, Some("7")));
    at(1_800_000_006_999);
    let early = user();
    assert_eq!((early.status, early.header("retry-after")), (429, Some("1")));
    assert_eq!(github.state()["early"], 1);
    at(1_800_000_007_000);
    assert_eq!(user().status, 200);
    github.faults(&json!([{"kind": "rate_primary", "reset_in": 30}]));
    let told = user();
    assert_eq!((told.status, told.header("x-ratelimit-remaining")), (403, Some("0")));
    assert_eq!(told.header("x-ratelimit-reset"), Some("1800000037"));
    assert_eq!(github.call("GET", "/api/v3/rate_limit", Some(&token), None).status, 200, "this may be asked");
    let query = json!({"query": "{ p0: repository(owner: $o0) }", "variables": {}});
    let other = github.call("POST", "/api/graphql", Some(&token), Some(&query));
    assert!(other.json()["data"].is_object(), "the other allowance is untouched");
    at(1_800_000_036_000);
    assert_eq!((user().status, github.state()["early"].clone()), (403, json!(2)));
    at(1_800_000_037_000);
    assert_eq!((user().status, github.state()["early"].clone()), (200, json!(2)));
    // An allowance that is used up tells so in the last good answer.
    github.admin("limits", &json!({"token": token, "remaining": 1, "reset_in": 60}));
    assert_eq!(user().header("x-ratelimit-remaining"), Some("0"));
    at(1_800_000_038_000);
    assert_eq!((user().status, github.state()["early"].clone()), (403, json!(3)));
}

#[test]
fn the_log_names_requests_and_never_a_token() {
    let (github, token) = start();
    let label = format!("/api/v3/repos/{REPOSITORY}/issues/1/labels");
    github.call("GET", "/api/v3/user?x=1", Some(&token), None);
    github.call("POST", &label, Some(&token), Some(&json!({"labels": []})));
    github.call("POST", &label, Some(&token), Some(&json!({"labels": []})));
    let log = github.requests();
    let first = &log[0];
    assert_eq!((&first["path"], &first["status"]), (&json!("/api/v3/user?x=1"), &json!(200)));
    assert_eq!((&first["authorization"], &first["token"]), (&json!("bearer"), &log[1]["token"]));
    let state = github.state();
    assert!(!format!("{log:?}{state}").contains(&token));
    let gap = &state["shortest_write_gap_ms"][first["token"].as_str().unwrap()];
    assert!(gap.as_u64().unwrap() < 1_000, "{gap}");
    github.call("DELETE", "/_fake/requests", None, None);
    assert!(github.requests().is_empty());
}
