//! Deliveries: kept with what follows from them or not at all, and known again under their name.

use agentpr::adapters::store::SqliteStore;
use agentpr::domain::event::{Event, PausedByPerson};
use agentpr::domain::evidence::Step;
use agentpr::domain::forge::delivery::{Address, DeliveryId, DeliveryOrigin, DeliveryStatus};
use agentpr::domain::id::{EventSeq, IdempotencyKey, RunId, Version};
use agentpr::domain::state::State;
use agentpr::domain::time::Timestamp;
use agentpr::ports::inbox::{DeliveryQuery, DeliveryRow, Inbox, Taken};
use agentpr::ports::store::{Append, EventStore, Fence, StoreError, Upkeep};

use super::address::{Known, WIDGET, at_pull, publish};
use super::story::{Store, every_store};
use super::{Place, append, life, live, run};

pub(super) const DAY: i64 = 86_400_000;

/// When the made-up deliveries come in.
pub(super) const NOON: Timestamp = Timestamp(1_700_000_000_000);

pub(super) fn id(n: u64) -> DeliveryId {
    DeliveryId::new(&format!("72d3162e-cc78-11e3-81ab-{n:012x}")).unwrap()
}

/// A delivery that was processed, with bytes of its own.
pub(super) fn delivery(n: u64) -> DeliveryRow {
    DeliveryRow {
        source: "github".to_owned(),
        id: id(n),
        origin: DeliveryOrigin::Webhook,
        event: "check_run".to_owned(),
        hook: Some(77),
        digest: life::digest(u32::try_from(n).unwrap()),
        body: Some(format!("{{\"n\":{n}}}").into_bytes()),
        received_at: Timestamp(NOON.0 + i64::try_from(n).unwrap()),
        status: DeliveryStatus::Processed,
        detail: String::new(),
        addresses: vec![],
        runs: vec![],
        tries: 1,
        next_at: None,
    }
}

pub(super) fn failed(n: u64, next_at: i64) -> DeliveryRow {
    let next_at = Some(Timestamp(next_at));
    let detail = "the disk is full".to_owned();
    DeliveryRow { status: DeliveryStatus::Failed, next_at, detail, ..delivery(n) }
}

fn pause() -> Vec<(Event, State)> {
    vec![(PausedByPerson {}.into(), State::Paused)]
}

fn seqs(taken: &Taken) -> Vec<u64> {
    match taken {
        Taken::Recorded(recorded) => recorded.iter().map(|recorded| recorded.seq.0).collect(),
        Taken::Duplicate | Taken::OtherBody => panic!("{taken:?}"),
    }
}

pub(super) fn count(store: &dyn Store, status: DeliveryStatus) -> u64 {
    let counts = store.counts("github").unwrap();
    counts.iter().find(|(counted, _)| *counted == status).unwrap().1
}

pub(super) fn waiting(n: u64, addresses: Vec<Address>) -> DeliveryRow {
    DeliveryRow { status: DeliveryStatus::Waiting, addresses, ..delivery(n) }
}

pub(super) fn listed(store: &dyn Store, query: &DeliveryQuery) -> Vec<DeliveryId> {
    store.deliveries(query).unwrap().into_iter().map(|row| row.id).collect()
}

#[test]
fn a_delivery_is_kept_with_the_events_that_follow_from_it() {
    every_store(|store| {
        let (one, two) = (live(store, "one", 3), live(store, "two", 2));
        let mut row = delivery(1);
        row.runs = vec![one.clone(), two.clone()];
        let taken = store.take(&row, &[append(&one, 3, pause()), append(&two, 2, pause())]).unwrap();
        assert_eq!(seqs(&taken), [6, 7]);
        let found = store.delivery("github", &row.id).unwrap().unwrap();
        assert_eq!(found, DeliveryRow { body: None, ..row.clone() }, "bytes are only for those who ask");
        assert_eq!(store.body("github", &row.id).unwrap(), row.body);
        assert_eq!(store.delivery("gitlab", &row.id).unwrap(), None, "names are one sender's");
        assert_eq!(store.delivery("github", &id(2)).unwrap(), None);
        assert_eq!(store.body("github", &id(2)).unwrap(), None);
        assert_eq!(store.run_row(&two).unwrap().unwrap().state, State::Paused);
        assert_eq!(store.verify().unwrap().faults, Vec::<String>::new());
    });
}

#[test]
fn appends_of_one_delivery_may_follow_each_other() {
    every_store(|store| {
        let one = run("one");
        let appends = [
            append(&one, 0, life::life(&one, 2)),
            append(&one, 2, life::life(&one, 3).split_off(2)),
            append(&one, 3, pause()),
        ];
        assert_eq!(seqs(&store.take(&delivery(1), &appends).unwrap()), [1, 2, 3, 4]);
        assert_eq!(store.run_row(&one).unwrap().unwrap().version, Version(4));
        assert_eq!(store.verify().unwrap().faults, Vec::<String>::new());
    });
}

