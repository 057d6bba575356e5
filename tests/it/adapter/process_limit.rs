//! Limits and endings, on every tier this machine has: the right name for what happened, and nothing left within five seconds.

use std::path::Path;
use std::time::{Duration, Instant};

use agentpr::adapters::process::group::{Ending, GroupReport};
use agentpr::adapters::process::members::Members;
use agentpr::adapters::process::table::RUN_MARK;
use agentpr::domain::confine::{LimitKind, Tier};

use super::sandbox::Place;
use super::world::put;

/// In which everything of a hostile program has to be gone after it went over a limit.
const GONE_WITHIN: Duration = Duration::from_secs(5);

fn places() -> Vec<Place> {
    [Tier::Open, Tier::Landlock, Tier::Bubblewrap].into_iter().filter_map(Place::of).collect()
}

/// Plays a script of the fake agent.
async fn play(place: &Place, script: &str) -> GroupReport {
    let path = place.at("work/own/script");
    put(&path, script);
    let order = place.order(Path::new(env!("CARGO_BIN_EXE_fake-agent")), &[path.to_str().unwrap()]);
    finish(place, &order).await
}

async fn shell(place: &Place, line: &str) -> GroupReport {
    finish(place, &place.order(Path::new("/bin/sh"), &["-c", line])).await
}

/// Runs an order and makes sure that nothing of it is left.
async fn finish(place: &Place, order: &agentpr::adapters::process::group::GroupOrder) -> GroupReport {
    let report = place.run(order).await;
    let left = Members::marked(order.env[RUN_MARK].clone()).living();
    assert!(left.is_empty(), "{:?}: {left:?}", place.required);
    assert!(report.tier == place.required, "{:?}", report.tier);
    report
}

fn text(report: &GroupReport) -> String {
    String::from_utf8_lossy(&report.output.bytes).into_owned()
}

#[tokio::test]
async fn a_program_that_starts_too_many_others_is_ended_with_all_of_them() {
    for mut place in places() {
        place.limits.processes = Some(40);
        for line in ["while :; do sleep 60 & done", "while :; do setsid sleep 60 & done"] {
            let begun = Instant::now();
            let report = shell(&place, line).await;
            assert_eq!(
                report.ending,
                Ending::OverLimit(LimitKind::Processes),
                "{:?}: {}",
                place.required,
                text(&report)
            );
            assert!(begun.elapsed() < GONE_WITHIN, "{:?} {line}: {:?}", place.required, begun.elapsed());
        }
        assert_eq!(shell(&place, "echo the next one is fine").await.ending, Ending::Exited(0));
    }
}

#[tokio::test]
async fn a_program_that_takes_too_much_memory_is_ended() {
    for mut place in places() {
        place.limits.memory = Some(64 * 1024 * 1024);
        let begun = Instant::now();
        let report = play(&place, "hog 200\nsleep 30").await;
        assert_eq!(report.ending, Ending::OverLimit(LimitKind::Memory), "{:?}", place.required);
        assert!(begun.elapsed() < GONE_WITHIN, "{:?}", begun.elapsed());
        assert_eq!(play(&place, "hog 10").await.ending, Ending::Exited(0), "{:?}", place.required);
    }
}

#[tokio::test]
async fn a_program_that_neither_prints_nor_calculates_is_ended() {
    for mut place in places() {
        place.limits.silence = Some(Duration::from_millis(900));
        let report = play(&place, "print hello\nsleep 30").await;
        assert_eq!(report.ending, Ending::OverLimit(LimitKind::Silence), "{:?}", place.required);
        assert!(report.duration < GONE_WITHIN, "{:?}", report.duration);
        let report = play(&place, "busy 2.5\nprint done").await;
        assert_eq!(report.ending, Ending::Exited(0), "{:?}: it calculated", place.required);
        let line = "for i in 1 2 3 4 5 6 7; do echo $i; sleep 0.4; done";
        assert_eq!(shell(&place, line).await.ending, Ending::Exited(0), "{:?}: it printed", place.required);
    }
}

