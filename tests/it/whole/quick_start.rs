//! The quick start of seed 004, in the order and with the option names of its README.

use std::fs;

use crate::harness::{Sandbox, git};

use super::{CHECK, FILES};

#[test]
fn the_quick_start_runs_as_it_is_written() {
    let sandbox = Sandbox::empty();
    let remote = sandbox.with_remote("acme", "parser", FILES);
    let agent = sandbox
        .fake_agent("fix.script", "expect-prompt Say 42\nwrite answer.txt 42\nwrite new.txt a new file\n");
    let contract = sandbox.write("contract.md", "Say 42.\n").display().to_string();
    let prompt = sandbox.write("prompt.md", "Say 42 in answer.txt.\n").display().to_string();
    let body = sandbox.write("body.md", "It said 41.\n").display().to_string();

    let _made = sandbox.agentpr(&["init-db"]).ok();
    let _healthy = sandbox.types("doctor --skip-network-check --no-require-gh-auth").ok();
    let created = sandbox.json(&[
        "create-run",
        "--owner",
        "acme",
        "--repo",
        "parser",
        "--prompt-version",
        "v1",
        "--budget-json",
        "{\"max_run_minutes\": 60}",
        "--check",
        CHECK,
    ]);
    let run = created["run_id"].as_str().unwrap();
    assert!(run.starts_with("run_") && run.len() == 16, "{run}");

    let event = |args: &[&str]| {
        let told = sandbox.json(args);
        (told["event_type"].as_str().unwrap().to_owned(), told["state"].as_str().unwrap().to_owned())
    };
    let told = |event: &str, state: &str| (event.to_owned(), state.to_owned());
    assert_eq!(event(&["start-discovery", "--run-id", run]), told("command.start.discovery", "DISCOVERY"));
    assert_eq!(sandbox.json(&["run-prepare", "--run-id", run])["ok"], true);
    assert_eq!(
        event(&["mark-plan-ready", "--run-id", run, "--contract-path", &contract]),
        told("worker.discovery.completed", "PLAN_READY")
    );
    assert_eq!(
        event(&["start-implementation", "--run-id", run]),
        told("command.start.implementation", "IMPLEMENTING")
    );
    let preflight = sandbox.json(&[
        "run-preflight",
        "--run-id",
        run,
        "--skip-network-check",
        "--codex-sandbox",
        "danger-full-access",
    ]);
    assert_eq!(preflight["ok"], true);
    let step = sandbox.json(&[
        "run-agent-step",
        "--run-id",
        run,
        "--prompt-file",
        &prompt,
        "--agent",
        &agent,
        "--skip-network-check",
        "--codex-sandbox",
        "danger-full-access",
        "--success-state",
        "NEEDS_HUMAN_REVIEW",
    ]);
    assert_eq!((step["ok"].as_bool(), step["state"].as_str()), (Some(true), Some("NEEDS_HUMAN_REVIEW")));
    assert_eq!(step["classification"]["grade"], "PASS");
    assert_eq!(
        event(&["mark-local-validated", "--run-id", run]),
        told("command.local.validation.passed", "LOCAL_VALIDATING")
    );
    let finished = sandbox.json(&[
        "run-finish",
        "--run-id",
        run,
        "--changes",
        "Say 42",
        "--project",
        "PARSER",
        "--commit-title",
        "feat(parser): say 42",
    ]);
    assert_eq!(finished["state"], "PUSHED");
    let branch = format!("agentpr/{run}");
    assert_eq!(finished["branch"], branch.as_str());
    let pushed = git::tip(&remote, &format!("refs/heads/{branch}")).unwrap();
    assert_eq!(git::git(&remote, &["show", "--no-patch", "--format=%s", &pushed]), "feat(parser): say 42");
    assert_eq!(git::git(&remote, &["show", &format!("{pushed}:new.txt")]), "a new file");

    let asked = sandbox.json(&[
        "request-open-pr",
        "--run-id",
        run,
        "--title",
        "feat(parser): say 42",
        "--body-file",
        &body,
    ]);
    let (token, file) = (asked["confirm_token"].as_str().unwrap(), asked["request_file"].as_str().unwrap());
    assert!(!fs::read_to_string(file).unwrap().contains(token), "the token is in no file");
    let approved = sandbox.json(&[
        "approve-open-pr",
        "--run-id",
        run,
        "--request-file",
        file,
        "--confirm-token",
        token,
        "--confirm",
    ]);
    assert_eq!((approved["pr_number"].as_u64(), approved["state"].as_str()), (Some(1), Some("CI_WAIT")));
    assert_eq!(git::tip(&remote, "refs/pull/1/head"), Some(pushed));

    let again = sandbox.json(&["link-pr", "--run-id", run, "--pr-number", "1"]);
    assert_eq!(again["duplicate"], true);
    assert_eq!(
        event(&["record-check", "--run-id", run, "--conclusion", "success", "--pr-number", "1"]),
        told("github.check.completed", "REVIEW_WAIT")
    );
    assert_eq!(event(&["mark-done", "--run-id", run]), told("command.mark.done", "DONE"));

    assert_eq!(sandbox.json(&["list-runs"])["runs"][0]["current_state"], "DONE");
    let shown = sandbox.json(&["show-run", "--run-id", run]);
    assert_eq!((shown["run"]["run_id"].as_str(), shown["state"].as_str()), (Some(run), Some("DONE")));
    assert_eq!(sandbox.json(&["verify-log"])["ok"], true);
    assert_eq!(sandbox.json(&["rebuild-projections"])["ok"], true);
}