#[test]
fn a_refused_append_keeps_neither_the_delivery_nor_what_came_before_it() {
    every_store(|store| {
        let (one, two) = (live(store, "one", 3), live(store, "two", 3));
        let key = Some(IdempotencyKey::new("delivery-1").unwrap());
        let keyed = |append: Append| Append { key: key.clone(), ..append };
        let good = || append(&one, 3, pause());
        let refused = |appends: &[Append]| {
            let refusal = store.take(&delivery(1), appends).unwrap_err();
            assert_eq!(store.last_seq().unwrap(), EventSeq(6), "{refusal}");
            assert_eq!(store.run_row(&one).unwrap().unwrap().version, Version(3));
            assert_eq!(store.delivery("github", &id(1)).unwrap(), None);
            refusal
        };
        let conflict = refused(&[good(), append(&two, 2, pause())]);
        assert!(matches!(conflict, StoreError::Conflict { run, actual: Version(3), .. } if run == two));
        let conflict = refused(&[good(), append(&one, 3, pause())]);
        assert!(matches!(conflict, StoreError::Conflict { actual: Version(4), .. }));
        let fenced = refused(&[good(), Append { fence: Some(Fence(1)), ..append(&two, 3, pause()) }]);
        assert!(matches!(fenced, StoreError::Fenced { .. }));
        let taken = refused(&[keyed(good()), keyed(append(&one, 4, pause()))]);
        assert!(matches!(taken, StoreError::KeyTaken { .. }));
        let unborn = refused(&[good(), append(&run("three"), 0, pause())]);
        assert!(matches!(unborn, StoreError::Unfoldable(_)), "{unborn}");

        store.append(&keyed(good())).unwrap();
        let taken = store.take(&delivery(1), &[keyed(append(&one, 4, pause()))]).unwrap_err();
        assert!(matches!(taken, StoreError::KeyTaken { .. }));
        assert_eq!(store.delivery("github", &id(1)).unwrap(), None);
        assert_eq!(seqs(&store.take(&delivery(1), &[append(&two, 3, pause())]).unwrap()), [8]);
        assert_eq!(store.verify().unwrap().faults, Vec::<String>::new());
    });
}

#[test]
fn a_write_that_fails_in_the_middle_takes_back_the_whole_delivery() {
    let place = Place::new();
    let store = place.create();
    let (one, two) = (live(&store, "one", 3), live(&store, "two", 3));
    // Its second event meets an attempt that began already.
    let again = (life::started(1, Step::Prepare), State::Paused);
    let half_wrong = append(&two, 3, [pause(), vec![again]].concat());
    assert!(store.take(&delivery(1), &[append(&one, 3, pause()), half_wrong]).is_err());
    assert_eq!(store.delivery("github", &id(1)).unwrap(), None);
    assert_eq!(store.last_seq().unwrap(), EventSeq(6));
    let good = [append(&one, 3, pause()), append(&two, 3, pause())];
    assert_eq!(seqs(&store.take(&delivery(1), &good).unwrap()), [7, 8]);
    assert_eq!(store.verify().unwrap().faults, Vec::<String>::new());
}

#[test]
fn a_delivery_that_cannot_be_kept_appends_nothing() {
    let place = Place::new();
    let store = place.create();
    let one = live(&store, "one", 3);
    place
        .raw()
        .execute_batch(
            "CREATE TRIGGER full BEFORE INSERT ON deliveries BEGIN SELECT RAISE(ABORT, 'no room'); END",
        )
        .unwrap();
    assert!(store.take(&delivery(1), &[append(&one, 3, pause())]).is_err());
    assert_eq!(store.last_seq().unwrap(), EventSeq(3));
    place.raw().execute_batch("DROP TRIGGER full").unwrap();
    assert_eq!(seqs(&store.take(&delivery(1), &[append(&one, 3, pause())]).unwrap()), [4]);
}

