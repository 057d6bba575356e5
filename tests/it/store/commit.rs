//! Group commit as such: everybody gets the own answer, and nobody waits for ever.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use agentpr::adapters::store::sqlite::commit::Group;

#[test]
fn each_caller_gets_the_answer_to_its_own_request() {
    let group: Group<usize, usize> = Group::new(4);
    let performed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for caller in 0..16 {
            let (group, performed) = (&group, &performed);
            scope.spawn(move || {
                for round in 0..200 {
                    let request = caller * 1_000 + round;
                    let answer = group.submit(request, |requests| {
                        assert!((1..=4).contains(&requests.len()));
                        performed.fetch_add(requests.len(), Ordering::Relaxed);
                        requests.into_iter().map(|request| request + 1).collect()
                    });
                    assert_eq!(answer, Some(request + 1));
                }
            });
        }
    });
    assert_eq!(performed.load(Ordering::Relaxed), 3_200);
}

#[test]
fn requests_that_come_while_one_is_performed_are_performed_together() {
    let group: Group<usize, usize> = Group::new(100);
    let (began, go_on) = (Barrier::new(2), Barrier::new(2));
    let largest = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let perform = |requests: Vec<usize>| {
            largest.fetch_max(requests.len(), Ordering::Relaxed);
            requests
        };
        scope.spawn(|| {
            group.submit(0, |requests| {
                began.wait();
                go_on.wait();
                requests
            })
        });
        began.wait();
        let waiting: Vec<_> = (1..=8)
            .map(|request| {
                let group = &group;
                scope.spawn(move || group.submit(request, perform))
            })
            .collect();
        // The leader goes on only when all eight are queued.
        while group.waiting() < 8 {
            std::thread::yield_now();
        }
        go_on.wait();
        let answers: Vec<_> = waiting.into_iter().map(|caller| caller.join().unwrap()).collect();
        assert_eq!(answers, (1..=8).map(Some).collect::<Vec<_>>());
    });
    assert_eq!(largest.load(Ordering::Relaxed), 8);
}

#[test]
fn a_leader_that_panics_leaves_nobody_hanging() {
    let group: Group<usize, usize> = Group::new(100);
    let (began, go_on) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        let leader = scope.spawn(|| {
            group.submit(0, |_| {
                began.wait();
                go_on.wait();
                panic!("a leader that breaks, on purpose")
            })
        });
        began.wait();
        let follower = scope.spawn(|| group.submit(1, |requests| requests));
        while group.waiting() < 1 {
            std::thread::yield_now();
        }
        go_on.wait();
        assert!(leader.join().is_err());
        assert_eq!(follower.join().unwrap(), Some(1), "the follower leads the next group");
    });
    assert_eq!(group.submit(2, |requests| requests), Some(2), "and the group goes on");
}

#[test]
fn whoever_was_in_the_broken_group_is_told_that_nothing_is_known() {
    let group: Group<usize, usize> = Group::new(100);
    let (began, go_on) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            group.submit(0, |requests| {
                began.wait();
                go_on.wait();
                requests
            })
        });
        began.wait();
        let callers: Vec<_> = (1..=4)
            .map(|request| {
                let group = &group;
                scope.spawn(move || {
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        group.submit(request, |_| panic!("the whole group breaks, on purpose"))
                    }))
                })
            })
            .collect();
        while group.waiting() < 4 {
            std::thread::yield_now();
        }
        go_on.wait();
        let told: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
        assert_eq!(told.iter().filter(|told| told.is_err()).count(), 1, "one led");
        assert_eq!(told.iter().filter(|told| matches!(told, Ok(None))).count(), 3, "three followed");
    });
}
