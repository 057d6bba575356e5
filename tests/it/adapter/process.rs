//! Programs and what they start: all of it is gone afterwards, however it ended.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use agentpr::adapters::process::group::{Ending, GRACE, GroupOrder, GroupReport};
use agentpr::adapters::process::leftover::{Leftover, end_leftover};
use agentpr::adapters::process::table::{RUN_MARK, process_ref, stat};
use agentpr::domain::evidence::ProcessRef;
use agentpr::ports::worker::OnStart;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use agentpr::domain::confine::ProcessLimits;

use super::world::{ignore, open, parent, put, run, supervisor, until};

/// An order that plays a script in a directory of its own.
fn order(folder: &TempDir, script: &str) -> GroupOrder {
    let path = folder.path().join("script");
    put(&path, script);
    let mut env = BTreeMap::from([("PATH".to_owned(), parent()["PATH"].clone())]);
    env.insert(RUN_MARK.to_owned(), run().0.to_string());
    GroupOrder {
        program: PathBuf::from(env!("CARGO_BIN_EXE_fake-agent")),
        args: vec![path.display().to_string()],
        dir: folder.path().to_owned(),
        env,
        stdin: None,
        workspace: folder.path().to_owned(),
        runtime: folder.path().join("runtime"),
        readable: Vec::new(),
        confinement: open(),
        limits: ProcessLimits::wall(Duration::from_secs(20)),
        grace: Duration::from_millis(200),
        log: Some(folder.path().join("live.log")),
        lines: None,
        sink: None,
        signs: None,
    }
}

async fn run_group(order: &GroupOrder, started: OnStart<'_>, stop: &CancellationToken) -> GroupReport {
    supervisor(Vec::new()).run(order, started, stop).await.unwrap()
}

async fn play(script: &str, limit: Duration) -> (GroupReport, Duration) {
    let folder = tempfile::tempdir().unwrap();
    let mut order = order(&folder, script);
    order.limits.wall = limit;
    let begun = Instant::now();
    let report = run_group(&order, &ignore, &CancellationToken::new()).await;
    (report, begun.elapsed())
}

fn text(report: &GroupReport) -> String {
    String::from_utf8_lossy(&report.output.bytes).into_owned()
}

/// The process ids that a script printed as `child N`.
fn children(report: &GroupReport) -> Vec<i32> {
    text(report).lines().filter_map(|line| line.strip_prefix("child ")?.parse().ok()).collect()
}

fn is_gone(pid: i32) -> bool {
    stat(pid).is_none_or(|found| found.zombie)
}

#[tokio::test]
async fn both_outputs_are_kept_and_the_code_is_told() {
    let (report, _) = play("print one\nerr two\nexit 7", Duration::from_secs(20)).await;
    assert_eq!((report.ending.clone(), report.exit_code, report.signal), (Ending::Exited(7), Some(7), None));
    assert!(text(&report).contains("one\n") && text(&report).contains("two\n"));
    assert!(!report.output.truncated);
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipes_does_not_hold_the_caller() {
    let (report, took) = play("fork-sleep 60\nprint bye", Duration::from_secs(20)).await;
    assert_eq!(report.ending, Ending::Exited(0));
    assert!(took < Duration::from_secs(2), "it took {took:?}");
    let child = children(&report)[0];
    until("the grandchild is gone", || is_gone(child)).await;
}

#[tokio::test]
async fn a_grandchild_in_a_session_of_its_own_is_ended_too() {
    let (report, took) = play("fork-session 60\nprint bye", Duration::from_secs(20)).await;
    assert!(took < Duration::from_secs(2), "it took {took:?}");
    let child = children(&report)[0];
    until("the grandchild is gone", || is_gone(child)).await;
}

#[tokio::test]
async fn the_time_limit_ends_the_whole_group() {
    let (report, took) = play("fork-sleep 60\nsleep 60", Duration::from_millis(150)).await;
    assert_eq!(report.ending, Ending::TimedOut);
    assert!(took < Duration::from_secs(2), "it took {took:?}");
    let child = children(&report)[0];
    until("the grandchild is gone", || is_gone(child)).await;
}

#[tokio::test]
async fn a_program_that_ignores_term_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let flag = folder.path().join("deaf");
    let mut order =
        order(&folder, &format!("ignore-term\nfork-sleep 60\ntouch {}\nsleep 60", flag.display()));
    order.grace = GRACE;
    let stop = CancellationToken::new();
    let (report, begun) = tokio::join!(run_group(&order, &ignore, &stop), async {
        until("the script reached its sleep", || flag.exists()).await;
        stop.cancel();
        Instant::now()
    });
    assert_eq!(report.ending, Ending::Stopped);
    assert!(begun.elapsed() < Duration::from_secs(2), "it took {:?}", begun.elapsed());
    let child = children(&report)[0];
    until("the grandchild is gone", || is_gone(child)).await;
}

