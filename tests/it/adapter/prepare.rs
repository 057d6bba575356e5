//! Workspaces as they are made.

use std::fs;
use std::path::PathBuf;

use agentpr::domain::id::BranchName;
use agentpr::ports::workspace::{Workspace, WorkspaceError};

use super::world::{AUTHOR, World, git, put, run};

#[tokio::test]
async fn a_clone_is_on_its_branch_with_objects_of_its_own_and_no_remote() {
    let world = World::with(&[("a", "1\n")]);
    let (id, spec) = run();
    let prepared = world.workspace.prepare(&id, &spec).await.unwrap();
    let clone = PathBuf::from(&prepared.workspace);
    assert_eq!(clone, world.workspace.path(&spec.repo, &id));
    assert_eq!(git(&clone, &["branch", "--show-current"]).trim(), spec.head_branch.as_str());
    assert_eq!(git(&clone, &["rev-parse", "HEAD"]).trim(), prepared.base_sha.as_str());
    assert_eq!(git(&clone, &["config", "user.name"]).trim(), AUTHOR);
    assert_eq!(git(&clone, &["remote"]), "");
    assert_eq!(git(&clone, &["status", "--porcelain"]), "");
    assert!(!clone.join(".git/objects/info/alternates").exists());
    assert_eq!(prepared.base_branch.as_str(), "main");
}

#[tokio::test]
async fn two_runs_on_one_repository_prepare_at_once() {
    let world = World::with(&[("a", "1\n")]);
    let ((one, spec_one), (two, spec_two)) = (run(), run());
    let (first, second) =
        tokio::join!(world.workspace.prepare(&one, &spec_one), world.workspace.prepare(&two, &spec_two));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.base_sha, second.base_sha);
    assert_ne!(first.workspace, second.workspace);
}

#[tokio::test]
async fn preparing_again_keeps_a_finished_clone_and_makes_an_unfinished_one_again() {
    let world = World::with(&[("a", "1\n")]);
    let (id, spec) = run();
    let prepared = world.workspace.prepare(&id, &spec).await.unwrap();
    let clone = PathBuf::from(&prepared.workspace);
    put(&clone.join("work"), "kept\n");
    // The remote goes on meanwhile; the run does not follow it.
    let work = world.root.path().join("made/owner/repo");
    git(&work, &["commit", "--quiet", "--allow-empty", "-m", "later"]);
    git(&work, &["push", "--quiet", world.remote("owner/repo").to_str().unwrap(), "HEAD:main"]);
    assert_eq!(world.workspace.prepare(&id, &spec).await.unwrap(), prepared);
    assert!(clone.join("work").exists());

    let unfinished = clone.with_file_name(format!("{id}.unfinished"));
    fs::rename(&clone, &unfinished).unwrap();
    let again = world.workspace.prepare(&id, &spec).await.unwrap();
    assert_eq!(again, prepared);
    assert!(!clone.join("work").exists() && !unfinished.exists());
}

#[tokio::test]
async fn a_deleted_workspace_is_made_again_as_it_was_captured_last() {
    let world = World::with(&[("a", "1\n")]);
    let (id, spec) = run();
    let prepared = world.workspace.prepare(&id, &spec).await.unwrap();
    let clone = PathBuf::from(&prepared.workspace);
    put(&clone.join("work"), "kept\n");
    let change = world.capture(&id, &spec, &prepared).await.unwrap().unwrap();
    fs::remove_dir_all(&clone).unwrap();
    assert_eq!(world.workspace.prepare(&id, &spec).await.unwrap(), prepared);
    assert_eq!(fs::read_to_string(clone.join("work")).unwrap(), "kept\n");
    assert_eq!(git(&clone, &["rev-parse", "HEAD"]).trim(), change.head_sha.as_str());
    let again = world.capture(&id, &spec, &prepared).await.unwrap().unwrap();
    assert_eq!(again.tree, change.tree);
}

