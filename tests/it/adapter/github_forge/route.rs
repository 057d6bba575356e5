//! Which forge a run is on: one choice for the forge and for everything that fetches.

use std::sync::Arc;

use agentpr::adapters::clock::SystemClock;
use agentpr::adapters::forge::github::client::{Login, Secret};
use agentpr::adapters::forge::github::forge::GitHubForge;
use agentpr::adapters::forge::local::LocalForge;
use agentpr::adapters::forge::routed::RoutedForge;
use agentpr::adapters::git::place::{GitHubPlace, GitHubUse, Place};
use agentpr::adapters::git::remote::Remotes;
use agentpr::ports::forge::{Forge, ForgeError};
use agentpr::ports::workspace::Workspace;
use serde_json::json;

use super::super::world::run_of;
use super::{REPO, Stage};
use crate::harness::git::bare_remote;

fn remotes(root: &std::path::Path, web_url: &str, when: GitHubUse, is_known: bool) -> Remotes {
    let place = GitHubPlace::new(web_url, when, Arc::new(move || is_known));
    Remotes::new(root.to_owned()).with_github(place)
}

#[test]
fn an_address_of_github_is_known_however_it_is_written() {
    let root = tempfile::tempdir().unwrap();
    let remotes = remotes(root.path(), "https://github.com", GitHubUse::Auto, false);
    let place = |remote: &str| {
        let (_, mut spec) = run_of(REPO);
        spec.remote = Some(remote.to_owned());
        remotes.place(&spec)
    };
    for there in [
        "https://github.com/acme/parser",
        "https://github.com/acme/parser.git",
        "https://GitHub.com/Acme/Parser/",
        "https://github.com:443/acme/parser.git",
        "git@github.com:acme/parser.git",
        "git@github.com:acme/parser",
        "org-1@GITHUB.com:acme/parser",
        "ssh://git@github.com/acme/parser.git",
        "ssh://git@github.com:22/acme/parser",
        "ssh://git@ssh.github.com:443/acme/parser.git",
    ] {
        let Ok(Place::GitHub(remote)) = place(there) else { panic!("{there}: {:?}", place(there)) };
        assert_eq!(remote.address(), "https://github.com/acme/parser.git", "{there}");
    }
    for elsewhere in [
        "https://gitlab.com/acme/parser.git",
        "https://github.com.evil.example/acme/parser.git",
        "https://example.com/github.com/acme/parser",
        "git@example.com:acme/parser.git",
        "/srv/github.com/acme/parser.git",
        "file:///github.com/acme/parser.git",
        "https://github.com:8443/acme/parser.git",
    ] {
        let Ok(Place::Local(remote)) = place(elsewhere) else {
            panic!("{elsewhere}: {:?}", place(elsewhere))
        };
        assert_eq!(remote.address(), elsewhere);
    }
    for other in [
        "https://github.com/acme/other",
        "git@github.com:eve/parser.git",
        "https://github.com/acme",
        "https://github.com/acme/parser/tree/main",
    ] {
        assert!(place(other).is_err(), "{other}");
    }
}

#[test]
fn a_run_without_an_address_is_here_if_its_repository_is() {
    let root = tempfile::tempdir().unwrap();
    let is_there = |when, is_known| {
        let (_, spec) = run_of(REPO);
        matches!(
            remotes(root.path(), "https://github.com", when, is_known).place(&spec),
            Ok(Place::GitHub(_))
        )
    };
    assert!(is_there(GitHubUse::Auto, true));
    assert!(!is_there(GitHubUse::Auto, false), "nobody is logged in");
    assert!(is_there(GitHubUse::Always, false));
    bare_remote(&root.path().join("acme/parser.git"), &[("a", "1\n")]);
    assert!(!is_there(GitHubUse::Auto, true));
    assert!(is_there(GitHubUse::Always, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_run_is_asked_about_where_it_is() {
    let stage = Stage::new();
    let client = stage.client();
    let control = stage.control(&client);
    let local = LocalForge::new(stage.remotes(), control.clone());
    let github = GitHubForge::new(client, stage.settings.clone(), control, Arc::new(SystemClock::new()));
    let forge = RoutedForge::new(stage.remotes(), local, github);
    let (_, there) = run_of(REPO);
    assert_eq!(forge.repo_id(&there).await.unwrap(), Some(stage.id()));
    assert!(forge.drafts(&there));
    bare_remote(&stage.root.path().join("forge/acme/here.git"), &[("a", "1\n")]);
    let (_, here) = run_of("acme/here");
    assert_eq!(forge.repo_id(&here).await.unwrap(), None);
    assert!(!forge.drafts(&here));
    assert!(forge.branch_head(&here, &"main".parse().unwrap()).await.unwrap().is_some());
    let (_, mut wrong) = run_of(REPO);
    wrong.remote = Some(format!("{}/acme/other.git", stage.github.web()));
    let refused = forge.repo_id(&wrong).await;
    assert!(matches!(refused, Err(ForgeError::Refused(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_repository_is_fetched_without_a_login_and_a_private_one_with_it() {
    let stage = Stage::new();
    let nobody = stage.client_of(Login::Later(Arc::new(|| None)));
    let (run, spec) = run_of(REPO);
    stage.workspace_of(&nobody).prepare(&run, &spec).await.unwrap();
    let private = json!({"owner": "acme", "name": "secret", "private": true, "files": {"a": "1\n"}, "rights": {"mabel": "pull"}});
    stage.github.admin("repos", &private);
    let (run, spec) = run_of("acme/secret");
    let refused = stage.workspace_of(&nobody).prepare(&run, &spec).await.unwrap_err();
    assert!(refused.to_string().contains("acme/secret"), "{refused}");
    stage.workspace_of(&stage.client()).prepare(&run, &spec).await.unwrap();
    let token = Secret::new(&stage.token);
    let later = stage.client_of(Login::Later(Arc::new(move || Some(token.clone()))));
    let (run, spec) = run_of("acme/secret");
    stage.workspace_of(&later).prepare(&run, &spec).await.unwrap();
}