#[tokio::test]
async fn a_flood_is_kept_up_to_the_cap() {
    let (report, _) = play("print first\nflood 3000000\nprint last", Duration::from_secs(20)).await;
    assert!(report.output.truncated);
    assert!(report.output.bytes.len() < 513 * 1024);
    assert!(text(&report).starts_with("first\n") && text(&report).ends_with("last\n"));
}

#[tokio::test]
async fn the_output_can_be_read_while_the_program_runs() {
    let folder = tempfile::tempdir().unwrap();
    let order = order(&folder, "print hello\nwait-file go\nprint bye");
    let live = folder.path().join("live.log");
    let stop = CancellationToken::new();
    let (report, ()) = tokio::join!(run_group(&order, &ignore, &stop), async {
        until("the first line is there", || {
            std::fs::read_to_string(&live).is_ok_and(|text| text == "hello\n")
        })
        .await;
        put(&folder.path().join("go"), "");
    });
    assert_eq!(text(&report), "hello\nbye\n");
}

#[tokio::test]
async fn a_program_that_does_not_read_its_prompt_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let mut order = order(&folder, "print done");
    order.stdin = Some("x".repeat(1_000_000));
    let report = run_group(&order, &ignore, &CancellationToken::new()).await;
    assert_eq!(report.ending, Ending::Exited(0));
}

#[tokio::test]
async fn a_program_that_is_not_there_could_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut order = order(&folder, "");
    order.program = folder.path().join("nothing");
    let report = run_group(&order, &ignore, &CancellationToken::new()).await;
    assert!(matches!(report.ending, Ending::CouldNotStart(_)));
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let order = order(&folder, "fork-session 60\ntouch flag\nsleep 60");
    let flag = folder.path().join("flag");
    let leader = Mutex::new(None);
    let started = |process: ProcessRef| *leader.lock().unwrap() = Some(process.pid);
    let stop = CancellationToken::new();
    tokio::select! {
        _ = run_group(&order, &started, &stop) => panic!("it ended by itself"),
        () = until("the script reached its sleep", || flag.exists()) => {}
    }
    let leader = leader.lock().unwrap().unwrap();
    until("the program is gone", || is_gone(leader)).await;
}

#[tokio::test]
async fn a_leftover_is_ended_only_when_it_is_the_recorded_process() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    put(&script, "fork-sleep 60\ntouch flag\nsleep 60");
    let mut child = std::os::unix::process::CommandExt::process_group(
        std::process::Command::new(env!("CARGO_BIN_EXE_fake-agent"))
            .arg(&script)
            .current_dir(folder.path())
            .env(RUN_MARK, run().0.as_str())
            .stdout(std::process::Stdio::null()),
        0,
    )
    .spawn()
    .unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let flag = folder.path().join("flag");
    until("the script reached its sleep", || flag.exists()).await;
    let recorded = process_ref(pid);
    let another = ProcessRef { start_ticks: recorded.start_ticks + 1, ..recorded.clone() };
    let another_boot = ProcessRef { boot: "another".to_owned(), ..recorded.clone() };
    assert_eq!(end_leftover(&another), Leftover::Gone);
    assert_eq!(end_leftover(&another_boot), Leftover::Gone);
    assert!(child.try_wait().unwrap().is_none(), "it still runs");
    assert_eq!(end_leftover(&recorded), Leftover::Ended);
    child.wait().unwrap();
    until("it is known to be gone", || end_leftover(&recorded) == Leftover::Gone).await;
}

#[tokio::test]
async fn a_group_whose_leader_died_is_a_leftover_too() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    put(&script, "fork-sleep 60\nwait-file go\nexit 0");
    let mut child = std::os::unix::process::CommandExt::process_group(
        std::process::Command::new(env!("CARGO_BIN_EXE_fake-agent"))
            .arg(&script)
            .current_dir(folder.path())
            .env(RUN_MARK, run().0.as_str())
            .stdout(std::fs::File::create(folder.path().join("out")).unwrap()),
        0,
    )
    .spawn()
    .unwrap();
    let recorded = process_ref(i32::try_from(child.id()).unwrap());
    put(&folder.path().join("go"), "");
    child.wait().unwrap();
    let out = std::fs::read_to_string(folder.path().join("out")).unwrap();
    let grandchild: i32 = out.trim().strip_prefix("child ").unwrap().parse().unwrap();
    assert!(!is_gone(grandchild));
    assert_eq!(end_leftover(&recorded), Leftover::Ended);
    until("the grandchild is gone", || is_gone(grandchild)).await;
}

#[tokio::test]
async fn what_a_crash_left_unrecorded_is_ended_before_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let order = order(&folder, "print next");
    let mut left =
        std::process::Command::new("sleep").arg("60").env(RUN_MARK, &order.env[RUN_MARK]).spawn().unwrap();
    let mut stranger =
        std::process::Command::new("sleep").arg("60").env(RUN_MARK, "another-run").spawn().unwrap();
    let report = run_group(&order, &ignore, &CancellationToken::new()).await;
    assert_eq!(report.ending, Ending::Exited(0));
    assert!(!left.wait().unwrap().success());
    assert!(stranger.try_wait().unwrap().is_none(), "it belongs to another run");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}
