//! The order of stages, the first failure, the teardown, the rules of commands, and where they run.

use agentpr::domain::confine::{Confinement, SandboxMode, Tier};
use agentpr::domain::evidence::{CheckOutcome, CheckSource};

use super::{Seen, Site, listing};
use crate::harness::skip::skipped;

/// What each command of a contract wrote down, in order.
const ALL: &str = "
auth: {cmd: echo auth >> log}
tests: {cmds: [echo tests >> log]}
deploy:
  setup_cmds: [echo setup >> log]
  health_cmds: [HEALTH]
  teardown_cmds: [echo teardown >> log]
benchmark: {run_cmds: [echo benchmark >> log]}
";

#[tokio::test]
async fn fsm_39_stages_run_in_order() {
    let site = Site::new();
    let seen = site.verify(&ALL.replace("HEALTH", "echo health >> log")).await;
    assert_eq!((seen.outcome(), seen.report.source), (CheckOutcome::Passed, CheckSource::Contract));
    assert_eq!(site.text("log"), "auth\ntests\nsetup\nhealth\nbenchmark\nteardown\n");
    let summary = seen.summary();
    for rc in
        ["auth_rc", "test_rc", "deploy_setup_rc", "deploy_health_rc", "benchmark_rc", "deploy_teardown_rc"]
    {
        assert_eq!(summary[rc], 0, "{rc}");
    }
    assert_eq!(summary["ok"], true);
}

#[tokio::test]
async fn fsm_39_the_first_failure_wins_and_is_named() {
    let site = Site::new();
    let seen = site.verify(&ALL.replace("HEALTH", "exit 7")).await;
    assert_eq!((seen.outcome(), seen.failed()), (CheckOutcome::Failed, Some("deploy_health")));
    assert_eq!(site.text("log"), "auth\ntests\nsetup\nteardown\n");
    assert_eq!(seen.report.results.last().unwrap().exit_code, Some(7));
    let summary = seen.summary();
    assert_eq!(
        (&summary["failed_stage"], &summary["deploy_health_rc"]),
        (&"deploy_health".into(), &7.into())
    );
    assert!(summary["benchmark_rc"].is_null());
}

#[tokio::test]
async fn fsm_39_the_cluster_is_written_down_whatever_happened() {
    let site = Site::new().with_program("kubectl", "#!/bin/sh\necho \"kubectl $*\"\necho said >&2\n");
    let contract = "
deploy:
  setup_cmd: 'true'
  health_cmd: 'false'
  kubectl_dump: {enabled: true, namespace: web, label_selector: 'app in (a, b)', include_logs: true}
benchmark: {run_cmd: touch never}
";
    let seen = site.verify(contract).await;
    assert_eq!((seen.failed(), site.has("never")), (Some("deploy_health"), false));
    let names = ["nodes", "namespaces", "pods", "all", "events"].map(|name| format!("kubectl_get_{name}"));
    for name in names.iter().map(String::as_str).chain(["kubectl_logs"]) {
        assert!(seen.artifact(&format!("kubectl/{name}_stdout.txt")).starts_with("kubectl "), "{name}");
        assert_eq!(seen.artifact(&format!("kubectl/{name}_stderr.txt")), "said\n");
        assert!(seen.artifact(&format!("kubectl/{name}_result.json")).contains("\"rc\": 0"));
    }
    let logs = seen.artifact("kubectl/kubectl_logs_stdout.txt");
    let wanted = "kubectl logs --selector app in (a, b) --all-containers=true --timestamps=true --tail=2000 --namespace web\n";
    assert_eq!(logs, wanted);
}

#[tokio::test]
async fn f14_fsm_35_the_teardown_follows_its_policy() {
    for (policy, on_success, on_failure) in [
        ("always", true, true),
        ("on_success", true, false),
        ("on_failure", false, true),
        ("never", false, false),
    ] {
        for (health, wanted) in [("true", on_success), ("false", on_failure)] {
            let site = Site::new();
            let contract = format!(
                "deploy: {{setup_cmd: 'true', health_cmd: '{health}', teardown_cmd: touch down, teardown_policy: {policy}}}"
            );
            let seen = site.verify(&contract).await;
            assert_eq!(site.has("down"), wanted, "{policy} after health {health}");
            assert_eq!(seen.outcome() == CheckOutcome::Passed, health == "true");
        }
    }
}

