//! `doctor` and the automatic gate, as people and scripts meet them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use agentpr::app::doctor::Profile;
use agentpr::config::{Config, Environment, Flags};
use agentpr::daemon::Wiring;
use agentpr::surfaces::cli::{Access, Wire};
use serde_json::Value;

use super::create;
use crate::harness::sandbox::finish;
use crate::harness::world::World;
use crate::harness::{Answer, Sandbox};

/// A search path with these programs of this machine and no others.
fn only(sandbox: &Sandbox, names: &[&str]) -> PathBuf {
    let bin = sandbox.path().join("only");
    fs::create_dir_all(&bin).unwrap();
    for name in names {
        let path = std::env::var_os("PATH").unwrap();
        let mut found = std::env::split_paths(&path).map(|dir| dir.join(name));
        symlink(found.find(|path| path.is_file()).unwrap(), bin.join(name)).unwrap();
    }
    bin
}

fn run_with(sandbox: &Sandbox, env: &[(&str, &Path)], args: &[&str]) -> Answer {
    let mut command = sandbox.command(args);
    for (name, value) in env {
        command.env(name, value);
    }
    finish(command.spawn().unwrap())
}

/// A program of the test's own, written by a child so that no fork of another test holds it open.
fn program(sandbox: &Sandbox, name: &str, script: &str) -> PathBuf {
    let path = sandbox.write(&format!("{name}.text"), &format!("#!/bin/sh\n{script}\n"));
    let made = sandbox.path().join(name);
    let mut sh = std::process::Command::new("sh");
    let status =
        sh.args(["-c", "cat \"$1\" > \"$2\" && chmod 755 \"$2\"", "sh"]).arg(&path).arg(&made).status();
    assert!(status.unwrap().success());
    made
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name} in {report:#}"))
}

#[test]
fn a_report_has_the_fields_of_the_first_agentpr_and_a_remedy_for_each_failure() {
    let sandbox = Sandbox::new();
    let args = ["--json", "doctor", "--skip-network-check", "--require-codex", "--require-telegram-token"];
    let bin = only(&sandbox, &["git", "sh"]);
    let report = run_with(&sandbox, &[("PATH", &bin)], &args).code(7).json();
    assert_eq!(report["ok"], false);
    assert!(report["duration_ms"].is_u64() && report["context"]["require_codex"] == true, "{report:#}");
    assert_eq!(
        report["failures"],
        serde_json::json!(["cmd.codex: not found on PATH", "env.AGENTPR_TELEGRAM_BOT_TOKEN: not set"])
    );
    for entry in report["checks"].as_array().unwrap() {
        let severity = entry["severity"].as_str().unwrap();
        assert!(["error", "warning", "info"].contains(&severity), "{entry}");
        let mends = entry["remedy"].as_str().unwrap();
        assert_eq!(mends.is_empty(), entry["ok"] == true, "a command for what failed: {entry}");
        assert!(entry["detail"].is_string() && entry["transient"].is_boolean(), "{entry}");
    }
    for name in
        ["workspace.write", "git.version", "space.data", "store.sqlite", "store.journal", "clock", "modes"]
    {
        assert_eq!(check(&report, name)["ok"], true, "{name}");
    }
    assert!(check(&report, "sandbox")["detail"].as_str().unwrap().starts_with("tier "));
}

#[test]
fn neither_gh_nor_python_nor_a_network_is_needed() {
    let sandbox = Sandbox::new();
    let bin = only(&sandbox, &["git", "sh"]);
    let env: &[(&str, &Path)] = &[("PATH", &bin)];
    let report = run_with(&sandbox, env, &["--json", "doctor"]).ok().json();
    assert_eq!(report["ok"], true);
    assert!(!report["checks"].to_string().contains("\"net."), "no host is asked: {report:#}");
    let order = ["create-run", "--owner", "o", "--repo", "r", "--prompt-version", "v", "--run-id", "a"];
    let _made = run_with(&sandbox, env, &order).ok();
    let _moved = run_with(&sandbox, env, &["start-discovery", "--run-id", "a"]).ok();
}

