//! Many writers at once: nothing is lost, nothing is there twice, and a refused append spoils no other.

use agentpr::adapters::store::SqliteStore;
use agentpr::domain::event::{Event, PausedByPerson};
use agentpr::domain::id::{EventSeq, RunId, Version};
use agentpr::domain::state::State;
use agentpr::ports::store::{EventStore, StoreError, Upkeep};

use super::{Place, append, life, live, run};

#[test]
fn appends_of_32_threads_are_all_there_and_gapless() {
    let place = Place::new();
    let store = place.create();
    std::thread::scope(|scope| {
        for thread in 0..32 {
            let store = &store;
            scope.spawn(move || live(store, &format!("run-{thread}"), 20));
        }
    });
    assert_eq!(store.last_seq().unwrap(), EventSeq(640));
    for thread in 0..32 {
        let events = store.events_of(&run(&format!("run-{thread}")), Version(0)).unwrap();
        let versions: Vec<u64> = events.iter().map(|recorded| recorded.version.0).collect();
        assert_eq!(versions, (1..=20).collect::<Vec<_>>());
    }
    let report = store.verify().unwrap();
    assert_eq!((report.runs, report.events, report.faults), (32, 640, vec![]));
}

#[test]
fn of_writers_that_race_for_a_version_one_wins() {
    let place = Place::new();
    // Two stores on one file are as two processes.
    let stores = [place.create(), SqliteStore::open(&place.path()).unwrap()];
    let one = live(&stores[0], "one", 2);
    let answers: Vec<Result<_, StoreError>> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..16)
            .map(|racer| {
                let (store, one) = (&stores[racer % 2], &one);
                scope.spawn(move || store.append(&append(one, 2, pause())))
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(
        answers.iter().filter(|answer| matches!(answer, Err(StoreError::Conflict { .. }))).count(),
        15
    );
    assert_eq!(stores[1].last_seq().unwrap(), EventSeq(3));
}

#[test]
fn a_refused_append_spoils_none_that_shares_its_transaction() {
    let place = Place::new();
    let store = place.create();
    // Every second append fails half-way: its second event meets an attempt that is there already.
    let runs: Vec<RunId> = (0..16).map(|index| live(&store, &format!("run-{index}"), 3)).collect();
    std::thread::scope(|scope| {
        for (index, run) in runs.iter().enumerate() {
            let store = &store;
            scope.spawn(move || {
                let events = if index % 2 == 0 { pause() } else { half_wrong() };
                assert_eq!(store.append(&append(run, 3, events)).is_ok(), index % 2 == 0);
            });
        }
    });
    for (index, run) in runs.iter().enumerate() {
        let expected = if index % 2 == 0 { 4 } else { 3 };
        assert_eq!(store.run_row(run).unwrap().unwrap().version, Version(expected));
        assert_eq!(store.events_of(run, Version(0)).unwrap().len(), usize::try_from(expected).unwrap());
    }
    assert_eq!(store.verify().unwrap().faults, Vec::<String>::new());
}

#[test]
fn readers_see_what_was_acknowledged_and_never_a_half() {
    let place = Place::new();
    let store = place.create();
    let one = run("one");
    let events = life::life(&one, 200);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for (index, pair) in events.chunks(2).enumerate() {
                let expected = u64::try_from(index * 2).unwrap();
                store.append(&append(&one, expected, pair.to_vec())).unwrap();
            }
        });
        let other = SqliteStore::open_read_only(&place.path()).unwrap();
        while !writer.is_finished() {
            let seen = other.last_seq().unwrap().0;
            assert_eq!(seen % 2, 0, "both events of an append, or none");
            assert!(other.events_of(&one, Version(0)).unwrap().len() as u64 >= seen);
        }
    });
    assert_eq!(store.last_seq().unwrap(), EventSeq(200));
}

fn pause() -> Vec<(Event, State)> {
    vec![(PausedByPerson {}.into(), State::Paused)]
}

fn half_wrong() -> Vec<(Event, State)> {
    let again = life::started(1, agentpr::domain::evidence::Step::Prepare);
    vec![(PausedByPerson {}.into(), State::Paused), (again, State::Paused)]
}
