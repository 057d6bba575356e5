//! Pushing and opening: each looks first, and each may be repeated.

use agentpr::domain::evidence::{Change, Prepared};
use agentpr::domain::gate::Approved;
use agentpr::domain::id::{BranchName, PrNumber, RunId};
use agentpr::domain::spec::RunSpec;
use agentpr::ports::forge::{Forge, ForgeError};
use agentpr::ports::workspace::Workspace;

use super::gate::approved;
use super::world::{World, git, put, run};

/// A run with a captured change.
async fn changed(world: &World) -> (RunId, RunSpec, Prepared, Change) {
    let (id, spec) = run();
    let prepared = world.workspace.prepare(&id, &spec).await.unwrap();
    put(&world.workspace.path(&spec.repo, &id).join("a"), "2\n");
    let change = world.capture(&id, &spec, &prepared).await.unwrap().unwrap();
    (id, spec, prepared, change)
}

async fn ready(world: &World) -> (RunSpec, Change, Approved) {
    let (id, spec, prepared, change) = changed(world).await;
    let approved = approved(world, &id, &spec, &prepared, &change, "req-1").await;
    (spec, change, approved)
}

/// The same with the branch at the remote.
async fn pushed(world: &World) -> (RunSpec, Change, Approved) {
    let (spec, change, approved) = ready(world).await;
    world.forge.push(&spec, &approved.push_permit(), None).await.unwrap();
    (spec, change, approved)
}

#[tokio::test]
async fn a_push_is_refused_when_the_branch_moved_and_is_no_act_when_it_is_there() {
    let world = World::with(&[("a", "1\n")]);
    let (spec, change, approved) = ready(&world).await;
    let permit = approved.push_permit();
    let remote = world.remote("owner/repo");
    git(&remote, &["branch", spec.head_branch.as_str(), "main"]);
    let refused = world.forge.push(&spec, &permit, None).await.unwrap_err();
    assert!(matches!(refused, ForgeError::Moved { .. }), "{refused}");
    let refused = world.forge.push(&spec, &permit, Some(&change.head_sha)).await.unwrap_err();
    assert!(matches!(refused, ForgeError::Moved { .. }), "{refused}");
    let main = world.forge.branch_head(&spec, &BranchName::new("main").unwrap()).await.unwrap();
    assert_eq!(world.forge.push(&spec, &permit, main.as_ref()).await.unwrap(), change.head_sha);
    assert_eq!(world.forge.push(&spec, &permit, None).await.unwrap(), change.head_sha);
    assert_eq!(world.forge.branch_head(&spec, &spec.head_branch).await.unwrap(), Some(change.head_sha));
}

#[tokio::test]
async fn a_branch_that_somebody_removed_is_made_again() {
    let world = World::with(&[("a", "1\n")]);
    let (spec, change, approved) = ready(&world).await;
    let gone = world.forge.branch_head(&spec, &BranchName::new("main").unwrap()).await.unwrap();
    let pushed = world.forge.push(&spec, &approved.push_permit(), gone.as_ref()).await.unwrap();
    assert_eq!(pushed, change.head_sha);
}

#[tokio::test]
async fn the_default_branch_is_never_pushed_to() {
    let world = World::with(&[("a", "1\n")]);
    let (id, mut spec, prepared, change) = changed(&world).await;
    spec.head_branch = BranchName::new("main").unwrap();
    let approved = approved(&world, &id, &spec, &prepared, &change, "req-1").await;
    let refused =
        world.forge.push(&spec, &approved.push_permit(), Some(&prepared.base_sha)).await.unwrap_err();
    assert!(matches!(refused, ForgeError::Refused(_)), "{refused}");
}

