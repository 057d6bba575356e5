//! `run-preflight`: the nine checks in their order, kept on record, and what a step makes of them.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::sandbox::finish;
use crate::harness::skip::skipped;
use crate::harness::{Answer, Sandbox};

/// A world whose run `a` has a workspace with these files; the workspace.
fn prepared(files: &[(&str, &str)]) -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::new();
    let _remote = sandbox.with_remote("o", "r", files);
    let order = ["create-run", "--owner", "o", "--repo", "r", "--prompt-version", "v", "--run-id", "a"];
    let _made = sandbox.agentpr(&[&order[..], &["--check", "true"]].concat()).ok();
    let _workspace = sandbox.agentpr(&["run-prepare", "--run-id", "a"]).ok();
    let workspace = sandbox.path().join("data/workspaces/o/r/a");
    assert!(workspace.is_dir());
    (sandbox, workspace)
}

fn names(report: &Value) -> Vec<&str> {
    report["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect()
}

fn preflight(sandbox: &Sandbox, more: &[&str]) -> Answer {
    sandbox.agentpr(&[&["--json", "run-preflight", "--run-id", "a"], more].concat())
}

#[test]
fn the_checks_come_in_the_order_of_the_first_agentpr_and_are_kept() {
    let files = [("pyproject.toml", "[tool.uv]\n"), ("package.json", "{}"), ("yarn.lock", "")];
    let (sandbox, _) = prepared(&files);
    let answer = preflight(&sandbox, &["--skip-network-check"]);
    let report = answer.json();
    assert_eq!(
        names(&report),
        [
            "repo.exists",
            "repo.scope",
            "git.write",
            "cmd.git",
            "policy.codex_sandbox",
            "cmd.python3",
            "cmd.uv",
            "cmd.yarn",
            "cmd.node"
        ]
    );
    let context = &report["context"];
    assert_eq!(context["python_tools"], serde_json::json!(["uv"]));
    assert_eq!(context["js_tools"], serde_json::json!(["yarn", "node"]));
    for (name, value) in
        [("uses_python", true), ("uses_js", true), ("uses_bun", false), ("check_network", false)]
    {
        assert_eq!(context[name], value, "{name}");
    }
    assert_eq!(sandbox.state("a"), "DISCOVERY", "the run stays where it is");
    let file = report["report_file"].as_str().unwrap();
    assert!(file.ends_with("/a_preflight.json"), "{file}");
    let kept: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(kept["checks"], report["checks"]);
    let artifacts = sandbox.json(&["show", "a"])["artifacts"].to_string();
    assert!(artifacts.contains("preflight_report"), "{artifacts}");
}

#[test]
fn a_project_needs_its_own_tools_and_no_others() {
    let (sandbox, _) = prepared(&[("README.md", "")]);
    let report = preflight(&sandbox, &["--skip-network-check"]).ok().json();
    assert_eq!(names(&report).len(), 5);
    assert!(report["warnings"].to_string().contains("no kind of project"), "{report:#}");
    let (sandbox, _) = prepared(&[("setup.py", ""), ("package.json", "{\"packageManager\": \"bun@1.2\"}")]);
    let bin = sandbox.path().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let mut command = sandbox.command(&["--json", "run-preflight", "--run-id", "a", "--skip-network-check"]);
    let report = finish(command.env("PATH", &bin).spawn().unwrap()).code(7).json();
    let failures = report["failures"].to_string();
    for name in ["cmd.git", "cmd.python3", "cmd.bun", "cmd.node"] {
        assert!(failures.contains(&format!("{name}: not found")), "{failures}");
    }
    assert_eq!(report["context"]["uses_bun"], true);
}

#[test]
fn a_git_directory_that_is_a_link_is_refused_and_not_written_through() {
    let (sandbox, workspace) = prepared(&[("README.md", "")]);
    let elsewhere = sandbox.path().join("elsewhere");
    std::fs::rename(workspace.join(".git"), &elsewhere).unwrap();
    symlink(&elsewhere, workspace.join(".git")).unwrap();
    let report = preflight(&sandbox, &["--skip-network-check"]).code(7).json();
    assert_eq!(report["failures"], serde_json::json!(["git.dir: `.git` is a link"]));
    assert_eq!(report["transient"], false);
}

#[test]
fn a_workspace_that_leads_out_of_the_root_is_refused() {
    let (sandbox, workspace) = prepared(&[("README.md", "")]);
    let elsewhere = sandbox.path().join("elsewhere");
    std::fs::rename(&workspace, &elsewhere).unwrap();
    symlink(&elsewhere, &workspace).unwrap();
    let report = preflight(&sandbox, &["--skip-network-check"]).code(7).json();
    assert!(report["failures"].to_string().contains("repo.scope"), "{report:#}");
}

#[test]
fn a_missing_workspace_fails_with_the_command_that_makes_it() {
    let (sandbox, workspace) = prepared(&[("README.md", "")]);
    std::fs::remove_dir_all(&workspace).unwrap();
    let report = preflight(&sandbox, &["--skip-network-check"]).code(7).json();
    let exists = &report["checks"][0];
    assert_eq!((&exists["name"], &exists["ok"]), (&"repo.exists".into(), &false.into()));
    assert_eq!(exists["remedy"], "agentpr run-prepare --run-id a");
}

/// A registry on this machine that gives every caller the same answer; its address.
fn registry(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut caller in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _read = caller.read(&mut request);
            let _gone = caller.write_all(answer);
        }
    });
    url
}

