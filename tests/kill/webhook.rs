//! The receiver of webhooks, ended again and again while deliveries come in on many connections.
//!
//! What was answered with success must be in the log afterwards, once; what was not is sent again under its name, as a person or the
//! reconciler would, and must come to rest too. `AGENTPR_WEBHOOK_ROUNDS` says how often the process is ended (6 unless set).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use agentpr::adapters::store::SqliteStore;
use agentpr::domain::event::{CheckRecorded, Event};
use agentpr::domain::forge::delivery::{DeliveryId, DeliveryStatus};
use agentpr::domain::id::EventSeq;
use agentpr::ports::inbox::Inbox;
use agentpr::ports::store::{EventStore, Upkeep};
use rustix::process::Signal;

use crate::deliveries::{Delivery, SECRET};
use crate::receiver::{Receiver, world_with};
use crate::sandbox::Sandbox;
use crate::{Chance, number};

/// The points of the receiver; the story of runs passes none of them.
pub(crate) const POINTS: [&str; 2] = ["before_delivery", "after_delivery"];

/// Runs the deliveries are about; each takes in a thousand suites at most.
const RUNS: u32 = 100;

/// Bytes of a delivery.
const SIZE: usize = 4_096;

#[test]
fn a_delivery_that_was_answered_is_in_the_log_however_its_receiver_ended() {
    let rounds: u32 = number("AGENTPR_WEBHOOK_ROUNDS").unwrap_or(6);
    let seed = number("AGENTPR_KILL_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("AGENTPR_KILL_SEED={seed}");
    let mut chance = Chance(seed | 1);
    let sandbox = world_with(RUNS);
    let load = Load::default();
    for round in 0..rounds {
        let connections = if round % 2 == 0 { 8 } else { 32 };
        let signal = if round % 4 < 2 { Signal::KILL } else { Signal::TERM };
        let receiver = Receiver::start(&sandbox);
        let address = receiver.address;
        let code = std::thread::scope(|scope| {
            for _ in 0..connections {
                scope.spawn(|| load.send_until_the_end(address));
            }
            // The moment is the chance's: there is no fact to wait for.
            std::thread::sleep(Duration::from_micros(30_000 + chance.below(600_000)));
            receiver.end(signal)
        });
        assert_eq!(code, (signal == Signal::TERM).then_some(0), "round {round}");
        load.audit(&sandbox);
    }
    let receiver = Receiver::start(&sandbox);
    let mut client = receiver.client();
    while let Some((number, delivery)) = load.take_waiting() {
        let reply = client.send(&delivery.request()).unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
        load.lock().answered.insert(number, delivery);
    }
    assert_eq!(receiver.end(Signal::TERM), Some(0));
    load.audit(&sandbox);
    let load = load.lock();
    println!("{rounds} ends, {} deliveries answered, {} of them sent again", load.answered.len(), load.again);
}

#[test]
fn a_death_around_the_commit_of_a_delivery_loses_nothing_and_repeats_nothing() {
    let sandbox = world_with(1);
    let load = Load::default();
    let mut number = 0;
    for point in POINTS {
        for nth in 1..=3 {
            let at = format!("{point}#{nth}");
            let variables = [("AGENTPR_GITHUB_WEBHOOK_SECRET", SECRET), ("AGENTPR_CRASH_AT", &at)];
            let receiver = Receiver::start_with(&sandbox, &[], &variables);
            let died = loop {
                number += 1;
                let delivery = Delivery::suite(number, 0, SIZE);
                match receiver.client().send(&delivery.request()) {
                    Ok(reply) => {
                        assert_eq!(reply.status, 200, "{reply:?}");
                        load.lock().answered.insert(number, delivery);
                    }
                    Err(_) => break delivery,
                }
                assert!(number < 100, "it did not die at `{at}`");
            };
            drop(receiver);
            let receiver = Receiver::start(&sandbox);
            let reply = receiver.send(&died);
            assert_eq!(reply.status, 200, "{reply:?}");
            let was_committed = point == "after_delivery";
            assert_eq!(reply.json()["duplicate_delivery"] == true, was_committed, "{at}: {reply:?}");
            load.lock().answered.insert(number, died);
            assert_eq!(receiver.end(Signal::TERM), Some(0));
            load.audit(&sandbox);
        }
    }
}

/// What was sent.
#[derive(Default)]
struct Load(Mutex<Sent>);

#[derive(Default)]
struct Sent {
    /// The newest delivery's number, which is its suite's too.
    number: u64,
    /// Those that were answered with success.
    answered: BTreeMap<u64, Delivery>,
    /// Those that were not.
    waiting: VecDeque<(u64, Delivery)>,
    /// How many were sent again.
    again: u64,
}

impl Load {
    fn lock(&self) -> MutexGuard<'_, Sent> {
        self.0.lock().unwrap()
    }

    fn take_waiting(&self) -> Option<(u64, Delivery)> {
        let mut sent = self.lock();
        let waiting = sent.waiting.pop_front()?;
        sent.again += 1;
        Some(waiting)
    }

    fn next(&self) -> (u64, Delivery) {
        if let Some(waiting) = self.take_waiting() {
            return waiting;
        }
        let mut sent = self.lock();
        sent.number += 1;
        let number = sent.number;
        drop(sent);
        let run = u32::try_from(number % u64::from(RUNS)).unwrap();
        (number, Delivery::suite(number, run, SIZE))
    }

    /// Sends on one connection until it ends.
    fn send_until_the_end(&self, address: std::net::SocketAddr) {
        let Ok(mut client) = crate::deliveries::Client::connect(address) else { return };
        loop {
            let (number, delivery) = self.next();
            match client.send(&delivery.request()) {
                Ok(reply) => {
                    assert_eq!(reply.status, 200, "{reply:?}");
                    self.lock().answered.insert(number, delivery);
                    if reply.head.contains("connection: close") {
                        return;
                    }
                }
                Err(_) => {
                    self.lock().waiting.push_back((number, delivery));
                    return;
                }
            }
        }
    }

    /// Every delivery that was answered is settled and has its event; no suite has two; the log is sound.
    fn audit(&self, sandbox: &Sandbox) {
        let store = SqliteStore::open(&sandbox.db()).unwrap();
        let report = store.verify().unwrap();
        assert!(report.faults.is_empty(), "{:#?}", report.faults);
        let mut suites: BTreeMap<u64, u32> = BTreeMap::new();
        for recorded in store.events_after(EventSeq(0), usize::MAX >> 1).unwrap() {
            if let Event::CheckRecorded(CheckRecorded { check: Some(check), .. }) = recorded.event {
                *suites.entry(check.suite.unwrap()).or_default() += 1;
            }
        }
        let twice: Vec<_> = suites.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "applied more than once: {twice:?}");
        for (number, delivery) in &self.lock().answered {
            let id = DeliveryId::new(&delivery.id).unwrap();
            let row = store.delivery("github", &id).unwrap();
            let status = row.map(|row| row.status);
            assert_eq!(status, Some(DeliveryStatus::Processed), "delivery {number} was answered");
            assert!(suites.contains_key(number), "delivery {number} was answered and its event is not there");
        }
    }
}
