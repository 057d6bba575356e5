//! Times: every one of them caps the command that runs, and nothing of it is left.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use agentpr::domain::evidence::CheckOutcome;
use agentpr::domain::verification::Stage;
use agentpr::ports::check::ChecksError;
use tokio_util::sync::CancellationToken;

use super::super::world::until;
use super::{Site, alive};

/// A number of seconds that no other test sleeps for.
fn unique() -> String {
    static NUMBERS: AtomicU32 = AtomicU32::new(0);
    format!("61.{}{}", std::process::id(), NUMBERS.fetch_add(1, Ordering::Relaxed))
}

#[tokio::test]
async fn f13_fsm_34_a_time_limit_ends_the_whole_group() {
    let site = Site::new();
    let sleep = unique();
    let begun = Instant::now();
    let contract = format!("tests: {{cmd: 'sleep {sleep} & sleep {sleep}', timeout_seconds: 1}}");
    let seen = site.verify(&contract).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!((seen.outcome(), seen.failed()), (CheckOutcome::Failed, Some("tests")));
    assert!(seen.report.results[0].timed_out && seen.report.results[0].exit_code.is_none());
    let result = seen.artifact("tests_cmd01_try01_result.json");
    assert_eq!(result, "{\n  \"rc\": 124,\n  \"timed_out\": true\n}\n");
    assert_eq!(alive(&sleep), Vec::<String>::new());
}

#[tokio::test]
async fn fsm_34_fifty_megabytes_of_output_do_not_block() {
    let site = Site::new();
    let contract = "tests: {cmd: 'head -c 50000000 /dev/zero | tr \"\\0\" x', timeout_seconds: 60}";
    let seen = site.verify(contract).await;
    assert_eq!(seen.outcome(), CheckOutcome::Passed, "{:?}", seen.report);
    let kept = seen.artifact("tests_stdout.txt");
    assert!(kept.len() < 2_000_100 && kept.ends_with("[cut after 2000000 characters]\n"), "{}", kept.len());
}

#[tokio::test]
async fn f24_fsm_36_the_budget_of_a_stage_caps_the_running_command() {
    let site = Site::new();
    let begun = Instant::now();
    let contract = "
security: {max_total_seconds: 1}
tests: {cmds: ['true', 'sleep 30', 'touch never'], retries: 3}
";
    let seen = site.verify(contract).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(seen.report.results[1].timed_out, "{:?}", seen.report);
    assert_eq!((seen.failed(), site.has("never")), (Some("tests"), false));
}

#[tokio::test]
async fn f24_fsm_36_the_budget_of_the_run_goes_over_all_stages_and_spares_the_teardown() {
    let site = Site::new();
    let begun = Instant::now();
    let contract = "
security: {max_run_seconds: 1}
tests: {cmd: 'sleep 0.3'}
deploy: {setup_cmd: 'touch up', health_cmd: 'sleep 30', teardown_cmd: 'touch down'}
benchmark: {run_cmd: 'touch never'}
";
    let seen = site.verify(contract).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(seen.failed(), Some("deploy_health"));
    assert_eq!([site.has("up"), site.has("down"), site.has("never")], [true, true, false]);
}

#[tokio::test]
async fn fsm_36_one_command_never_takes_longer_than_the_rules_say() {
    let site = Site::new();
    let begun = Instant::now();
    let seen =
        site.verify("{security: {max_cmd_seconds: 1}, tests: {cmd: sleep 30, timeout_seconds: 20}}").await;
    assert!(begun.elapsed() < Duration::from_secs(4) && seen.report.results[0].timed_out);
}

#[tokio::test]
async fn a_stop_ends_the_command_and_takes_down_what_was_brought_up() {
    let site = Site::new();
    let sleep = unique();
    let contract = format!(
        "deploy: {{setup_cmd: 'touch up; sleep {sleep}', health_cmd: 'true', teardown_cmd: touch down}}"
    );
    let stop = CancellationToken::new();
    let watch = async {
        until("the setup runs", || site.has("up")).await;
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(site.stopped(&contract, &stop), watch);
    assert!(matches!(ended, Err(ChecksError::Stopped)), "{ended:?}");
    assert!(site.has("down"));
    assert_eq!(alive(&sleep), Vec::<String>::new());
}

#[tokio::test]
async fn a_failed_command_is_tried_as_often_as_the_contract_says() {
    let site = Site::new();
    let count = "echo x >> tries; test $(wc -l < tries) -ge 3";
    let seen = site.verify(&format!("tests: {{cmd: '{count}', retries: 1}}")).await;
    assert_eq!((seen.outcome(), seen.report.results.len()), (CheckOutcome::Failed, 1));
    assert_eq!((seen.report.results[0].tries, seen.report.results[0].stage), (2, Stage::Tests));
    let seen = site.verify(&format!("tests: {{cmd: '{count}', retries: 1}}")).await;
    assert_eq!((seen.outcome(), seen.report.results[0].tries), (CheckOutcome::Passed, 1));
}
