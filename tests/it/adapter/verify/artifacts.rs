//! What is written down, under the seed's names, and what commands are told.

use agentpr::domain::evidence::CheckOutcome;
use serde_json::Value;

use super::super::world::git;
use super::{Seen, Site, listing};

#[tokio::test]
async fn fsm_49_the_tree_of_artifacts_has_the_seeds_names() {
    let site = Site::new();
    let contract = "
tests: {cmds: [echo out; echo err >&2, 'test -e again || { touch again; exit 1; }'], retries: 1}
deploy: {setup_cmd: 'true', health_cmd: 'true', teardown_cmd: 'false'}
benchmark: {run_cmd: 'echo {} > metrics.json', metrics_path: metrics.json}
";
    let seen = site.verify(contract).await;
    assert_eq!(seen.outcome(), CheckOutcome::Passed, "{seen:?}");
    let mut wanted = vec!["pipeline.yml".to_owned(), "versions.json".to_owned()];
    let mut tries = |prefix: &str| {
        for end in ["cmd.txt", "result.json", "stderr.txt", "stdout.txt"] {
            wanted.push(format!("preflight/{prefix}_{end}"));
        }
    };
    for stage in ["tests", "deploy_setup", "deploy_health", "benchmark", "deploy_teardown"] {
        tries(stage);
        tries(&format!("{stage}_cmd01_try01"));
    }
    tries("tests_cmd02_try01");
    tries("tests_cmd02_try02");
    for stage in ["tests", "deploy_setup", "deploy_health", "benchmark", "deploy_teardown"] {
        wanted.push(format!("preflight/{stage}_summary.json"));
    }
    wanted.extend(
        ["deploy_teardown_warning.txt", "metrics.json", "summary.json"]
            .map(|name| format!("preflight/{name}")),
    );
    wanted.sort();
    assert_eq!(listing(&seen.artifacts), wanted);
    assert!(seen.artifacts.starts_with(site.tree.canonicalize().unwrap().join(".aider_fsm/artifacts")));
    assert_eq!(seen.artifact("tests_cmd01_try01_stdout.txt"), "out\n");
    assert_eq!(seen.artifact("tests_cmd01_try01_stderr.txt"), "err\n");
    assert_eq!(seen.artifact("tests_cmd01_try01_cmd.txt"), "echo out; echo err >&2\n");
    assert!(seen.artifact("tests_cmd02_try01_result.json").contains("\"rc\": 1"));
    assert!(seen.artifact("tests_result.json").contains("\"rc\": 0"), "the last command's");
    let summary: Value = serde_json::from_str(&seen.artifact("tests_summary.json")).unwrap();
    assert_eq!(summary, serde_json::json!({ "ok": true, "failed_index": null, "total_results": 2 }));
    assert_eq!(std::fs::read_to_string(seen.artifacts.join("pipeline.yml")).unwrap(), contract);
}

#[tokio::test]
async fn fsm_49_the_artifacts_go_where_the_contract_or_the_person_says() {
    let site = Site::new();
    let contract = "{tests: {cmd: 'true'}, artifacts: {out_dir: kept/here}}";
    let seen = site.verify(contract).await;
    assert!(seen.artifacts.starts_with(site.tree.canonicalize().unwrap().join("kept/here")));
    let other = site.world.root.path().join("other");
    let mut order = site.order(Some(contract));
    order.artifacts = Some(other.clone());
    let seen = Seen::of(site.carry_out(&order).await);
    assert!(seen.artifacts.starts_with(other.canonicalize().unwrap()), "{seen:?}");
    assert!(seen.artifacts.join("preflight/summary.json").is_file());
}

#[tokio::test]
async fn the_artifacts_follow_no_link_out_of_the_directory() {
    let site = Site::new();
    let elsewhere = site.world.root.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, site.tree.join(".aider_fsm")).unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let refused = site.stopped("tests: {cmd: 'true'}", &stop).await;
    assert!(refused.unwrap_err().to_string().contains("--artifacts-dir"));
    assert_eq!(listing(&elsewhere), Vec::<String>::new());
}

