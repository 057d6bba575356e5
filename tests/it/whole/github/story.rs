//! The whole story, from a task to a merged pull request, with every process killed three times.

use super::stage::{Hears, REPO, Stage};

fn story(hears: Hears) {
    let mut stage = Stage::new(hears);
    let agent = format!("command:sh {}", stage.sandbox.path().join("agent.sh").display());
    let submit = [
        "submit",
        "--owner",
        "acme",
        "--repo",
        "parser",
        "--run-id",
        "r1",
        "--task",
        "Say 42",
        "--check",
        "sh check.sh",
        "--agent",
        &agent,
    ];
    let _run = stage.agentpr(&submit).ok();
    stage.reaches("NEEDS_HUMAN_REVIEW", "ready_for_review");
    assert!(stage.github.pulls(REPO).is_empty(), "nothing leaves before two confirmations");

    stage.die_and_rise();
    stage.confirm_twice();
    stage.until("the pull request is open", |stage| stage.github.pulls(REPO).len() == 1);
    let pull = stage.pull();
    let first = pull["head"]["sha"].as_str().unwrap().to_owned();
    assert_eq!(pull["head"]["label"].as_str().unwrap().split(':').next(), Some("helpful-bot"), "{pull}");
    assert_eq!(pull["draft"], true, "{pull}");
    let body = pull["body"].as_str().unwrap();
    for part in ["## Summary", "Say 42", "`sh check.sh`", "passed, exit 0", &first, "agentpr run=r1"] {
        assert!(body.contains(part), "{part} is not in {body}");
    }

    stage.check(&first, "failure");
    stage.github.flush();
    stage.die_and_rise();
    stage.reaches("NEEDS_HUMAN_REVIEW", "ready_for_review");
    let events = stage.agentpr(&["events", "r1"]).ok().stdout;
    assert!(events.contains("pr.sent_back") && events.contains("ci / unit"), "{events}");
    let prompt = prompts(&stage);
    assert!(prompt.contains("FAIL: mended.txt is missing"), "{prompt}");

    stage.confirm_twice();
    stage.until("the update is there", |stage| stage.pull()["head"]["sha"] != first.as_str());
    let second = stage.pull()["head"]["sha"].as_str().unwrap().to_owned();
    assert!(stage.pull()["body"].as_str().unwrap().contains(&second), "the evidence is that of the update");
    stage.die_and_rise();
    stage.check(&second, "success");
    stage.reaches("REVIEW_WAIT", "checks_passed");
    let grace = stage.github.user("grace");
    assert!(!grace.is_empty());
    stage.github.review(REPO, 1, "grace", "approved", "fine");
    stage.github.merge(REPO, 1);
    stage.reaches("DONE", "merged");

    assert_eq!(stage.pull()["merged"], true);
    let _sound = stage.agentpr(&["verify-log"]).ok();
    nothing_keeps_the_token(&stage);
}

/// Every prompt the agent got.
fn prompts(stage: &Stage) -> String {
    let folder = stage.sandbox.path().join("data/artifacts/r1");
    let mut all = String::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if entry.file_name().to_string_lossy().ends_with("prompt.md") {
                all.push_str(&std::fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    all
}

/// The token is in no file that was made: not in the store, not in git's settings, not in a log.
fn nothing_keeps_the_token(stage: &Stage) {
    let mut folders = vec![stage.sandbox.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                let found = bytes.windows(stage.token.len()).any(|window| window == stage.token.as_bytes());
                assert!(!found, "{} has the token in it", path.display());
            }
        }
    }
}

#[test]
fn a_task_becomes_a_merged_pull_request_by_webhooks_although_everything_dies_three_times() {
    story(Hears::Webhooks);
}

#[test]
fn a_task_becomes_a_merged_pull_request_without_a_single_webhook() {
    story(Hears::Questions);
}