#[tokio::test]
async fn the_work_never_goes_to_the_branch_it_is_built_on() {
    let world = World::with(&[("a", "1\n")]);
    git(&world.remote("owner/repo"), &["branch", "next", "main"]);
    let (id, mut spec) = run();
    spec.head_branch = BranchName::new("main").unwrap();
    assert!(matches!(world.workspace.prepare(&id, &spec).await, Err(WorkspaceError::OwnBranch(_))));
    spec.base_branch = Some(BranchName::new("next").unwrap());
    assert!(matches!(world.workspace.prepare(&id, &spec).await, Err(WorkspaceError::OwnBranch(_))));
    spec.head_branch = BranchName::new("next").unwrap();
    assert!(matches!(world.workspace.prepare(&id, &spec).await, Err(WorkspaceError::OwnBranch(_))));
    spec.head_branch = BranchName::new("mine").unwrap();
    assert_eq!(world.workspace.prepare(&id, &spec).await.unwrap().base_branch.as_str(), "next");
}

#[tokio::test]
async fn a_remote_or_branch_that_is_not_there_is_said_by_name() {
    let world = World::with(&[("a", "1\n")]);
    let (id, mut spec) = run();
    spec.base_branch = Some(BranchName::new("nowhere").unwrap());
    assert!(matches!(world.workspace.prepare(&id, &spec).await, Err(WorkspaceError::NoBranch { .. })));
    spec.base_branch = None;
    spec.remote = Some(world.root.path().join("nothing").display().to_string());
    assert!(matches!(world.workspace.prepare(&id, &spec).await, Err(WorkspaceError::Remote { .. })));
    let canary = world.root.path().join("canary");
    for remote in [
        format!("--upload-pack=touch {}", canary.display()),
        format!("ext::sh -c touch% {}", canary.display()),
        "relative/path".to_owned(),
        "http://user:canary-secret@localhost/x".to_owned(),
    ] {
        spec.remote = Some(remote);
        let refused = world.workspace.prepare(&id, &spec).await.unwrap_err();
        assert!(!refused.to_string().contains("canary-secret"), "{refused}");
    }
    assert!(!canary.exists());
}

#[tokio::test]
async fn removing_a_workspace_leaves_nothing_of_the_run() {
    let world = World::with(&[("a", "1\n")]);
    let (id, spec) = run();
    assert_eq!(world.workspace.remove(&spec.repo, &id).await.unwrap(), 0);
    let prepared = world.workspace.prepare(&id, &spec).await.unwrap();
    world.work(&id, &spec, "write a 2").await;
    world.capture(&id, &spec, &prepared).await.unwrap().unwrap();
    assert!(world.workspace.remove(&spec.repo, &id).await.unwrap() > 0);
    assert!(!PathBuf::from(&prepared.workspace).exists());
    assert!(!world.environment.runtime_dir(&id).exists() && !world.environment.scratch_dir(&id).exists());
    assert_eq!(git(&world.control.path(&spec.repo), &["for-each-ref"]), "");
    assert_eq!(world.workspace.remove(&spec.repo, &id).await.unwrap(), 0);
}

#[test]
fn a_host_that_does_not_answer_is_not_waited_for_without_end() {
    use agentpr::adapters::git::program::Git;
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (ssh, said) = (folder.path().join("ssh"), folder.path().join("said"));
    put(&ssh, &format!("#!/bin/sh\necho \"$@\" > {}\nexit 255\n", said.display()));
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    let mut parent = super::world::parent();
    let path = format!("{}:{}", folder.path().display(), parent["PATH"]);
    parent.insert("PATH".to_owned(), path);
    let git = Git::new(&parent);
    let call = git.anywhere(folder.path()).question().run(["ls-remote", "--", "ssh://git@example.invalid/a"]);
    assert!(call.output().is_err());
    let said = fs::read_to_string(said).unwrap();
    for option in ["BatchMode=yes", "ConnectTimeout=20", "ServerAliveInterval=15"] {
        assert!(said.contains(option), "{said}");
    }
}
