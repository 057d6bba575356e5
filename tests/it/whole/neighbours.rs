//! Runs that must not meet: the same repository name under two owners, two runs on one repository.

use crate::harness::git;

use super::{CHECK, Scene};

#[test]
fn two_owners_of_a_name_and_two_runs_of_a_repository_do_not_meet() {
    let scene = Scene::new();
    let other =
        scene.sandbox.with_remote("Bob", "parser", &[("answer.txt", "7\n"), ("check.sh", "exit 0\n")]);
    let others_agent = scene.sandbox.fake_agent("other.script", "write answer.txt 8\n");
    let submit = |owner: &str, run: &str, agent: &str| {
        let answer = scene.sandbox.agentpr(&[
            "submit", "--owner", owner, "--repo", "parser", "--run-id", run, "--task", "t", "--agent", agent,
            "--check", CHECK,
        ]);
        let _run = answer.ok();
    };
    submit("acme", "one", &scene.agent);
    submit("acme", "two", &scene.agent);
    submit("Bob", "three", &others_agent);
    let _ticked = scene.sandbox.agentpr(&["manager-tick"]).ok();
    for run in ["one", "two", "three"] {
        let (token, file) = scene.ask(run);
        let _opened = scene.approve(run, &token, &file).ok();
    }
    let answer = |remote, run: &str| git::git(remote, &["show", &format!("agentpr/{run}:answer.txt")]);
    assert_eq!(
        (answer(&scene.remote, "one"), answer(&scene.remote, "two")),
        ("42".to_owned(), "42".to_owned())
    );
    assert_eq!(answer(&other, "three"), "8");
    assert_eq!(git::pull_requests(&scene.remote).len(), 2);
    assert_eq!(git::pull_requests(&other), [1]);
}
