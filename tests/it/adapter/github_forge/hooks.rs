//! Hooks that are ours, and what they have sent.

use agentpr::adapters::clock::SystemClock;
use agentpr::domain::id::RepoSlug;
use agentpr::domain::time::Timestamp;
use agentpr::ports::clock::Clock;
use agentpr::ports::forge::ForgeError;
use agentpr::ports::payload::Hooks;
use serde_json::Value;

use super::{ME, REPO, Stage};

/// A repository whose hook sends to where nobody listens.
fn hooked() -> (Stage, RepoSlug, u64) {
    let stage = Stage::new();
    stage.github.allow(REPO, ME, "admin");
    let hook = stage.github.hook(REPO, "http://127.0.0.1:9/none", "secret", &["push"]);
    stage.github.flush();
    (stage, REPO.parse().unwrap(), hook)
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_grouped_by_delivery_over_all_pages() {
    let (stage, repo, hook) = hooked();
    for number in 0..120 {
        stage.github.push_by_other(REPO, "work", "acme", ("b", &format!("{number}\n")));
    }
    stage.github.flush();
    let forge = stage.forge();
    let hooks = forge.hooks(&repo).await.unwrap();
    assert_eq!(hooks.len(), 1);
    assert_eq!(
        (hooks[0].id, hooks[0].active, hooks[0].events.as_slice()),
        (hook, true, &["push".to_owned()][..])
    );
    let sent = forge.sent(&repo, hook, Timestamp(0)).await.unwrap();
    assert_eq!(sent.iter().filter(|one| one.event == "push").count(), 120);
    assert!(sent.iter().all(|one| !one.taken));
    assert!(sent.windows(2).all(|pair| pair[0].at <= pair[1].at), "oldest first");
    let first = sent.iter().find(|one| one.event == "push").unwrap();
    let path = format!("/api/v3/repos/{REPO}/hooks/{hook}/deliveries/{}/attempts", first.attempt);
    assert_eq!(stage.github.call("POST", &path, Some(&stage.token), None).status, 202);
    stage.github.flush();
    let again = forge.sent(&repo, hook, Timestamp(0)).await.unwrap();
    assert_eq!(again.len(), sent.len(), "another attempt is no other delivery");
    let found = again.iter().find(|one| one.id == first.id).unwrap();
    assert!(found.attempt > first.attempt && found.at == first.at);
    let payload = forge.payload(&repo, hook, found.attempt).await.unwrap();
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(payload["ref"], "refs/heads/work");
    let later = Timestamp(SystemClock::new().now().wall.0 + 60_000);
    assert!(forge.sent(&repo, hook, later).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_of_others_are_not_ours_to_look_into() {
    let stage = Stage::new();
    let repo: RepoSlug = REPO.parse().unwrap();
    let refused = stage.forge().hooks(&repo).await;
    assert!(matches!(refused, Err(ForgeError::Denied(_))), "{refused:?}");
    let refused = stage.forge().payload(&repo, 1, 1).await;
    assert!(matches!(refused, Err(ForgeError::Denied(_))), "{refused:?}");
}