#[tokio::test]
async fn two_openers_make_one_pull_request() {
    let world = World::with(&[("a", "1\n")]);
    let (spec, change, approved) = pushed(&world).await;
    let (first, second) =
        tokio::join!(world.forge.open_pr(&spec, &approved), world.forge.open_pr(&spec, &approved));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.number, second.number);
    assert!(first.found != second.found, "one of them found it");
    let third = world.forge.open_pr(&spec, &approved).await.unwrap();
    assert_eq!((third.number.get(), third.found), (1, true));
    let refs = git(
        &world.remote("owner/repo"),
        &["for-each-ref", "--format=%(refname)", "refs/agentpr", "refs/pull"],
    );
    assert_eq!(refs, "refs/agentpr/pulls/1\nrefs/pull/1/head\n");
    let text = world.forge.pr_document(&spec, first.number).await.unwrap().unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["head"]["sha"], change.head_sha.as_str());
    assert_eq!(document["approved_by"], "cli:ada");
    let marker = format!("<!-- agentpr run={} req=req-1 -->", approved.run());
    assert!(document["body"].as_str().unwrap().contains(&marker));
    assert!(world.forge.pr_document(&spec, PrNumber::new(9).unwrap()).await.unwrap().is_none());
}

#[tokio::test]
async fn openers_of_different_runs_get_different_numbers() {
    let world = World::with(&[("a", "1\n")]);
    let (one, two) = (pushed(&world).await, pushed(&world).await);
    let (first, second) =
        tokio::join!(world.forge.open_pr(&one.0, &one.2), world.forge.open_pr(&two.0, &two.2));
    let mut numbers = [first.unwrap().number.get(), second.unwrap().number.get()];
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2]);
}

#[tokio::test]
async fn a_later_request_of_the_run_brings_its_pull_request_up_to_date() {
    let world = World::with(&[("a", "1\n")]);
    let (id, spec, prepared, change) = changed(&world).await;
    let first = approved(&world, &id, &spec, &prepared, &change, "req-1").await;
    world.forge.push(&spec, &first.push_permit(), None).await.unwrap();
    world.forge.open_pr(&spec, &first).await.unwrap();
    put(&world.workspace.path(&spec.repo, &id).join("a"), "3\n");
    let newer = world.capture(&id, &spec, &prepared).await.unwrap().unwrap();
    let second = approved(&world, &id, &spec, &prepared, &newer, "req-2").await;
    let opened = world.forge.open_pr(&spec, &second).await.unwrap();
    assert_eq!((opened.number.get(), opened.found), (1, true));
    let text = world.forge.pr_document(&spec, opened.number).await.unwrap().unwrap();
    assert!(text.contains(newer.head_sha.as_str()) && text.contains("req=req-2"), "{text}");
    let head = git(&world.remote("owner/repo"), &["rev-parse", "refs/pull/1/head"]);
    assert_eq!(head.trim(), newer.head_sha.as_str());
}

#[tokio::test]
async fn a_pull_request_that_is_not_ours_is_left_alone() {
    let world = World::with(&[("a", "1\n")]);
    let (spec, _, theirs) = pushed(&world).await;
    world.forge.open_pr(&spec, &theirs).await.unwrap();
    let (id, mut mine, prepared, change) = changed(&world).await;
    mine.head_branch = spec.head_branch;
    let approved = approved(&world, &id, &mine, &prepared, &change, "req-1").await;
    let refused = world.forge.open_pr(&mine, &approved).await.unwrap_err();
    assert!(matches!(refused, ForgeError::Refused(_)), "{refused}");
}

#[tokio::test]
async fn a_remote_that_is_not_there_is_said_by_name() {
    let world = World::new();
    let (_, spec) = run();
    let refused = world.forge.branch_head(&spec, &spec.head_branch).await.unwrap_err();
    assert!(matches!(refused, ForgeError::NotFound(_)), "{refused}");
    assert_eq!(world.forge.repo_id(&spec).await.unwrap(), None);
}

#[tokio::test]
async fn nothing_is_opened_for_a_branch_that_is_not_at_the_approved_commit() {
    let world = World::with(&[("a", "1\n")]);
    let (spec, _, approved) = ready(&world).await;
    assert!(matches!(world.forge.open_pr(&spec, &approved).await, Err(ForgeError::Moved { .. })));
    git(&world.remote("owner/repo"), &["branch", spec.head_branch.as_str(), "main"]);
    assert!(matches!(world.forge.open_pr(&spec, &approved).await, Err(ForgeError::Moved { .. })));
}