#[tokio::test]
async fn f14_fsm_35_no_teardown_without_a_setup_that_began() {
    for setup in ["{cmd: 'false'}", "{cmd: 'true'}"] {
        let site = Site::new();
        let deploy =
            if setup.contains("false") { "setup_cmd: touch up" } else { "setup_cmd: x, workdir: nowhere" };
        let contract = format!("tests: {setup}\ndeploy: {{{deploy}, teardown_cmd: touch down}}");
        let seen = site.verify(&contract).await;
        assert_eq!((seen.outcome(), site.has("down")), (CheckOutcome::Failed, false), "{contract}");
    }
    let site = Site::new();
    let seen = site
        .verify("tests: {cmd: 'true'}\ndeploy: {setup_cmd: touch up; false, teardown_cmd: touch down}")
        .await;
    assert_eq!(
        (seen.failed(), site.has("down")),
        (Some("deploy_setup"), true),
        "a setup that failed had begun"
    );
}

#[tokio::test]
async fn f14_fsm_35_a_failing_teardown_is_a_warning_and_no_failure() {
    let site = Site::new();
    let contract = "deploy: {setup_cmd: 'true', health_cmd: 'true', retries: 2, teardown_cmds: [echo x >> tries; exit 4, touch down]}";
    let seen = site.verify(contract).await;
    assert_eq!(seen.outcome(), CheckOutcome::Passed, "{seen:?}");
    let [warning] = &*seen.report.warnings else { panic!("{:?}", seen.report.warnings) };
    assert!(warning.starts_with("teardown_failed: `echo x >> tries; exit 4` ended with 4"), "{warning}");
    assert_eq!(seen.summary()["warnings"][0], warning.as_str());
    assert!(seen.artifact("deploy_teardown_warning.txt").contains("ended with 4"));
    assert_eq!(
        (site.text("tries").as_str(), site.has("down")),
        ("x\n", true),
        "once, and the rest all the same"
    );
}

#[tokio::test]
async fn fsm_32_nothing_to_run_is_no_pass() {
    let site = Site::new();
    let nothing = Seen::of(site.carry_out(&site.order(None)).await);
    assert_eq!((nothing.outcome(), nothing.report.source), (CheckOutcome::NoEvidence, CheckSource::Nothing));
    // A contract is not mixed with what could be detected.
    site.put("Makefile", "test:\n\ttouch detected\n");
    let seen = site.verify("version: 1").await;
    assert_eq!((seen.outcome(), seen.report.source), (CheckOutcome::NoEvidence, CheckSource::Contract));
    assert!(!site.has("detected"));
    let setup = site.verify("deploy: {setup_cmd: 'true'}").await;
    assert_eq!(setup.outcome(), CheckOutcome::NoEvidence, "a setup proves nothing");
    let detected = Seen::of(site.carry_out(&site.order(None)).await);
    assert_eq!((detected.outcome(), detected.report.source), (CheckOutcome::Passed, CheckSource::Detected));
}

#[tokio::test]
async fn given_commands_take_the_place_of_the_contracts_tests_and_keep_their_settings() {
    let site = Site::new();
    site.put("inner/here", "");
    let contract =
        "tests: {cmd: touch never, workdir: inner, env: {WORD: kept}}\ndeploy: {setup_cmd: touch up}";
    let mut order = site.order(Some(contract));
    order.commands = vec!["test -e here && echo $WORD".to_owned()];
    let seen = Seen::of(site.carry_out(&order).await);
    assert_eq!((seen.outcome(), seen.report.source), (CheckOutcome::Passed, CheckSource::Given), "{seen:?}");
    assert_eq!(seen.artifact("tests_stdout.txt"), "kept\n");
    assert_eq!([site.has("inner/never"), site.has("up")], [false, true]);
}

