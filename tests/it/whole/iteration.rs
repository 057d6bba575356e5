//! The second round: the forge sends a pull request back, and the same one is brought up to date.

use crate::harness::git;

use super::Scene;

impl Scene {
    /// A run whose pull request is open and whose checks at the forge then failed.
    fn sent_back(&self, run: &str) -> String {
        self.at_the_gate(run);
        let (token, file) = self.ask(run);
        let _opened = self.approve(run, &token, &file).ok();
        let first = git::tip(&self.remote, &format!("refs/heads/agentpr/{run}")).unwrap();
        let red = ["record-check", "--run-id", run, "--conclusion", "failure"];
        let _red = self.sandbox.agentpr(&red).ok();
        assert_eq!(self.sandbox.state(run), "ITERATING");
        first
    }
}

#[test]
fn a_red_check_leads_to_a_new_commit_on_the_same_pull_request() {
    let scene = Scene::new();
    let first = scene.sent_back("r1");
    let script = "expect-prompt ended with `failure`\nexpect-prompt Say 42\nwrite notes.txt why it is 42\n";
    scene.sandbox.write("fix.script", script);
    let before = git::all_refs(&scene.remote);
    let _ticked = scene.sandbox.agentpr(&["manager-tick", "--run-id", "r1"]).ok();
    let shown = scene.sandbox.json(&["show", "r1"]);
    assert_eq!(shown["state"], "NEEDS_HUMAN_REVIEW", "{shown}");
    assert_eq!(git::all_refs(&scene.remote), before, "nothing is pushed before the second approval");

    let (token, file) = scene.ask("r1");
    let _opened = scene.approve("r1", &token, &file).ok();
    assert_eq!(scene.sandbox.state("r1"), "CI_WAIT");
    let second = git::tip(&scene.remote, "refs/heads/agentpr/r1").unwrap();
    assert_ne!(first, second);
    let parent = git::git(&scene.remote, &["rev-parse", &format!("{second}^")]);
    assert_eq!(parent, first, "the new commit is on top of the first");
    assert_eq!(git::git(&scene.remote, &["show", &format!("{second}:answer.txt")]), "42");
    assert_eq!(git::git(&scene.remote, &["show", &format!("{second}:notes.txt")]), "why it is 42");
    assert_eq!(git::pull_requests(&scene.remote), [1]);
    assert_eq!(git::tip(&scene.remote, "refs/pull/1/head").unwrap(), second);
    let _verified = scene.sandbox.agentpr(&["verify-log"]).ok();

    // A result about the first commit comes late and moves nothing; one about the second does.
    for (sha, state) in [(&first, "CI_WAIT"), (&second, "REVIEW_WAIT")] {
        let conclusion = if sha == &first { "failure" } else { "success" };
        let told = ["record-check", "--run-id", "r1", "--conclusion", conclusion, "--head-sha", sha];
        let _told = scene.sandbox.agentpr(&told).ok();
        assert_eq!(scene.sandbox.state("r1"), state);
    }
}

#[test]
fn a_second_round_that_changes_nothing_is_a_persons_matter() {
    let scene = Scene::new();
    let first = scene.sent_back("r1");
    scene.sandbox.write("fix.script", "print I see nothing wrong\n");
    let _ticked = scene.sandbox.agentpr(&["manager-tick", "--run-id", "r1"]);
    let why = scene.sandbox.agentpr(&["why", "r1"]).ok();
    assert!(why.stdout.contains("no_change"), "{}", why.stdout);
    assert_eq!(git::tip(&scene.remote, "refs/heads/agentpr/r1").unwrap(), first);
}

#[test]
fn a_workspace_that_was_deleted_between_two_rounds_takes_nothing_back() {
    let scene = Scene::new();
    let first = scene.sent_back("r1");
    let shown = scene.sandbox.json(&["show-run", "--run-id", "r1"]);
    let workspace = shown["prepared"]["workspace"].as_str().unwrap();
    std::fs::remove_dir_all(workspace).unwrap();
    scene.sandbox.write("fix.script", "write notes.txt why it is 42\n");
    let _ticked = scene.sandbox.agentpr(&["manager-tick", "--run-id", "r1"]).ok();
    let (token, file) = scene.ask("r1");
    let _opened = scene.approve("r1", &token, &file).ok();
    let changed = git::git(&scene.remote, &["diff", "--name-only", &first, "agentpr/r1"]);
    assert_eq!(changed, "notes.txt");
}

#[test]
fn a_commit_that_somebody_added_to_the_branch_is_not_overwritten() {
    let scene = Scene::new();
    scene.sent_back("r1");
    scene.sandbox.write("fix.script", "write notes.txt why it is 42\n");
    let _ticked = scene.sandbox.agentpr(&["manager-tick", "--run-id", "r1"]).ok();
    let theirs = git::commit_on(&scene.remote, "agentpr/r1", "Theirs", &[("theirs.txt", "1\n")]);
    let (token, file) = scene.ask("r1");
    let refused = scene.approve("r1", &token, &file);
    assert_ne!(refused.code, Some(0), "{}", refused.stdout);
    assert_eq!(git::tip(&scene.remote, "refs/heads/agentpr/r1").unwrap(), theirs);
    assert_eq!(git::pull_requests(&scene.remote), [1]);
}
