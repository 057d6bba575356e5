//! The gate at the command line: each refusal with its own reason and exit code, and the remote as it was.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use agentpr::adapters::store::sqlite::SqliteStore;
use agentpr::domain::actor::Actor;
use agentpr::domain::event::PrRequested;
use agentpr::domain::gate::Gate;
use agentpr::domain::id::{RunId, Version};
use agentpr::domain::run::Run;
use agentpr::domain::time::Timestamp;
use agentpr::ports::store::{Append, EventStore};

use crate::harness::{Answer, git};

use super::Scene;

#[track_caller]
fn refused(answer: Answer, exit: i32, code: &str) {
    let answer = answer.code(exit);
    let told = answer.json();
    assert_eq!((told["code"].as_str(), told["ok"].as_bool()), (Some(code), Some(false)), "{told}");
    assert!(!told["hint"].as_str().unwrap().is_empty(), "{told}");
}

#[test]
fn each_refusal_has_its_reason_and_leaves_the_remote_alone() {
    let scene = Scene::new();
    scene.at_the_gate("r1");
    scene.at_the_gate("r2");
    let (older, older_file) = scene.ask("r1");
    let (token, file) = scene.ask("r1");
    let (foreign, _) = scene.ask("r2");
    let before = git::all_refs(&scene.remote);
    let name = file.display().to_string();

    refused(scene.approve("r1", &foreign, &file), 3, "token_of_another_run");
    refused(scene.approve("r1", &older, &file), 5, "superseded");
    refused(scene.approve("r1", &older, &older_file), 5, "request_file_mismatch");
    let without_confirm = scene.sandbox.agentpr(&[
        "--json",
        "approve-open-pr",
        "--run-id",
        "r1",
        "--request-file",
        &name,
        "--confirm-token",
        &token,
    ]);
    refused(without_confirm, 3, "not_confirmed");

    let text = fs::read_to_string(&file).unwrap();
    let forged = scene.sandbox.write("forged.json", &text.replace("feat: say 42", "feat: say 43"));
    refused(scene.approve("r1", &token, &forged), 5, "request_file_mismatch");
    let invented = scene.sandbox.write("invented.json", "{\"token\": \"A\", \"head\": \"evil:main\"}");
    refused(scene.approve("r1", &token, &invented), 5, "request_file_mismatch");

    for _ in 0..4 {
        refused(scene.approve("r1", "WRONG", &file), 3, "wrong_token");
    }
    refused(scene.approve("r1", "WRONG", &file), 3, "too_many_wrong_tokens");
    refused(scene.approve("r1", &token, &file), 3, "too_many_wrong_tokens");
    assert_eq!(git::all_refs(&scene.remote), before);
}

#[test]
fn a_token_can_come_by_a_way_that_no_list_of_processes_shows() {
    let scene = Scene::new();
    scene.at_the_gate("r1");
    let (token, _) = scene.ask("r1");
    let args = ["approve-open-pr", "--run-id", "r1", "--confirm-token", "-", "--confirm"];
    let mut child = scene.sandbox.command(&args).stdin(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{token}").unwrap();
    let _opened = crate::harness::sandbox::finish(child).ok();
    assert_eq!(git::pull_requests(&scene.remote), [1]);
}

#[test]
fn a_used_token_is_used() {
    let scene = Scene::new();
    scene.at_the_gate("r1");
    let (token, file) = scene.ask("r1");
    let _opened = scene.approve("r1", &token, &file).ok();
    let before = git::all_refs(&scene.remote);
    refused(scene.approve("r1", &token, &file), 5, "token_already_used");
    assert_eq!(git::all_refs(&scene.remote), before);
}

#[test]
fn a_moved_base_and_a_moved_head_are_stale() {
    let scene = Scene::new();
    scene.at_the_gate("r1");
    let (token, file) = scene.ask("r1");
    git::commit_on(&scene.remote, "main", "Move", &[("other.txt", "1\n")]);
    refused(scene.approve("r1", &token, &file), 5, "stale");

    // The manual path has pushed before the gate; then somebody adds a commit to the branch.
    for verb in [
        ["mark-local-validated", "--run-id", "r1"].as_slice(),
        &["run-finish", "--run-id", "r1", "--changes", "Say 42"],
    ] {
        let _done = scene.sandbox.agentpr(verb).ok();
    }
    let (token, file) = scene.ask("r1");
    git::commit_on(&scene.remote, "agentpr/r1", "One more", &[("more.txt", "1\n")]);
    let before = git::all_refs(&scene.remote);
    refused(scene.approve("r1", &token, &file), 5, "stale");
    assert_eq!(git::all_refs(&scene.remote), before);
    assert!(git::pull_requests(&scene.remote).is_empty());
}

#[test]
fn an_expired_token_is_refused() {
    let scene = Scene::new();
    scene.at_the_gate("r1");
    let (token, _) = scene.ask("r1");
    make_older(&scene, "r1", 31);
    let before = git::all_refs(&scene.remote);
    let answer = scene.sandbox.agentpr(&[
        "--json",
        "approve-open-pr",
        "--run-id",
        "r1",
        "--confirm-token",
        &token,
        "--confirm",
    ]);
    refused(answer, 3, "expired");
    assert_eq!(git::all_refs(&scene.remote), before);
}

/// Records the open request again as it would be had it been made some minutes ago.
fn make_older(scene: &Scene, run: &str, minutes: u32) {
    let store = SqliteStore::open(&scene.sandbox.db()).unwrap();
    let run = Run::fold(&store.events_of(&RunId::new(run).unwrap(), Version(0)).unwrap()).unwrap().unwrap();
    let Gate::Open { mut request, .. } = run.gate else { panic!("no request is open") };
    request.issued.wall = Timestamp(request.issued.wall.0 - i64::from(minutes) * 60_000);
    request.issued.monotonic_ms = request.issued.monotonic_ms.saturating_sub(u64::from(minutes) * 60_000);
    let append = Append {
        run: run.id,
        expected: run.version,
        fence: None,
        actor: Actor::cli("tester"),
        at: run.updated_at,
        cause: None,
        key: None,
        events: vec![(PrRequested { request }.into(), run.state)],
    };
    store.append(&append).unwrap();
}

#[test]
fn of_two_approvals_at_once_one_opens_one_pull_request() {
    let scene = Scene::new();
    scene.at_the_gate("r1");
    let (token, file) = scene.ask("r1");
    let file = file.display().to_string();
    let args = [
        "--json",
        "approve-open-pr",
        "--run-id",
        "r1",
        "--request-file",
        &file,
        "--confirm-token",
        &token,
        "--confirm",
    ];
    let children: Vec<_> = (0..2).map(|_| scene.sandbox.command(&args).spawn().unwrap()).collect();
    let answers: Vec<_> = children.into_iter().map(crate::harness::sandbox::finish).collect();
    let mut codes: Vec<_> = answers.iter().map(|answer| answer.code.unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 5], "{answers:?}");
    assert_eq!(git::pull_requests(&scene.remote), [1]);
    assert_eq!(scene.sandbox.state("r1"), "CI_WAIT");
}