#[test]
fn the_gate_names_its_profile_and_three_failures_and_is_skipped_on_demand() {
    let sandbox = Sandbox::new();
    let _made = create(&sandbox, "a");
    let empty = only(&sandbox, &[]);
    let env: &[(&str, &Path)] = &[("PATH", &empty)];
    let cases: &[(&str, &[&str])] = &[
        ("basic", &["start-discovery", "--run-id", "a"]),
        ("basic", &["create-run", "--owner", "o", "--repo", "r", "--prompt-version", "v"]),
        ("github", &["run-prepare", "--run-id", "a"]),
        ("github", &["run-finish", "--run-id", "a", "--changes", "x"]),
        ("github", &["request-open-pr", "--run-id", "a", "--title", "t", "--body", "b"]),
        ("agent", &["run-agent-step", "--run-id", "a", "--prompt", "x"]),
        ("manager", &["manager-tick"]),
        ("manager", &["run-manager-loop", "--max-loops", "1"]),
    ];
    for (profile, args) in cases {
        let answer = run_with(&sandbox, env, &[&["--json"], *args].concat()).code(7).json();
        assert_eq!(
            answer["error"],
            format!(
                "startup doctor gate failed ({profile}): cmd.git: not found on PATH; cmd.sh: not found on PATH. Run `agentpr doctor` for full details."
            ),
            "{args:?}"
        );
        assert_eq!(answer["code"], "not_ready");
        assert!(
            check(&answer["report"], "cmd.git")["remedy"].as_str().unwrap().contains("install"),
            "{answer:#}"
        );
    }
    assert_eq!(sandbox.state("a"), "QUEUED", "nothing was done");
    let _skipped = run_with(&sandbox, env, &["--skip-doctor", "start-discovery", "--run-id", "a"]).ok();
    for free in [&["list"][..], &["show", "a"], &["pause", "a"], &["resume", "a"]] {
        let _ungated = run_with(&sandbox, env, free).ok();
    }
}

#[test]
fn gh_is_asked_for_only_by_a_remote_at_github_without_a_token() {
    let sandbox = Sandbox::new();
    let order = ["create-run", "--owner", "o", "--repo", "r", "--prompt-version", "v", "--run-id"];
    let _far = sandbox.agentpr(&[&order[..], &["a", "--remote", "https://github.com/o/r.git"]].concat()).ok();
    let bin = only(&sandbox, &["git", "sh"]);
    let env: &[(&str, &Path)] = &[("PATH", &bin)];
    let answer = run_with(&sandbox, env, &["run-prepare", "--run-id", "a"]).code(7);
    assert!(answer.stderr.contains("gate failed (github): cmd.gh: not found on PATH"), "{}", answer.stderr);
    let look = ["--json", "doctor", "--skip-network-check"];
    let report = run_with(&sandbox, env, &look).code(7).json();
    assert_eq!(report["failures"], serde_json::json!(["cmd.gh: not found on PATH"]));
    let _waived = run_with(&sandbox, env, &[&look[..], &["--no-require-gh-auth"]].concat()).ok();
    let token: &[(&str, &Path)] = &[("PATH", &bin), ("GH_TOKEN", Path::new("canary-token"))];
    let answer = run_with(&sandbox, token, &look).ok();
    assert_eq!(check(&answer.json(), "gh.auth")["detail"], "GH_TOKEN is set");
    assert!(!answer.stdout.contains("canary-token"), "a secret is never shown");

    // Nothing answers there, so nothing leaves this machine.
    let nowhere = Path::new("http://127.0.0.1:1");
    let own: &[(&str, &Path)] = &[
        ("PATH", &bin),
        ("AGENTPR_GITHUB_TOKEN", Path::new("canary-token")),
        ("https_proxy", nowhere),
        ("HTTPS_PROXY", nowhere),
    ];
    assert_eq!(
        check(&run_with(&sandbox, own, &look).ok().json(), "gh.auth")["detail"],
        "AGENTPR_GITHUB_TOKEN is set"
    );
    let prepared = run_with(&sandbox, own, &["run-prepare", "--run-id", "a"]);
    assert!(!prepared.stderr.contains("gate failed"), "{}", prepared.stderr);

    let said = program(
        &sandbox,
        "only/gh",
        "echo one >&2; echo; echo two >&2; echo three >&2; echo four >&2; exit 1",
    );
    let report = run_with(&sandbox, env, &look).code(7).json();
    assert_eq!(check(&report, "gh.auth")["detail"], "one | two | three", "{}", said.display());
    assert_eq!(check(&report, "gh.auth")["remedy"], "gh auth login");
}

#[test]
fn an_agent_that_is_too_old_is_a_warning_and_where_it_is_may_be_named() {
    let sandbox = Sandbox::new();
    let bin = only(&sandbox, &["git", "sh"]);
    let codex = program(&sandbox, "my-codex", "echo codex-cli 0.22.9");
    program(&sandbox, "only/claude", "echo '2.1.128 (Claude Code)'");
    program(&sandbox, "only/opencode", "echo soon");
    let env: &[(&str, &Path)] = &[("PATH", &bin), ("AGENTPR_CODEX_BIN", &codex)];
    let args = ["--json", "doctor", "--skip-network-check", "--require-codex"];
    let report = run_with(&sandbox, env, &args).ok().json();
    assert_eq!(check(&report, "cmd.codex")["ok"], true);
    let old = check(&report, "agent.codex");
    assert_eq!((&old["ok"], &old["severity"]), (&false.into(), &"warning".into()), "{old}");
    assert!(report["warnings"].to_string().contains("older than 0.23.0"), "{report:#}");
    assert_eq!(check(&report, "agent.claude")["ok"], true);
    assert_eq!(check(&report, "agent.opencode")["ok"], false, "no version is no safe version");
    assert_eq!(check(&report, "agent.aider")["detail"], "not installed");
}