#[tokio::test]
async fn fsm_51_programs_that_are_missing_are_written_down_as_absent() {
    let site = Site::new().with_program("kubectl", "#!/bin/sh\necho stub 1\n");
    let seen = site.verify("tests: {cmd: 'true'}").await;
    assert_eq!(seen.outcome(), CheckOutcome::Passed);
    let text = std::fs::read_to_string(seen.artifacts.join("versions.json")).unwrap();
    let versions: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(versions["tools"]["kubectl"]["stdout"], "stub 1");
    assert_eq!(versions["tools"]["git"]["rc"], 0);
    assert_eq!(versions["tools"]["helm"]["found"], false, "{versions}");
    assert!(versions["git_head"].is_null());
}

#[tokio::test]
async fn programs_are_not_asked_for_their_version_in_the_repository() {
    let site = Site::new().with_program("kubectl", "#!/bin/sh\npwd\n");
    let seen = site.verify("tests: {cmd: 'true'}").await;
    let text = std::fs::read_to_string(seen.artifacts.join("versions.json")).unwrap();
    let versions: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(versions["tools"]["kubectl"]["stdout"], "/");
}

#[tokio::test]
async fn fsm_52_the_folder_of_artifacts_is_hidden_from_git_in_this_clone_alone() {
    let site = Site::new();
    site.put("a", "1\n");
    git(&site.tree, &["init", "--quiet", "--initial-branch=main"]);
    git(&site.tree, &["add", "--all"]);
    git(&site.tree, &["commit", "--quiet", "-m", "begin"]);
    for _ in 0..2 {
        let seen = site.verify("tests: {cmd: 'true'}").await;
        assert_eq!(seen.outcome(), CheckOutcome::Passed);
    }
    assert_eq!(git(&site.tree, &["status", "--porcelain", "--untracked-files=all"]), "");
    assert!(!site.has(".gitignore"));
    assert_eq!(site.text(".git/info/exclude").matches(".aider_fsm/").count(), 1);
}

#[tokio::test]
async fn f23_fsm_44_fsm_48_commands_know_what_they_should_and_no_secret() {
    let site = Site::new();
    let seen = site
        .verify("tests: {cmd: env | sort, env: {WORD: given, CI: mine}}\nbenchmark: {run_cmd: env}")
        .await;
    let env = seen.artifact("tests_stdout.txt");
    let root = site.tree.canonicalize().unwrap();
    let root = format!("AIDER_FSM_REPO_ROOT={}\n", root.display());
    let wanted = [
        "GIT_TERMINAL_PROMPT=0\n",
        "PIP_DISABLE_PIP_VERSION_CHECK=1\n",
        "PYTHONUNBUFFERED=1\n",
        "WORD=given\n",
    ];
    for line in
        wanted.into_iter().chain(["CI=mine\n", "AIDER_FSM_STAGE=tests\n", "AIDER_FSM_ARTIFACTS_DIR=/", &root])
    {
        assert!(env.contains(line), "{line}: {env}");
    }
    let benchmark = seen.artifact("benchmark_stdout.txt");
    assert!(benchmark.contains("CI=1\n") && benchmark.contains("AIDER_FSM_STAGE=benchmark\n"), "{benchmark}");
    assert!(!benchmark.contains("WORD="), "a stage's variables are its own");
    for secret in ["canary-secret", "GH_TOKEN", "OPENAI_API_KEY"] {
        assert!(!env.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn fsm_44_a_known_secret_is_in_no_artifact() {
    let site = Site::new();
    let contract = "
tests: {cmd: 'echo one canary-sec\"\"ret two; echo canary-sec\"\"ret >&2; echo canary-sec\"\"ret > $AIDER_FSM_ARTIFACTS_DIR/a'}
benchmark: {run_cmd: 'echo {\"k\": \"canary-sec\"\"ret\"} > m.json', metrics_path: m.json}
";
    let seen = site.verify(contract).await;
    for name in listing(&seen.artifacts) {
        let text = std::fs::read_to_string(seen.artifacts.join(&name)).unwrap();
        assert!(!text.contains("canary-secret"), "{name}: {text}");
    }
    assert!(!format!("{:?}", seen.report).contains("canary-secret"), "{:?}", seen.report);
    let shown = seen.artifact("tests_stdout.txt");
    assert!(shown.starts_with("one ") && shown.ends_with(" two\n"), "{shown}");
}
