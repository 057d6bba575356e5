//! What every store promises, told to each of them.

use agentpr::adapters::store::MemoryStore;
use agentpr::domain::event::{ArtifactRegistered, DiscoveryStarted, PausedByPerson};
use agentpr::domain::evidence::{AttemptOutcome, Step};
use agentpr::domain::id::{AttemptNo, EventSeq, IdempotencyKey, Version};
use agentpr::domain::state::State;
use agentpr::ports::inbox::Inbox;
use agentpr::ports::ledger::Ledger;
use agentpr::ports::store::{EventStore, Fence, Lease, LeaseOwner, RunQuery, StoreError, Upkeep};

use super::{Place, append, life, live, moment, owner, run};

/// Tells a story to every store.
pub(super) fn every_store(story: impl Fn(&dyn Store)) {
    story(&MemoryStore::new());
    let place = Place::new();
    story(&place.create());
}

/// What every store is.
pub(super) trait Store: EventStore + Upkeep + Ledger + Inbox {}
impl<T: EventStore + Upkeep + Ledger + Inbox> Store for T {}

fn discovery() -> Vec<(agentpr::domain::event::Event, State)> {
    vec![(DiscoveryStarted {}.into(), State::Discovery)]
}

#[test]
fn what_is_appended_is_read_back_in_order() {
    every_store(|store| {
        let one = run("one");
        let mut first = append(&one, 0, life::life(&one, 3));
        first.key = Some(IdempotencyKey::new("delivery-1").unwrap());
        first.cause = Some(EventSeq(7));
        let appended = store.append(&first).unwrap();
        let two = run("two");
        store.append(&append(&two, 0, life::life(&two, 1))).unwrap();
        let later = store.append(&append(&one, 3, vec![(PausedByPerson {}.into(), State::Paused)])).unwrap();

        let seqs: Vec<u64> = appended.iter().map(|recorded| recorded.seq.0).collect();
        assert_eq!(seqs, [1, 2, 3]);
        assert_eq!(later[0].seq, EventSeq(5));
        assert_eq!(later[0].version, Version(4));
        assert_eq!(appended[0].key, first.key);
        assert_eq!(appended[1].key, None, "the key stays with the first event");
        assert!(appended.iter().all(|recorded| recorded.cause == Some(EventSeq(7))));
        let all: Vec<_> = appended.iter().chain(&later).cloned().collect();
        assert_eq!(store.events_of(&one, Version(0)).unwrap(), all);
        assert_eq!(store.events_of(&one, Version(3)).unwrap(), later);
        assert_eq!(store.events_after(EventSeq(1), 2).unwrap(), all[1..3]);
        assert_eq!(store.last_seq().unwrap(), EventSeq(5));
        assert_eq!(
            store.event_with_key(&one, first.key.as_ref().unwrap()).unwrap().as_ref(),
            Some(&appended[0])
        );
        assert_eq!(store.event_with_key(&two, first.key.as_ref().unwrap()).unwrap(), None);
    });
}

#[test]
fn an_append_at_another_version_is_a_conflict() {
    every_store(|store| {
        let one = live(store, "one", 2);
        for wrong in [0, 1, 3] {
            let refused = store.append(&append(&one, wrong, discovery())).unwrap_err();
            assert!(matches!(&refused, StoreError::Conflict { run, expected, actual }
                if *run == one && expected.0 == wrong && actual.0 == 2));
        }
        let refused = store.append(&append(&run("new"), 1, discovery())).unwrap_err();
        assert!(matches!(refused, StoreError::Conflict { actual: Version(0), .. }));
        assert_eq!(store.last_seq().unwrap(), EventSeq(2));
    });
}

#[test]
fn a_key_is_used_once_in_a_run() {
    every_store(|store| {
        let one = live(store, "one", 1);
        let two = live(store, "two", 1);
        let key = Some(IdempotencyKey::new("delivery-1").unwrap());
        let mut keyed = append(&one, 1, discovery());
        keyed.key.clone_from(&key);
        store.append(&keyed).unwrap();
        let refused = store.append(&keyed).unwrap_err();
        assert!(
            matches!(refused, StoreError::KeyTaken { .. }),
            "the repeated occurrence is told as such: {refused}"
        );
        let mut elsewhere = append(&two, 1, discovery());
        elsewhere.key = key;
        store.append(&elsewhere).unwrap();
    });
}