#[test]
fn a_settled_delivery_that_comes_again_is_a_duplicate_and_changes_nothing() {
    every_store(|store| {
        let one = live(store, "one", 3);
        let settled = [DeliveryStatus::Processed, DeliveryStatus::Ignored, DeliveryStatus::Replayed];
        for (n, status) in (1..).zip(settled) {
            let row = DeliveryRow { status, ..delivery(n) };
            store.take(&row, &[]).unwrap();
            let again = DeliveryRow { tries: 9, status: DeliveryStatus::Failed, ..row.clone() };
            assert_eq!(store.take(&again, &[append(&one, 3, pause())]).unwrap(), Taken::Duplicate);
            let made_again =
                DeliveryRow { origin: DeliveryOrigin::Reconciled, digest: life::digest(99), ..row.clone() };
            assert_eq!(store.take(&made_again, &[]).unwrap(), Taken::Duplicate);
            let found = store.delivery("github", &row.id).unwrap().unwrap();
            assert_eq!(found, DeliveryRow { body: None, ..row });
        }
        assert_eq!(store.last_seq().unwrap(), EventSeq(3));
        let elsewhere = DeliveryRow { source: "gitlab".to_owned(), ..delivery(1) };
        assert_eq!(store.take(&elsewhere, &[]).unwrap(), Taken::Recorded(vec![]));
    });
}

#[test]
fn a_known_name_with_other_bytes_is_told_whatever_became_of_it() {
    every_store(|store| {
        let one = live(store, "one", 3);
        for (n, status) in (1..).zip(DeliveryStatus::ALL) {
            let row = DeliveryRow { status, ..delivery(n) };
            store.take(&row, &[]).unwrap();
            let other = DeliveryRow { digest: life::digest(99), ..delivery(n) };
            assert_eq!(store.take(&other, &[append(&one, 3, pause())]).unwrap(), Taken::OtherBody);
            let found = store.delivery("github", &row.id).unwrap().unwrap();
            assert_eq!((found.status, found.digest), (status, row.digest));
        }
        assert_eq!(store.last_seq().unwrap(), EventSeq(3));
    });
}

#[test]
fn a_delivery_whose_work_is_not_done_is_worked_on_again() {
    every_store(|store| {
        let one = live(store, "one", 3);
        let unsettled = [DeliveryStatus::Failed, DeliveryStatus::Waiting, DeliveryStatus::Dead];
        for (n, status) in (1..).zip(unsettled) {
            let first = DeliveryRow { status, detail: "not yet".to_owned(), ..delivery(n) };
            store.take(&first, &[]).unwrap();
            let later = Timestamp(NOON.0 + DAY);
            let second = DeliveryRow { received_at: later, tries: 4, runs: vec![one.clone()], ..delivery(n) };
            let taken = store.take(&second, &[append(&one, 2 + n, pause_or_resume(n))]).unwrap();
            assert_eq!(seqs(&taken), [3 + n]);
            let expected = DeliveryRow { received_at: first.received_at, body: None, ..second.clone() };
            assert_eq!(store.delivery("github", &first.id).unwrap(), Some(expected), "first heard of then");
            assert_eq!(store.take(&second, &[]).unwrap(), Taken::Duplicate);
        }
        assert_eq!(listed(store, &DeliveryQuery::default()).len(), 3);
    });
}

/// Something that may follow, in turns.
fn pause_or_resume(n: u64) -> Vec<(Event, State)> {
    if n % 2 == 1 {
        return pause();
    }
    let target_state = State::Discovery;
    vec![(agentpr::domain::event::Resumed { target_state }.into(), State::Discovery)]
}

#[test]
fn a_failed_delivery_may_be_replaced_by_what_the_forges_list_shows_of_it() {
    every_store(|store| {
        store.take(&failed(1, 5), &[]).unwrap();
        let made_again = DeliveryRow {
            origin: DeliveryOrigin::Reconciled,
            digest: life::digest(99),
            body: Some(b"made again".to_vec()),
            ..delivery(1)
        };
        assert_eq!(store.take(&made_again, &[]).unwrap(), Taken::Recorded(vec![]));
        assert_eq!(store.body("github", &id(1)).unwrap(), Some(b"made again".to_vec()));
        let found = store.delivery("github", &id(1)).unwrap().unwrap();
        assert_eq!((found.origin, found.digest), (DeliveryOrigin::Reconciled, life::digest(99)));
        assert_eq!(store.take(&delivery(1), &[]).unwrap(), Taken::Duplicate, "as sent, it is no other body");
    });
}

#[test]
fn bytes_stay_for_another_try_and_go_with_a_delivery_that_concerns_nothing() {
    every_store(|store| {
        store.take(&failed(1, 5), &[]).unwrap();
        store.take(&DeliveryRow { body: None, tries: 2, ..failed(1, 9) }, &[]).unwrap();
        assert_eq!(store.body("github", &id(1)).unwrap(), delivery(1).body);
        let ignored = DeliveryRow { status: DeliveryStatus::Ignored, body: None, ..delivery(1) };
        store.take(&ignored, &[]).unwrap();
        assert_eq!(store.body("github", &id(1)).unwrap(), None);
        let large: Vec<u8> = (0..=255).cycle().take(1_000_000).collect();
        store.take(&DeliveryRow { body: Some(large.clone()), ..delivery(2) }, &[]).unwrap();
        assert_eq!(store.body("github", &id(2)).unwrap(), Some(large));
    });
}