#[tokio::test]
async fn a_workdir_that_leads_out_runs_nothing() {
    let site = Site::new();
    std::os::unix::fs::symlink("/tmp", site.tree.join("out")).unwrap();
    for workdir in ["out", "nowhere"] {
        let seen = site.verify(&format!("tests: {{cmd: touch ran, workdir: {workdir}}}")).await;
        assert_eq!((seen.outcome(), seen.failed()), (CheckOutcome::Failed, Some("tests")));
        assert!(seen.artifact("tests_workdir_error_stderr.txt").contains("workdir"), "{seen:?}");
        assert!(seen.artifact("tests_workdir_error_result.json").contains("\"rc\": 2"));
    }
    assert!(!std::path::Path::new("/tmp/ran").exists());
}

#[tokio::test]
async fn what_commands_leave_to_be_kept_is_kept_and_links_are_not() {
    let site = Site::new();
    let command = "mkdir $AIDER_FSM_ARTIFACTS_DIR/a; echo x > $AIDER_FSM_ARTIFACTS_DIR/a/b; ln -s /etc/passwd $AIDER_FSM_ARTIFACTS_DIR/c";
    let seen = site.verify(&format!("tests: {{cmd: '{command}'}}")).await;
    assert_eq!(seen.outcome(), CheckOutcome::Passed, "{seen:?}");
    assert_eq!(listing(&seen.artifacts.join("preflight/files")), ["a/b"]);
}

#[tokio::test]
async fn fsm_48_a_command_that_would_wait_for_a_person_is_refused_by_name() {
    let site = Site::new();
    let seen = site.verify("tests: {cmds: [touch before, docker login -u x, touch after]}").await;
    let blocked = seen.report.blocked.clone().unwrap();
    assert_eq!(
        (seen.outcome(), blocked.code.as_str()),
        (CheckOutcome::Blocked, "looks_interactive"),
        "{seen:?}"
    );
    assert!(blocked.detail.contains("docker login -u x"), "{}", blocked.detail);
    assert_eq!([site.has("before"), site.has("after")], [true, false]);
    assert!(seen.artifact("tests_cmd02_try01_result.json").contains("\"rc\": 126"));
    let site = Site::new().with_program("docker", "#!/bin/sh\nread password\necho \"$*\"\n");
    let seen = site.verify("tests: {cmd: echo word | docker login -u x --password-stdin}").await;
    assert_eq!(seen.outcome(), CheckOutcome::Passed, "{seen:?}");
}

#[tokio::test]
async fn a_command_against_the_rules_is_refused_and_never_tried_again() {
    for (contract, code) in [
        ("tests: {cmd: sudo true, retries: 2}", "blocked_by_policy"),
        ("security: {mode: system}\ntests: {cmd: rm -rf /, retries: 2}", "blocked_by_policy"),
        ("security: {allowlist: ['^pytest']}\ntests: {cmd: touch ran}", "blocked_by_allowlist"),
        ("security: {denylist: [touch]}\ntests: {cmd: touch ran}", "blocked_by_denylist"),
    ] {
        let site = Site::new();
        let seen = site.verify(contract).await;
        let blocked = seen.report.blocked.clone().unwrap();
        assert_eq!((blocked.code.as_str(), site.has("ran")), (code, false), "{contract}: {seen:?}");
        assert_eq!(seen.report.results.len(), 1);
        assert!(!seen.artifacts.join("preflight/tests_cmd01_try02_cmd.txt").exists());
    }
}

#[tokio::test]
async fn a_failure_behind_a_closed_network_says_so() {
    let site = Site::new();
    let command = "echo 'curl: (6) Could not resolve host: example.invalid' >&2; exit 6";
    for (network, told) in [(false, true), (true, false)] {
        let contract = format!("security: {{network: {network}}}\ntests: {{cmd: \"{command}\"}}");
        let mut order = site.order(Some(&contract));
        order.confinement = Confinement { mode: SandboxMode::Auto, required: Tier::Open, network: false };
        let seen = Seen::of(site.carry_out(&order).await);
        assert_eq!(seen.outcome(), CheckOutcome::Failed, "{seen:?}");
        if seen.report.tier == Some(Tier::Open) {
            skipped("sandbox not found");
            return;
        }
        let excerpt = &seen.report.results[0].excerpt;
        assert!(excerpt.contains("Could not resolve host"), "{excerpt}");
        assert_eq!(excerpt.contains("the network is off"), told, "{excerpt}");
    }
}