#[test]
fn a_run_begins_with_its_creation() {
    every_store(|store| {
        let refused = store.append(&append(&run("one"), 0, discovery())).unwrap_err();
        assert!(matches!(refused, StoreError::Unfoldable(_)), "{refused}");
        assert_eq!(store.last_seq().unwrap(), EventSeq(0));
        assert_eq!(store.events_of(&run("one"), Version(0)).unwrap(), []);
    });
}

#[test]
fn rows_say_what_the_events_say() {
    every_store(|store| {
        let one = live(store, "one", 24);
        let row = store.run_row(&one).unwrap().unwrap();
        assert_eq!((row.state, row.reason.as_str()), (State::LocalValidating, "validation_started"));
        assert_eq!(row.version, Version(24));
        assert_eq!(row.title, "Round half to even in the price column");
        let attempts = store.attempts_of(&one).unwrap();
        assert_eq!(attempts.iter().map(|attempt| attempt.no.0).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert_eq!(attempts[0].step, Step::Prepare);
        assert_eq!(attempts[3].outcome, Some(AttemptOutcome::Succeeded));
        assert_eq!(attempts[4].no, AttemptNo(5));
        let artifacts = store.artifacts_of(&one).unwrap();
        assert_eq!(artifacts.len(), 1);
        assert_eq!(artifacts[0].kind, "contract");
        assert_eq!(store.verify().unwrap().faults, Vec::<String>::new());
    });
}

#[test]
fn one_append_may_hold_a_whole_attempt_and_many_artifacts() {
    every_store(|store| {
        let one = live(store, "one", 2);
        let artifact = |n| {
            let path = format!("run/{n}.md");
            ArtifactRegistered { kind: "prompt".to_owned(), path, sha256: life::digest(n), bytes: 10 }.into()
        };
        let events = vec![
            (life::started(1, Step::Prepare), State::Discovery),
            (life::ended(1, Step::Prepare, AttemptOutcome::Failed), State::Discovery),
            (artifact(1), State::Discovery),
            (artifact(2), State::Discovery),
        ];
        store.append(&append(&one, 2, events)).unwrap();
        assert_eq!(store.attempts_of(&one).unwrap()[0].outcome, Some(AttemptOutcome::Failed));
        let uris: Vec<String> = store.artifacts_of(&one).unwrap().into_iter().map(|row| row.uri).collect();
        assert_eq!(uris, ["run/1.md", "run/2.md"]);
        assert_eq!(store.verify().unwrap().faults, Vec::<String>::new());
    });
}

#[test]
fn lists_are_newest_update_first() {
    every_store(|store| {
        for name in ["a", "b", "c", "d"] {
            live(store, name, 1);
        }
        store.append(&append(&run("b"), 1, discovery())).unwrap();
        let names = |query: &RunQuery| -> Vec<String> {
            store.run_rows(query).unwrap().into_iter().map(|row| row.run.to_string()).collect()
        };
        assert_eq!(names(&RunQuery::default()), ["b", "d", "c", "a"]);
        assert_eq!(names(&RunQuery { states: vec![], limit: Some(2) }), ["b", "d"]);
        assert_eq!(names(&RunQuery { states: vec![State::Queued], limit: Some(2) }), ["d", "c"]);
        let both = vec![State::Discovery, State::Queued, State::Queued];
        assert_eq!(names(&RunQuery { states: both, limit: None }), ["b", "d", "c", "a"]);
        assert_eq!(names(&RunQuery { states: vec![State::Done], limit: None }), Vec::<String>::new());
        assert_eq!(store.run_row(&run("none")).unwrap(), None);
    });
}

#[test]
fn the_mark_moves_with_every_append_and_with_nothing_else() {
    every_store(|store| {
        let empty = store.change_mark().unwrap();
        let one = live(store, "one", 1);
        let mark = store.change_mark().unwrap();
        assert_ne!(mark, empty);
        store.take_lease(&one, &owner("engine"), &moment(0)).unwrap();
        assert!(store.append(&append(&one, 0, discovery())).is_err());
        assert_eq!(store.change_mark().unwrap(), mark);
    });
}

#[test]
fn a_stale_lease_appends_nothing() {
    every_store(|store| {
        let one = live(store, "one", 1);
        let mut fenced = append(&one, 1, discovery());
        fenced.fence = Some(Fence(1));
        assert!(matches!(store.append(&fenced), Err(StoreError::Fenced { .. })), "nobody has taken a lease");
        let first = store.take_lease(&one, &owner("first"), &moment(0)).unwrap();
        let second = store.take_lease(&one, &owner("second"), &moment(30)).unwrap();
        assert!(second.generation > first.generation);
        fenced.fence = Some(first.fence());
        assert!(matches!(store.append(&fenced), Err(StoreError::Fenced { .. })));
        fenced.fence = Some(second.fence());
        store.append(&fenced).unwrap();
    });
}

#[test]
fn a_lease_is_held_until_its_heartbeat_is_old() {
    every_store(|store| {
        let one = run("one");
        let take = |name: &str, second| store.take_lease(&one, &owner(name), &moment(second));
        let first = take("first", 0).unwrap();
        let refused = take("second", 29).unwrap_err();
        assert!(
            matches!(&refused, StoreError::LeaseHeld { owner, .. } if owner.contains("`first`")),
            "{refused}"
        );
        assert_eq!(take("first", 29).unwrap(), first, "a renewal keeps the generation");
        assert!(take("second", 58).is_err(), "the heartbeat of the renewal counts");
        assert_eq!(take("second", 59).unwrap().generation, first.generation + 1);
    });
}

#[test]
fn a_wall_clock_set_back_keeps_no_lease_alive() {
    every_store(|store| {
        let one = run("one");
        store.take_lease(&one, &owner("first"), &moment(1_000)).unwrap();
        let mut now = moment(1_030);
        now.wall = moment(0).wall;
        store.take_lease(&one, &owner("second"), &now).unwrap();
    });
}

#[test]
fn a_lease_given_back_is_free_and_its_generation_never_returns() {
    every_store(|store| {
        let one = run("one");
        let first = store.take_lease(&one, &owner("first"), &moment(0)).unwrap();
        store.release_lease(&first).unwrap();
        store.release_lease(&first).unwrap();
        let second = store.take_lease(&one, &owner("first"), &moment(1)).unwrap();
        assert_eq!(second.generation, first.generation + 1);
        store.release_lease(&first).unwrap();
        assert!(
            store.take_lease(&one, &owner("other"), &moment(2)).is_err(),
            "an old lease gives nothing back"
        );
    });
}

#[test]
fn a_lease_of_a_process_that_is_gone_is_taken_over_at_once() {
    every_store(|store| {
        let here = owner("engine");
        let take = |name: &str, holder: &LeaseOwner| -> Result<Lease, StoreError> {
            let one = run(name);
            store.take_lease(&one, holder, &moment(0)).unwrap();
            store.take_lease(&one, &here, &moment(1))
        };
        let other_start = LeaseOwner { start_ticks: here.start_ticks + 1, ..here.clone() };
        assert_eq!(take("reused-pid", &other_start).unwrap().generation, 2);
        // Pid numbers end at 2^22 on Linux.
        let no_process = LeaseOwner { pid: 1 << 23, ..here.clone() };
        assert_eq!(take("no-process", &no_process).unwrap().generation, 2);
        let other_boot = LeaseOwner { boot: "an-earlier-boot".to_owned(), ..here.clone() };
        assert_eq!(take("other-boot", &other_boot).unwrap().generation, 2);
        let other_host = LeaseOwner { host: "elsewhere".to_owned(), pid: 1 << 23, ..here.clone() };
        assert!(take("other-host", &other_host).is_err(), "of another machine nothing is known");
        let other_engine = LeaseOwner { name: "second".to_owned(), ..here.clone() };
        assert!(take("same-process", &other_engine).is_err());
    });
}

#[test]
fn a_rebuild_of_right_rows_finds_nothing_to_tell() {
    every_store(|store| {
        live(store, "one", 40);
        let two = live(store, "two", 9);
        let before = (store.run_rows(&RunQuery::default()).unwrap(), store.attempts_of(&two).unwrap());
        let report = store.rebuild().unwrap();
        assert_eq!((report.runs, report.events, report.differences), (2, 49, vec![]));
        assert_eq!((store.run_rows(&RunQuery::default()).unwrap(), store.attempts_of(&two).unwrap()), before);
    });
}