#[test]
fn takes_and_appends_of_32_threads_are_all_there() {
    let place = Place::new();
    let store = place.create();
    let runs: Vec<RunId> = (0..32).map(|n| live(&store, &format!("run-{n}"), 3)).collect();
    std::thread::scope(|scope| {
        for (thread, run) in (0..).zip(&runs) {
            let store = &store;
            scope.spawn(move || {
                for round in 0..20 {
                    let append = append(run, 3 + round, pause_or_resume(round + 1));
                    if (thread + round) % 2 == 0 {
                        store.append(&append).unwrap();
                        continue;
                    }
                    let row = DeliveryRow { runs: vec![run.clone()], ..delivery(thread * 100 + round) };
                    assert_eq!(seqs(&store.take(&row, std::slice::from_ref(&append)).unwrap()).len(), 1);
                    assert_eq!(store.take(&row, &[append]).unwrap(), Taken::Duplicate);
                    assert!(store.delivery("github", &row.id).unwrap().is_some());
                }
            });
        }
    });
    assert_eq!(store.last_seq().unwrap(), EventSeq(32 * 23));
    assert_eq!(count(&store, DeliveryStatus::Processed), 320);
    let report = store.verify().unwrap();
    assert_eq!((report.runs, report.events, report.faults), (32, 32 * 23, vec![]));
}

#[test]
fn a_delivery_that_breaks_spoils_none_that_shares_its_transaction() {
    let place = Place::new();
    let store = place.create();
    let pairs: Vec<[RunId; 2]> =
        (0..16).map(|n| [live(&store, &format!("a-{n}"), 3), live(&store, &format!("b-{n}"), 3)]).collect();
    std::thread::scope(|scope| {
        for (n, [one, two]) in (0..).zip(&pairs) {
            let store = &store;
            scope.spawn(move || {
                let again = (life::started(1, Step::Prepare), State::Paused);
                let broken = append(two, 3, [pause(), vec![again]].concat());
                let good = append(two, 3, pause());
                for round in 0..10 {
                    let tried = store.take(&delivery(n), &[append(one, 3, pause()), broken.clone()]);
                    assert!(tried.is_err(), "{round}");
                }
                let taken = store.take(&delivery(n), &[append(one, 3, pause()), good]).unwrap();
                assert_eq!(seqs(&taken).len(), 2);
            });
        }
    });
    assert_eq!(store.last_seq().unwrap(), EventSeq(32 * 4));
    assert_eq!(count(&store, DeliveryStatus::Processed), 16);
    assert_eq!(store.verify().unwrap().faults, Vec::<String>::new());
}

#[test]
fn of_processes_that_take_one_delivery_at_once_one_records_it() {
    let place = Place::new();
    let stores = [place.create(), SqliteStore::open(&place.path()).unwrap()];
    let one = live(&stores[0], "one", 3);
    let answers: Vec<Taken> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..16)
            .map(|racer| {
                let (store, one) = (&stores[racer % 2], &one);
                scope.spawn(move || store.take(&delivery(1), &[append(one, 3, pause())]).unwrap())
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Taken::Recorded(_))).count(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == Taken::Duplicate).count(), 15);
    for store in &stores {
        assert_eq!(store.delivery("github", &id(1)).unwrap().unwrap().status, DeliveryStatus::Processed);
        assert_eq!(store.last_seq().unwrap(), EventSeq(4));
    }
    let shown = SqliteStore::open_read_only(&place.path()).unwrap();
    assert_eq!(shown.body("github", &id(1)).unwrap(), delivery(1).body);
    assert!(matches!(shown.take(&delivery(2), &[]), Err(StoreError::Unavailable { .. })));
}

#[test]
fn a_rebuild_leaves_the_inbox_as_it_is() {
    every_store(|store| {
        let one = publish(store, "one", Known { pr: None, ..WIDGET });
        store.take(&waiting(1, vec![at_pull("acme/widget", Some(5), 7)]), &[]).unwrap();
        store
            .take(&DeliveryRow { runs: vec![one.clone()], ..delivery(2) }, &[append(&one, 16, pause())])
            .unwrap();
        let before = store.deliveries(&DeliveryQuery::default()).unwrap();
        assert_eq!(store.rebuild().unwrap().differences, Vec::<String>::new());
        assert_eq!(store.deliveries(&DeliveryQuery::default()).unwrap(), before);
    });
}
