//! Pushing: where it goes, what stops it, and who learns the token.

use std::path::PathBuf;
use std::sync::Arc;

use agentpr::adapters::clock::SystemClock;
use agentpr::adapters::forge::github::forge::GitHubForge;
use agentpr::adapters::git::control::ControlRepos;
use agentpr::adapters::git::program::Git;
use agentpr::domain::id::{BranchName, CommitSha};
use agentpr::ports::forge::{Forge, ForgeError};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::gate::{Wish, approval};
use super::super::world::parent;
use super::{ME, REPO, Stage, files_below};
use crate::harness::git::{commit_on, tip};

#[tokio::test(flavor = "multi_thread")]
async fn with_permission_the_branch_goes_to_the_repository_itself() {
    let stage = Stage::trusted();
    let work = stage.work().await;
    assert_eq!(work.push(&stage).await.unwrap(), work.change.head_sha);
    let branch = format!("refs/heads/{}", work.spec.head_branch);
    assert_eq!(tip(&stage.dir(), &branch).as_deref(), Some(work.change.head_sha.as_str()));
    assert_eq!(stage.asked("POST", "/forks"), 0);
    let head = stage.forge().branch_head(&work.spec, &work.spec.head_branch).await.unwrap();
    assert_eq!(head, Some(work.change.head_sha.clone()));
    // Once more is no act.
    assert_eq!(work.push(&stage).await.unwrap(), work.change.head_sha);
    assert_eq!(stage.asked("POST", "git-receive-pack"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_refused_when_the_branch_moved() {
    let stage = Stage::trusted();
    let work = stage.work().await;
    let branch = work.spec.head_branch.as_str();
    let theirs = stage.github.push_by_other(REPO, branch, "eve", ("b", "x\n"));
    let refused = work.push(&stage).await.unwrap_err();
    assert!(matches!(&refused, ForgeError::Moved { found, .. } if *found == theirs), "{refused}");
    assert_eq!(stage.asked("POST", "git-receive-pack"), 0);
    // Left there, it may be moved on.
    let approved = work.approved(&stage, &Wish::default());
    let theirs = CommitSha::new(theirs).unwrap();
    let pushed = stage.forge().push(&work.spec, &approved.push_permit(), Some(&theirs)).await.unwrap();
    assert_eq!(pushed, work.change.head_sha);
}

#[tokio::test(flavor = "multi_thread")]
async fn default_and_base_branches_are_never_pushed_to() {
    let stage = Stage::trusted();
    let mut work = stage.work().await;
    for (base, head) in [(None, "main"), (Some("release"), "release")] {
        work.spec.base_branch = base.map(|base| BranchName::new(base).unwrap());
        work.spec.head_branch = BranchName::new(head).unwrap();
        let refused = work.push(&stage).await.unwrap_err();
        assert!(matches!(refused, ForgeError::Refused(_)), "{refused}");
    }
    assert_eq!(stage.asked("POST", "git-receive-pack"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_in_no_file_and_no_address() {
    let stage = Stage::new();
    let work = stage.work().await;
    work.push(&stage).await.unwrap();
    work.open(&stage, &Wish::default()).await.unwrap();
    for (path, bytes) in files_below(stage.root.path()) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&stage.token), "{}", path.display());
    }
    for request in stage.github.requests() {
        assert!(!request.to_string().contains(&stage.token), "{request}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_may_not_push_is_told_so_without_the_token() {
    let mut stage = Stage::new();
    stage.settings.fork = agentpr::adapters::forge::github::forge::ForkPolicy::Never;
    let work = stage.work().await;
    let denied = work.push(&stage).await.unwrap_err();
    assert!(matches!(denied, ForgeError::Denied(_)), "{denied}");
    assert!(denied.to_string().contains("fork") && !denied.to_string().contains(&stage.token), "{denied}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_whose_answer_is_lost_is_found_to_be_done() {
    let stage = Stage::trusted();
    let work = stage.work().await;
    stage
        .github
        .faults(&json!([{"method": "POST", "path_regex": "git-receive-pack", "kind": "reset_after"}]));
    assert_eq!(work.push(&stage).await.unwrap(), work.change.head_sha);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_fails_is_a_reason_to_come_again() {
    let stage = Stage::trusted();
    let work = stage.work().await;
    let plan = json!([{"method": "POST", "path_regex": "git-receive-pack", "times": 9, "kind": "error_before", "status": 502}]);
    stage.github.faults(&plan);
    let failed = work.push(&stage).await.unwrap_err();
    assert!(failed.is_transient(), "{failed:?}");
    stage.github.faults(&json!([]));
    assert_eq!(work.push(&stage).await.unwrap(), work.change.head_sha);
}

/// GitHub's words, as a hook of the repository says them.
fn refuse_workflows(stage: &Stage, repository: &str) {
    let dir = stage.github.state()["repositories"][repository]["dir"].as_str().unwrap().to_owned();
    let hook = std::path::Path::new(&dir).join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    let words = "refusing to allow a GitHub App to create or update workflow `.github/workflows/ci.yml` without `workflows` permission";
    std::fs::write(&hook, format!("#!/bin/sh\ncat >/dev/null\necho '{words}' >&2\nexit 1\n")).unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_behind_on_workflows_is_told_from_a_change_that_touches_them() {
    let stage = Stage::new();
    let first = stage.work().await;
    first.push(&stage).await.unwrap();
    let fork = format!("{ME}/parser");
    refuse_workflows(&stage, &fork);
    commit_on(&stage.dir(), "main", "ci", &[(".github/workflows/ci.yml", "on: push\n")]);
    stage.github.act(REPO, "look", &json!({}));
    let behind = stage.work_with("b", "2\n").await;
    let refused = behind.push(&stage).await.unwrap_err();
    let words = refused.to_string();
    assert!(matches!(refused, ForgeError::Refused(_)), "{words}");
    assert!(
        words.contains("FORK_BEHIND_WORKFLOWS") && words.contains(&format!("gh repo sync {fork}")),
        "{words}"
    );
    let touching = stage.work_with(".github/workflows/ci.yml", "on: []\n").await;
    let words = touching.push(&stage).await.unwrap_err().to_string();
    assert!(words.contains("the change touches") && !words.contains("FORK_BEHIND"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_of_another_repository_opens_nothing() {
    let stage = Stage::trusted();
    let work = stage.work().await;
    work.push(&stage).await.unwrap();
    let approved = approval(&work.run, &work.spec, &work.binding(&work.change, Some(1)), &Wish::default());
    let refused = stage.forge().open_pr(&work.spec, &approved).await.unwrap_err();
    assert!(matches!(refused, ForgeError::Refused(_)), "{refused}");
    assert!(stage.github.pulls(REPO).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_the_operator_keeps_for_that_host_is_not_pushed_with() {
    let stage = Stage::trusted();
    let eve = stage.github.user("eve");
    stage.github.allow(REPO, "eve", "push");
    let work = stage.work().await;
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".netrc"), format!("machine 127.0.0.1 login eve password {eve}\n"))
        .unwrap();
    let mut env = parent();
    env.insert("HOME".to_owned(), home.path().display().to_string());
    let git = Git::new(&env).asking_with(PathBuf::from(env!("CARGO_BIN_EXE_agentpr")));
    let control = ControlRepos::new(stage.root.path().join("data"), git);
    let forge =
        GitHubForge::new(stage.client(), stage.settings.clone(), control, Arc::new(SystemClock::new()));
    let approved = work.approved(&stage, &Wish::default());
    forge.push(&work.spec, &approved.push_permit(), None).await.unwrap();
    let ours = hex::encode(&Sha256::digest(stage.token.as_bytes())[..8]);
    let requests = stage.github.requests();
    let is_push = |request: &&Value| {
        request["method"] == "POST"
            && request["path"].as_str().is_some_and(|path| path.ends_with("git-receive-pack"))
    };
    let pushes: Vec<&Value> = requests.iter().filter(is_push).collect();
    assert!(
        !pushes.is_empty() && pushes.iter().all(|request| request["token"] == ours.as_str()),
        "{pushes:#?}"
    );
}
