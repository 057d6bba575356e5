//! The whole way on one page: prepare, work, capture, check, push, open.

use agentpr::domain::evidence::{AttemptOutcome, CheckOutcome, CheckSource};
use agentpr::ports::forge::Forge;
use agentpr::ports::workspace::Workspace;

use super::gate::approved;
use super::world::{World, git, put, run};

#[tokio::test]
async fn a_task_goes_from_a_clone_to_a_pull_request() {
    let world = World::with(&[("answer.txt", "41\n"), ("Makefile", "test:\n\tgrep -qx 42 answer.txt\n")]);
    let (id, spec) = run();
    let prepared = world.workspace.prepare(&id, &spec).await.unwrap();
    let report =
        world.work(&id, &spec, "expect-prompt please fix\nreplace answer.txt 41 => 42\nprint done").await;
    assert_eq!(report.outcome, AttemptOutcome::Succeeded, "{:?}", report.evidence);
    let change = world.capture(&id, &spec, &prepared).await.unwrap().unwrap();
    assert_eq!((change.stat.files, change.stat.insertions, change.stat.deletions), (1, 1, 1));
    let checks = world.check(&id, &spec, &change.head_sha, &[]).await.unwrap();
    assert_eq!(
        (checks.source, checks.outcome()),
        (CheckSource::Detected, CheckOutcome::Passed),
        "{checks:?}"
    );
    let approved = approved(&world, &id, &spec, &prepared, &change, "req-1").await;
    let pushed = world.forge.push(&spec, &approved.push_permit(), None).await.unwrap();
    assert_eq!(pushed, change.head_sha);
    let opened = world.forge.open_pr(&spec, &approved).await.unwrap();
    assert_eq!((opened.number.get(), opened.found), (1, false));
    let document = world.forge.pr_document(&spec, opened.number).await.unwrap().unwrap();
    assert!(document.contains(change.head_sha.as_str()), "{document}");
}

#[tokio::test]
async fn a_remote_with_a_cut_off_history_will_do() {
    let world = World::with(&[("a", "1\n")]);
    let made = world.root.path().join("made/owner/repo");
    for text in ["2\n", "3\n"] {
        put(&made.join("a"), text);
        git(&made, &["commit", "--quiet", "--all", "-m", "more"]);
    }
    let shallow = world.root.path().join("shallow");
    let from = format!("file://{}", made.display());
    git(world.root.path(), &["clone", "--quiet", "--depth=1", &from, "shallow"]);
    let (id, mut spec) = run();
    spec.remote = Some(shallow.display().to_string());
    let prepared = world.workspace.prepare(&id, &spec).await.unwrap();
    world.work(&id, &spec, "write a 4\ncommit mine").await;
    let change = world.capture(&id, &spec, &prepared).await.unwrap().unwrap();
    let checks = world.check(&id, &spec, &change.head_sha, &["grep -qx 4 a"]).await.unwrap();
    assert_eq!(checks.outcome(), CheckOutcome::Passed);
    let approved = approved(&world, &id, &spec, &prepared, &change, "req-1").await;
    world.forge.push(&spec, &approved.push_permit(), None).await.unwrap();
    assert_eq!(world.forge.open_pr(&spec, &approved).await.unwrap().number.get(), 1);
}
