//! Where a head goes: forks that are made, found, waited for and refused, and repositories with a new name.

use std::sync::Arc;

use agentpr::adapters::clock::SystemClock;
use agentpr::adapters::forge::github::client::{Login, Secret};
use agentpr::adapters::forge::github::forge::{ForkPolicy, GitHubForge, GitHubForgeSettings};
use agentpr::domain::id::BranchName;
use agentpr::ports::forge::{Forge, ForgeError};
use serde_json::json;

use super::super::gate::Wish;
use super::super::github_client::login::key;
use super::{ME, REPO, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_is_made_and_waited_for_where_we_may_not_push() {
    let stage = Stage::new();
    stage.github.admin("forks", &json!({"looks": 2}));
    let work = stage.work().await;
    let branch = &work.spec.head_branch;
    assert_eq!(stage.forge().branch_head(&work.spec, branch).await.unwrap(), None);
    assert_eq!(stage.asked("POST", "/forks"), 0, "looking makes nothing");
    assert_eq!(work.push(&stage).await.unwrap(), work.change.head_sha);
    let fork = format!("{ME}/parser");
    let state = stage.github.state();
    assert_eq!(state["repositories"][&fork]["fork_of"], stage.id());
    assert_eq!(
        state["repositories"][&fork]["refs"][format!("refs/heads/{branch}")],
        work.change.head_sha.as_str()
    );
    let found = stage.forge().branch_head(&work.spec, branch).await.unwrap();
    assert_eq!(found.as_ref(), Some(&work.change.head_sha));
    let main = stage.forge().branch_head(&work.spec, &BranchName::new("main").unwrap()).await.unwrap();
    assert_eq!(main, Some(stage.sha()), "other branches are looked for in the repository itself");
    let opened = work.open(&stage, &Wish::default()).await.unwrap();
    assert!(!opened.found);
    assert_eq!(stage.pull()["head"]["label"], format!("{ME}:{branch}"));
    let second = stage.work().await;
    second.push(&stage).await.unwrap();
    assert_eq!(stage.asked("POST", "/forks"), 1, "the fork is used again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_is_made_where_it_is_wanted_always() {
    let mut stage = Stage::trusted();
    stage.settings.fork = ForkPolicy::Always;
    let work = stage.work().await;
    work.push(&stage).await.unwrap();
    work.open(&stage, &Wish::default()).await.unwrap();
    assert_eq!(stage.pull()["head"]["label"], format!("{ME}:{}", work.spec.head_branch));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_that_is_there_says_where_its_branch_stays() {
    let stage = Stage::new();
    let work = stage.work().await;
    work.push(&stage).await.unwrap();
    work.open(&stage, &Wish::default()).await.unwrap();
    stage.github.allow(REPO, ME, "push");
    let newer = stage.again(&work, "3\n").await;
    let binding = work.binding(&newer, Some(stage.id()));
    let approved = super::super::gate::approval(
        &work.run,
        &work.spec,
        &binding,
        &Wish { id: "req-2", ..Wish::default() },
    );
    let forge = stage.forge();
    let pushed = forge.push(&work.spec, &approved.push_permit(), Some(&work.change.head_sha)).await.unwrap();
    assert_eq!(pushed, newer.head_sha);
    let opened = forge.open_pr(&work.spec, &approved).await.unwrap();
    assert!(opened.found);
    assert_eq!(stage.pull()["head"]["sha"], newer.head_sha.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_has_the_name_of_a_fork_is_refused() {
    let stage = Stage::new();
    let work = stage.work().await;
    stage.github.repository(&format!("{ME}/parser"), &[("other", "x\n")]);
    let refused = work.push(&stage).await.unwrap_err();
    assert!(matches!(refused, ForgeError::Refused(_)), "{refused}");
    assert!(refused.to_string().contains("is no fork"), "{refused}");
    let stage = Stage::new();
    let work = stage.work().await;
    stage.github.repository("other/parser", &[("other", "x\n")]);
    let forked =
        stage.github.call("POST", "/api/v3/repos/other/parser/forks", Some(&stage.token), Some(&json!({})));
    assert_eq!(forked.status, 202);
    let refused = work.push(&stage).await.unwrap_err();
    assert!(refused.to_string().contains("is a fork of `other/parser`"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_with_a_new_name_is_followed() {
    let stage = Stage::new();
    let work = stage.work().await;
    stage.github.act(REPO, "rename", &json!({"name": "reader"}));
    stage.github.act("acme/reader", "transfer", &json!({"owner": "newco"}));
    assert_eq!(stage.forge().repo_id(&work.spec).await.unwrap(), Some(stage.id()));
    work.push(&stage).await.unwrap();
    let opened = work.open(&stage, &Wish::default()).await.unwrap();
    let pulls = stage.github.pulls("newco/reader");
    assert_eq!(pulls.len(), 1);
    assert_eq!(pulls[0]["number"], opened.number.get());
    let document = stage.forge().pr_document(&work.spec, opened.number).await.unwrap().unwrap();
    assert!(document.contains(work.change.head_sha.as_str()), "{document}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_took_the_name_a_moment_ago_is_not_mistaken_for_the_old_one() {
    let stage = Stage::new();
    let (_, spec) = super::super::world::run_of(REPO);
    let forge = stage.forge();
    assert_eq!(forge.repo_id(&spec).await.unwrap(), Some(stage.id()));
    stage.github.act(REPO, "rename", &json!({"name": "reader"}));
    let other = stage.github.repository(REPO, &[("other", "x\n")]);
    assert_eq!(forge.repo_id(&spec).await.unwrap(), other["id"].as_u64());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_repository_takes_nothing() {
    let stage = Stage::trusted();
    let work = stage.work().await;
    stage.github.act(REPO, "archive", &json!({"archived": true}));
    let refused = work.push(&stage).await.unwrap_err();
    assert!(matches!(&refused, ForgeError::Refused(why) if why.contains("archived")), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_we_are_and_what_we_may_is_told() {
    let stage = Stage::trusted();
    let (_, spec) = super::super::world::run_of(REPO);
    let access = stage.forge().access(Some(&spec)).await.unwrap().unwrap();
    assert_eq!(access.login, ME);
    assert!(access.repository.is_some_and(|reached| reached.may_push && !reached.is_closed));
    assert!(
        access.limits.iter().any(|limit| limit.name == "REST" && limit.of == 5_000),
        "{:?}",
        access.limits
    );
    let (_, spec) = super::super::world::run_of("acme/none");
    assert!(matches!(stage.forge().access(Some(&spec)).await, Err(ForgeError::NotFound(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_pushes_though_github_shows_it_no_rights() {
    let Some(key_pem) = key() else { return };
    let stage = Stage::new();
    let installations = json!([{"id": 7, "account": "acme"}]);
    stage.github.admin("apps", &json!({"id": 42, "slug": "robot", "installations": installations}));
    let login = || Login::App { app_id: 42, installation: 7, key_pem: Secret::new(&key_pem) };
    for fork in [ForkPolicy::Auto, ForkPolicy::Never] {
        let work = stage.work().await;
        let approved = work.approved(&stage, &Wish::default());
        let client = stage.client_of(login());
        let control = stage.control(&client);
        let settings = GitHubForgeSettings { fork, ..stage.settings.clone() };
        let forge = GitHubForge::new(client, settings, control, Arc::new(SystemClock::new()));
        let pushed = forge.push(&work.spec, &approved.push_permit(), None).await.unwrap();
        assert_eq!(pushed, work.change.head_sha, "{fork:?}");
        forge.open_pr(&work.spec, &approved).await.unwrap();
        let access = forge.access(Some(&work.spec)).await.unwrap().unwrap();
        assert_eq!(access.login, "robot[bot]");
        assert!(access.repository.is_some_and(|reached| reached.may_push));
    }
    let pulls = stage.github.pulls(REPO);
    assert!(pulls.iter().all(|pull| pull["user"] == "robot[bot]"), "{pulls:#?}");
    assert_eq!(pulls.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_under_another_name_is_used() {
    let stage = Stage::new();
    let fork = format!("/api/v3/repos/{REPO}/forks");
    let forked = stage.github.call("POST", &fork, Some(&stage.token), Some(&json!({})));
    assert_eq!(forked.status, 202);
    stage.github.act("mabel/parser", "rename", &json!({"name": "my-parser"}));
    // A name that was taken again leads nowhere any more.
    stage.github.repository("mabel/parser", &[("other", "x\n")]);
    stage.github.act("mabel/parser", "delete", &json!({}));
    let work = stage.work().await;
    assert_eq!(work.push(&stage).await.unwrap(), work.change.head_sha);
    work.open(&stage, &Wish::default()).await.unwrap();
    assert_eq!(stage.pull()["head"]["sha"], work.change.head_sha.as_str());
    let there = format!("refs/heads/{}", work.spec.head_branch);
    let state = stage.github.state();
    assert_eq!(state["repositories"]["mabel/my-parser"]["refs"][there], work.change.head_sha.as_str());
    let found = stage.forge().branch_head(&work.spec, &work.spec.head_branch).await.unwrap();
    assert_eq!(found, Some(work.change.head_sha.clone()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_that_has_nothing_yet_is_waited_for() {
    let stage = Stage::new();
    let plan = json!([{"path_regex": "/repos/mabel/parser/git/ref/", "kind": "error_before", "status": 409}]);
    stage.github.faults(&plan);
    let work = stage.work().await;
    assert_eq!(work.push(&stage).await.unwrap(), work.change.head_sha);
}
