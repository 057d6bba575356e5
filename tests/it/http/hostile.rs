//! The receiver as a real program, met by clients that mean harm, beside those that do not.

#![expect(clippy::print_stdout, reason = "what was measured is said")]

use std::time::{Duration, Instant};

use agentpr::adapters::store::SqliteStore;
use agentpr::ports::store::Upkeep;
use rustix::process::Signal;

use crate::harness::Sandbox;
use crate::harness::deliveries::{Client, Delivery, PATH, head, suite};
use crate::harness::receiver::{Receiver, world_with};

/// What a receiver may come to need beside what it needs anyway, in KiB.
const MOST_GROWTH: u64 = 40 * 1024;

/// A receiver that has answered some deliveries already, and the most memory it ever had.
fn warm(sandbox: &Sandbox) -> (Receiver, u64) {
    let receiver = Receiver::start(sandbox);
    let mut client = receiver.client();
    for number in 0..200 {
        let reply = client.send(&Delivery::suite(1_000_000 + number, 0, 10_240).request()).unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    let memory = receiver.most_memory();
    (receiver, memory)
}

#[test]
fn a_body_of_nearly_25_mib_is_answered_and_one_of_more_is_refused_before_it_is_read() {
    let sandbox = world_with(1);
    let (receiver, before) = warm(&sandbox);
    let large = Delivery::suite(1, 0, 24_900_000);
    let begun = Instant::now();
    let reply = receiver.send(&large);
    println!("{} bytes were answered after {:?}", large.body.len(), begun.elapsed());
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.json()["processed"], 1);
    // Only its head is sent.
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nx-github-event: push\r\nx-github-delivery: {}\r\ncontent-length: {}\r\n\r\n",
        large.id,
        26 * 1024 * 1024
    );
    assert_eq!(receiver.client().send(head.as_bytes()).unwrap().status, 413);
    assert_eq!(receiver.send(&Delivery::suite(2, 0, 0)).status, 200);
    let grown = receiver.most_memory() - before;
    println!("memory grew by {grown} KiB");
    assert!(grown < MOST_GROWTH, "{grown} KiB");
}

#[test]
fn f16_f17_slow_and_half_sent_requests_hold_up_nobody_and_cost_little() {
    let sandbox = world_with(1);
    let (receiver, before) = warm(&sandbox);
    let slow: Vec<Client> = (0..200)
        .map(|_| {
            let mut client = receiver.client();
            client.say(b"POST /github/webhook HTTP/1.1\r\nhost: x\r\nx-a: ").unwrap();
            client
        })
        .collect();
    let half = Delivery::suite(7_777, 0, 10_240).request();
    let half_sent: Vec<Client> = (0..300)
        .map(|_| {
            let mut client = receiver.client();
            client.say(&half[..half.len() / 2]).unwrap();
            client
        })
        .collect();
    let mut longest = Duration::ZERO;
    for number in 0..50 {
        let begun = Instant::now();
        let reply = receiver.send(&Delivery::suite(number, 0, 10_240));
        longest = longest.max(begun.elapsed());
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    println!("the slowest of 50 deliveries beside 500 bad clients took {longest:?}");
    drop((slow, half_sent));
    let grown = receiver.most_memory() - before;
    println!("memory grew by {grown} KiB");
    assert!(grown < MOST_GROWTH, "{grown} KiB");
    assert_eq!(receiver.end(Signal::TERM), Some(0));
}

#[test]
fn f16_lengths_that_are_none_are_refused_and_nothing_is_read_for_them() {
    let sandbox = world_with(1);
    let receiver = Receiver::start(&sandbox);
    for length in ["-1", "+5", "0x10", "ten", "99999999999999999999999", "5, 6"] {
        let request = format!(
            "POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        let mut client = receiver.client();
        let reply = client.send(request.as_bytes()).unwrap();
        assert!([400, 413].contains(&reply.status), "{length}: {reply:?}");
    }
    assert_eq!(receiver.send(&Delivery::suite(1, 0, 0)).status, 200);
}

#[test]
fn f14_odd_bodies_and_signatures_are_answered_and_the_program_goes_on() {
    let sandbox = world_with(1);
    let receiver = Receiver::start(&sandbox);
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000)).into_bytes();
    for (number, body) in (1..).zip([deep, b"\xff\xff".to_vec(), b"[]".to_vec(), b"".to_vec()]) {
        assert_eq!(receiver.send(&Delivery::of(number, "check_suite", body)).status, 400);
    }
    let request = Delivery::suite(9, 0, 0).request();
    let at = request.windows(7).position(|window| window == b"sha256=").unwrap();
    let mut odd = request.clone();
    odd[at + 10] = 0xe9;
    assert_eq!(receiver.client().send(&odd).unwrap().status, 401);
    assert_eq!(receiver.client().send(&request).unwrap().status, 200);
}

#[test]
fn f13_a_restart_between_two_tries_makes_no_difference() {
    let sandbox = world_with(1);
    let receiver = Receiver::start(&sandbox);
    let (first, second) = (Delivery::suite(1, 0, 0), Delivery::suite(2, 0, 0));
    assert_eq!(receiver.send(&first).json()["processed"], 1);
    assert_eq!(receiver.end(Signal::TERM), Some(0));
    let receiver = Receiver::start(&sandbox);
    let again = receiver.send(&first);
    assert_eq!(again.json()["duplicate_delivery"], true);
    assert!(!again.head.contains("connection: close"), "{again:?}");
    assert_eq!(receiver.send(&second).json()["processed"], 1);
    assert_eq!(receiver.end(Signal::INT), Some(130));
    assert!(SqliteStore::open(&sandbox.db()).unwrap().verify().unwrap().faults.is_empty());
}

#[test]
fn what_waited_is_applied_when_a_person_links_the_pull_request() {
    let sandbox = Sandbox::new();
    let store = SqliteStore::open(&sandbox.db()).unwrap();
    let run = crate::harness::deliveries::publish(&store, 0, false);
    drop(store);
    let receiver = Receiver::start(&sandbox);
    // It is found by its pull request only: the commit is another's.
    let mut body = suite(1, &"f".repeat(40), "success", 0);
    let pull = serde_json::json!({
        "id": 70,
        "number": 7,
        "head": { "ref": "agentpr/other", "sha": "f".repeat(40), "repo": { "id": 4242 } },
        "base": { "ref": "main", "sha": head(1), "repo": { "id": 4242 } },
    });
    body["check_suite"]["pull_requests"] = serde_json::json!([pull]);
    let early = Delivery::of(1, "check_suite", body.to_string().into_bytes());
    assert_eq!(receiver.send(&early).json()["status"], "waiting");
    let _linked = sandbox.agentpr(&["link-pr", "--run-id", run.as_str(), "--pr-number", "7"]).ok();
    let shown = sandbox.json(&["webhook", "show", &early.id]);
    assert_eq!(shown["status"], "processed", "{shown}");
}