#[test]
fn fix_mends_what_is_safe_says_it_and_takes_nothing() {
    let sandbox = Sandbox::new();
    let data = sandbox.path().join("data");
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&data, 0o755);
    mode(&sandbox.db(), 0o644);
    let stale = sandbox.write("data/.agentpr-new-abc", "");
    let hour = SystemTime::now() - Duration::from_secs(2 * 3600);
    fs::File::options().write(true).open(&stale).unwrap().set_modified(hour).unwrap();
    let over = ["create-run", "--owner", "o", "--repo", "r", "--prompt-version", "v", "--run-id"];
    for run in ["dead", "alive"] {
        let _made = sandbox.agentpr(&[&over[..], &[run]].concat()).ok();
        sandbox.write(&format!("data/scratch/{run}/half"), "");
        sandbox.write(&format!("data/artifacts/{run}/log.txt"), "kept");
    }
    let _ended = sandbox.agentpr(&["cancel", "dead"]).ok();
    let kept = sandbox.write("data/workspaces-of-mine/notes.txt", "mine");
    let look = ["--json", "doctor", "--skip-network-check"];
    let report = sandbox.agentpr(&look).code(7).json();
    let loose = check(&report, "modes");
    assert_eq!(loose["remedy"], format!("chmod 700 {}", data.display()), "{loose}");
    fs::remove_dir(data.join("workspaces")).unwrap();
    let report = sandbox.agentpr(&[&look[..], &["--fix"]].concat()).ok().json();
    let done = report["fixed"].to_string();
    for said in ["make ", "set mode 700 on ", "set mode 600 on ", "remove "] {
        assert!(done.contains(said), "{said}: {done}");
    }
    assert!(!stale.exists() && kept.exists());
    assert!(!data.join("scratch/dead").exists() && data.join("scratch/alive/half").exists());
    assert!(data.join("artifacts/dead/log.txt").exists(), "what a run left for people stays");
    assert_eq!(fs::metadata(sandbox.db()).unwrap().permissions().mode() & 0o777, 0o600);
    let again = sandbox.agentpr(&["doctor", "--skip-network-check", "--fix"]).ok();
    assert!(again.stdout.starts_with("There is nothing to mend."), "{}", again.stdout);
}

#[test]
fn f73_a_store_that_cannot_be_used_is_a_finding_and_is_not_replaced() {
    let sandbox = Sandbox::empty();
    let wrong = sandbox.write("notes.txt", "these are my notes, not a store of anything\n");
    let db = wrong.display().to_string();
    let report = sandbox.agentpr(&["--db", &db, "--json", "doctor", "--skip-network-check"]).code(7).json();
    assert_eq!(check(&report, "store")["ok"], false);
    assert!(fs::read_to_string(&wrong).unwrap().starts_with("these are"), "it is as it was");
    let missing = sandbox.path().join("none.db").display().to_string();
    let report =
        sandbox.agentpr(&["--db", &missing, "--json", "doctor", "--skip-network-check"]).code(7).json();
    let remedy = check(&report, "store")["remedy"].as_str().unwrap().to_owned();
    assert_eq!(remedy, format!("agentpr --db {missing} init-db"));
    assert!(!Path::new(&missing).exists());
}

#[test]
fn a_gate_costs_less_than_5_ms() {
    let sandbox = Sandbox::new();
    let variables = [("AGENTPR_DATA_DIR", sandbox.path().join("data").into_os_string())];
    let path = ("PATH", std::env::var_os("PATH").unwrap());
    let environment: Environment =
        variables.into_iter().chain([path]).map(|(name, value)| (name.into(), value)).collect();
    let config = Config::load(&Flags::default(), &environment).unwrap();
    let app = Wiring.open(&config, Access::Write, World::new()).unwrap();
    for profile in [Profile::Basic, Profile::Github, Profile::Agent, Profile::Manager] {
        let time = || {
            let begin = Instant::now();
            assert!(app.gate_check(profile, None).is_ok());
            begin.elapsed()
        };
        // The best of many, because other tests want the processor too.
        let best = (0..30).map(|_| time()).min().unwrap();
        assert!(best < Duration::from_millis(5), "{}: {best:?}", profile.name());
    }
}