#[tokio::test]
async fn a_program_that_fills_the_disk_is_ended_and_many_small_files_are_not_many_bytes() {
    for mut place in places() {
        place.limits.disk = Some(8 * 1024 * 1024);
        let report = play(&place, "files 400 65536\nsleep 30").await;
        assert_eq!(report.ending, Ending::OverLimit(LimitKind::Disk), "{:?}", place.required);
        assert!(report.duration < Duration::from_secs(8), "{:?}", report.duration);
        std::fs::remove_dir_all(place.at("work/own/files")).unwrap();
        let report = shell(&place, "exec head -c 20000000 /dev/zero > large").await;
        assert_eq!(report.ending, Ending::OverLimit(LimitKind::Disk), "{:?}", place.required);
        assert!(place.at("work/own/large").metadata().unwrap().len() <= 8 * 1024 * 1024);
    }
}

#[tokio::test]
async fn a_hundred_thousand_empty_files_are_no_trouble() {
    let Some(mut place) = Place::of(Tier::Open) else { return };
    place.limits.disk = Some(256 * 1024 * 1024);
    place.limits.wall = Duration::from_secs(60);
    let report = play(&place, "files 100000 0\nprint done").await;
    assert_eq!((report.ending.clone(), text(&report).as_str()), (Ending::Exited(0), "done\n"));
}

#[tokio::test]
async fn fsm_34_the_time_limit_ends_the_whole_group() {
    for mut place in places() {
        place.limits.wall = Duration::from_secs(1);
        let begun = Instant::now();
        let report = shell(&place, "sleep 60 & sleep 60").await;
        assert_eq!(report.ending, Ending::TimedOut, "{:?}", place.required);
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn f13_children_of_a_shell_do_not_outlive_the_time_limit() {
    for mut place in places() {
        place.limits.wall = Duration::from_millis(700);
        let report =
            shell(&place, "sh -c 'sleep 60 & sleep 60' & setsid sh -c 'sleep 60 & wait' & wait").await;
        assert_eq!(report.ending, Ending::TimedOut, "{:?}", place.required);
    }
}

#[tokio::test]
async fn a_program_behind_a_wall_gets_its_grace_to_write_things_down() {
    for mut place in places() {
        place.limits.wall = Duration::from_millis(700);
        let line = "trap 'echo noted > noted; exit 0' TERM; while :; do sleep 0.05; done";
        let mut order = place.order(Path::new("/bin/sh"), &["-c", line]);
        order.grace = Duration::from_secs(4);
        let report = finish(&place, &order).await;
        assert_eq!(report.ending, Ending::TimedOut, "{:?}", place.required);
        assert!(place.at("work/own/noted").exists(), "{:?}: it had no time", place.required);
        assert!(report.duration < Duration::from_secs(4), "it used the time and no more");
    }
}

#[tokio::test]
async fn one_that_ignores_term_forks_twice_or_holds_the_pipes_is_gone_all_the_same() {
    for mut place in places() {
        place.limits.wall = Duration::from_secs(1);
        let begun = Instant::now();
        let report = play(&place, "ignore-term\nfork-session 60\nfork-sleep 60\nsleep 60").await;
        assert_eq!(report.ending, Ending::TimedOut, "{:?}: {}", place.required, text(&report));
        assert!(begun.elapsed() < GONE_WITHIN, "{:?}", begun.elapsed());
        let begun = Instant::now();
        let line = "(setsid sh -c 'sleep 60 & sleep 60' &) ; (sleep 60 &) ; echo bye";
        let report = shell(&place, line).await;
        assert_eq!((report.ending.clone(), text(&report).as_str()), (Ending::Exited(0), "bye\n"));
        assert!(begun.elapsed() < GONE_WITHIN, "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn exit_codes_and_launches_that_fail_are_told_apart_on_every_tier() {
    for place in places() {
        for code in [0, 1, 42, 127] {
            assert_eq!(shell(&place, &format!("exit {code}")).await.ending, Ending::Exited(code));
        }
        let nothing = place.order(&place.at("work/own/nothing"), &[]);
        let report = place.run(&nothing).await;
        assert!(
            matches!(&report.ending, Ending::CouldNotStart(why) if why.contains("nothing")),
            "{report:?}"
        );
        // What the launcher says of itself cannot be said by a program.
        let report = shell(&place, "printf '\\000agentpr-0123-no' >&2; exit 127").await;
        assert_eq!(report.ending, Ending::Exited(127), "{:?}", place.required);
    }
}