fn asked(sandbox: &Sandbox, registry: &str, args: &[&str]) -> Answer {
    let mut command = sandbox.command(args);
    finish(command.env("PIP_INDEX_URL", registry).env("no_proxy", "127.0.0.1").spawn().unwrap())
}

#[test]
fn f33_a_registry_that_says_404_is_reachable_and_one_that_is_down_is_a_passing_failure() {
    if !has_python() {
        skipped("python3 not found");
        return;
    }
    let (sandbox, _) = prepared(&[("requirements.txt", "")]);
    let args = ["--json", "run-preflight", "--run-id", "a", "--network-timeout-sec", "2"];
    let there = registry(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    let report = asked(&sandbox, &there, &args).ok().json();
    assert!(names(&report).contains(&format!("net.{there}").as_str()), "{report:#}");
    let broken = registry(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n");
    let report = asked(&sandbox, &broken, &args).code(7).json();
    assert_eq!((&report["ok"], &report["transient"]), (&false.into(), &true.into()), "{report:#}");
    assert_eq!(report["failures"], serde_json::json!([format!("net.{broken}: HTTP 503")]));
}

#[test]
fn a_step_over_a_workspace_that_is_not_ready_goes_to_a_person_with_the_report() {
    let (sandbox, workspace) = prepared(&[("README.md", "")]);
    std::fs::rename(workspace.join(".git"), sandbox.path().join("elsewhere")).unwrap();
    let agent = sandbox.fake_agent("agent.script", "write answer.txt 42\n");
    let step = ["--json", "run-agent-step", "--run-id", "a", "--prompt", "x", "--agent", &agent];
    let answer = sandbox.agentpr(&[&step[..], &["--skip-network-check"]].concat()).code(7).json();
    assert_eq!((&answer["ok"], &answer["error"]), (&false.into(), &"preflight failed".into()));
    assert_eq!(answer["state"], "NEEDS_HUMAN_REVIEW");
    assert_eq!(answer["preflight"]["failures"], serde_json::json!(["git.dir: there is no `.git`"]));
    let shown = sandbox.json(&["show", "a"]);
    assert!(shown.to_string().contains("preflight_failed"), "{shown:#}");
    assert!(!Path::new(&workspace).join("answer.txt").exists(), "the agent was not started");
    // A run that no step fits is refused before anything is looked at.
    let again = sandbox.agentpr(&step).code(1).json();
    assert_eq!(again["state"], "NEEDS_HUMAN_REVIEW", "{again:#}");
    let events = sandbox.json(&["show", "a"])["artifacts"].to_string();
    assert_eq!(events.matches("preflight_report").count(), 1, "{events}");
}

fn has_python() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join("python3").is_file())
}
