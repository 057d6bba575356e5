//! `agents`, and what orders say about agents, roles and budgets.

use serde_json::Value;

use super::step;
use crate::harness::sandbox::finish;
use crate::harness::{Answer, Sandbox};

const ORDER: [&str; 7] = ["create-run", "--owner", "o", "--repo", "r", "--prompt-version", "v"];

/// The order of a run that is made with these options.
fn order(sandbox: &Sandbox, run: &str, options: &[&str]) -> Value {
    let _made = sandbox.agentpr(&[&ORDER[..], &["--run-id", run], options].concat()).ok();
    created(sandbox, run)
}

/// The order in the log of a run.
fn created(sandbox: &Sandbox, run: &str) -> Value {
    let events = sandbox.agentpr(&["--json", "events", run]).ok().stdout;
    let first: Value = serde_json::from_str(events.lines().next().unwrap()).unwrap();
    first["payload"]["spec"].clone()
}

/// A settings file that every call of this world reads, as `--config PATH`.
fn settings(sandbox: &Sandbox, text: &str) -> [String; 2] {
    ["--config".to_owned(), sandbox.write("settings.toml", text).display().to_string()]
}

#[test]
fn an_order_names_models_roles_and_budgets_of_its_own() {
    let sandbox = Sandbox::new();
    let plain = order(&sandbox, "a", &[]);
    assert_eq!((&plain["model"], plain["roles"].as_object().unwrap().len()), (&Value::Null, 0));
    let options = [
        "--model",
        "m-1",
        "--role-agent",
        "plan=command:sh -c true",
        "--role-model",
        "plan=m-2",
        "--role-model",
        "debug=m-3",
        "--budget-tokens",
        "1000",
        "--budget-dollars",
        "2.50",
        "--budget-minutes",
        "3",
        "--budget-turns",
        "4",
    ];
    let spec = order(&sandbox, "b", &options);
    assert_eq!(spec["model"], "m-1");
    assert_eq!(spec["roles"]["plan"]["agent"], "command:sh -c true");
    assert_eq!(
        (&spec["roles"]["plan"]["model"], &spec["roles"]["debug"]["model"]),
        (&"m-2".into(), &"m-3".into())
    );
    assert_eq!(spec["roles"]["debug"]["agent"], Value::Null, "it is the run's");
    let budget = &spec["budgets"]["run"];
    assert_eq!((&budget["tokens"], &budget["micros"]), (&1000.into(), &2_500_000.into()));
    assert_eq!((&budget["secs"], &budget["turns"]), (&180.into(), &4.into()));
}

#[test]
fn an_order_is_laid_over_the_settings_and_a_model_stays_with_its_agent() {
    let sandbox = Sandbox::new();
    let text = "[roles.plan]\nagent = 'command:sh -c one'\nmodel = 'm-1'\n[roles.debug]\nmodel = 'm-2'\n\
        [budget.run]\ntokens = 10\ndollars = 1\n[budget.day]\ntokens = 20\n[limits]\nquota_wait_minutes = 5\n";
    let config = settings(&sandbox, text);
    let config = [config[0].as_str(), config[1].as_str()];
    let by_settings = order(&sandbox, "a", &config);
    assert_eq!(by_settings["roles"]["plan"]["model"], "m-1");
    assert_eq!(by_settings["budgets"]["day"]["tokens"], 20);
    assert_eq!(by_settings["limits"]["quota_wait_minutes"], 5);
    let options = ["--role-agent", "plan=command:sh -c two", "--budget-tokens", "30"];
    let spec = order(&sandbox, "b", &[&config[..], &options].concat());
    assert_eq!(spec["roles"]["plan"], serde_json::json!({ "agent": "command:sh -c two", "model": null }));
    assert_eq!(spec["roles"]["debug"]["model"], "m-2");
    let budget = &spec["budgets"];
    assert_eq!((&budget["run"]["tokens"], &budget["run"]["micros"]), (&30.into(), &1_000_000.into()));
    assert_eq!(budget["day"]["tokens"], 20);
}

#[test]
fn options_about_agents_that_make_no_sense_are_refused() {
    let sandbox = Sandbox::new();
    for (options, word) in [
        (&["--role-agent", "plan"][..], "plan=claude"),
        (&["--role-agent", "cook=claude"], "explore"),
        (&["--role-agent", "plan= "], "agent's name"),
        (&["--role-model", "plan=-x"], "model"),
        (&["--model", "a b"], "model"),
        (&["--budget-dollars", "1.2345678"], "six decimals"),
        (&["--budget-dollars", "0"], "above 0"),
        (&["--budget-tokens", "0"], "budget-tokens"),
    ] {
        let answer = sandbox.agentpr(&[&ORDER[..], options].concat()).code(2);
        assert!(answer.stderr.contains(word), "{options:?}: {}", answer.stderr);
    }
    let answer = sandbox.agentpr(&[&ORDER[..], &["--role-agent", "plan=nonsense"]].concat()).code(2);
    assert!(answer.stderr.contains("nonsense"), "{}", answer.stderr);
}

#[test]
fn a_step_without_any_agent_is_one_of_codex_as_it_was_in_the_first_agentpr() {
    let sandbox = step::implementing();
    let args = ["--json", "run-agent-step", "--run-id", "a", "--prompt", "say 42"];
    let said = sandbox.agentpr(&args);
    assert_ne!(said.code, Some(0));
    assert!(said.stdout.contains("codex"), "{}", said.stdout);
}

fn test_of(sandbox: &Sandbox, script: &str) -> Answer {
    let agent = sandbox.fake_agent("agent.script", script);
    finish(sandbox.command(&["--json", "agents", "--test", &agent]).spawn().unwrap())
}

#[test]
fn a_trial_runs_the_agent_in_a_repository_of_its_own_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let answer = test_of(&sandbox, "print ready\n").ok();
    let said = answer.json();
    assert_eq!(
        (&said["ok"], &said["outcome"], &said["changed"]),
        (&true.into(), &"succeeded".into(), &false.into())
    );
    assert!(answer.stderr.contains("a real call"), "it says so before it costs: {}", answer.stderr);
    let left = std::fs::read_dir(sandbox.path().join("data")).unwrap().flatten();
    let left: Vec<String> = left.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(!left.iter().any(|name| name.starts_with("agent-test-")), "{left:?}");
    assert_eq!(sandbox.json(&["list"])["runs"].as_array().map(Vec::len), Some(0), "it is no run");

    // Behind a wall it cannot, without one it is found out: either way it was asked to change nothing.
    let said = test_of(&sandbox, "write answer.txt 42\n").code(1).json();
    let is_walled = said["tier"] != "open";
    assert_eq!((&said["ok"], &said["changed"]), (&false.into(), &(!is_walled).into()), "{said}");
    let said = test_of(&sandbox, "print no such key\nexit 3\n").code(1).json();
    assert!(said["log"].as_str().unwrap().contains("no such key"), "{said}");
}

#[test]
fn a_trial_needs_a_name() {
    let sandbox = Sandbox::new();
    let _usage = sandbox.agentpr(&["agents", "--test"]).code(2);
    let answer = sandbox.agentpr(&["agents", "--test", "nonsense"]).code(2);
    assert!(answer.stderr.contains("nonsense"), "{}", answer.stderr);
    let answer = sandbox.agentpr(&["agents", "nonsense"]).code(4);
    assert!(answer.stderr.contains("nonsense"), "{}", answer.stderr);
}

/// A program that says what codex says of itself, with these options in its help.
pub(super) fn fake_codex(sandbox: &Sandbox, version: &str, help: &str) -> String {
    let script = format!("#!/bin/sh\ncase $1 in --version) echo {version};; *) echo '{help}';; esac\n");
    let text = sandbox.write("codex.text", &script);
    let made = sandbox.path().join("codex");
    // Written by a child, so that no fork of another test holds it open.
    let status = std::process::Command::new("sh")
        .args(["-c", "cat \"$1\" > \"$2\" && chmod 755 \"$2\"", "sh"])
        .args([&text, &made])
        .status();
    assert!(status.unwrap().success());
    made.display().to_string()
}

fn agents(sandbox: &Sandbox, program: &str, key: Option<&str>) -> Answer {
    let mut command = sandbox.command(&["--json", "agents", "codex"]);
    command.env("AGENTPR_CODEX_BIN", program);
    if let Some(key) = key {
        command.env("CODEX_API_KEY", key);
    }
    finish(command.spawn().unwrap())
}

#[test]
fn an_agent_is_listed_with_what_it_is_and_how_it_is_logged_in_but_not_with_its_key() {
    let sandbox = Sandbox::new();
    let program = fake_codex(&sandbox, "codex-cli 9.9.9", "--json --config --model --sandbox resume");
    let answer = agents(&sandbox, &program, Some("zzcanaryvalue1")).ok();
    assert!(!answer.stdout.contains("zzcanary"), "{}", answer.stdout);
    let codex = answer.json()["agents"][0].clone();
    assert_eq!((&codex["name"], &codex["ready"]), (&"codex".into(), &true.into()));
    assert_eq!(codex["version"], "codex-cli 9.9.9");
    assert_eq!(codex["login"], serde_json::json!({ "by": "key", "variable": "CODEX_API_KEY" }));
    assert_eq!(codex["pool"], "codex:CODEX_API_KEY");
    assert_eq!(codex["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(codex["problems"].as_array().unwrap().len(), 0, "{codex}");

    let answer = agents(&sandbox, &program, None).ok();
    let problem = answer.json()["agents"][0]["problems"][0].clone();
    assert_eq!(problem["blocks"], false);
    assert!(problem["mend"].as_str().unwrap().contains("CODEX_API_KEY"), "{problem}");
}

#[test]
fn an_agent_that_no_run_can_use_is_an_error_when_it_is_asked_for() {
    let sandbox = Sandbox::new();
    for (version, help) in
        [("codex-cli 0.22.9", "--json --config --model --sandbox"), ("codex-cli 9.9.9", "--json")]
    {
        let program = fake_codex(&sandbox, version, help);
        let codex = agents(&sandbox, &program, Some("zzcanaryvalue1")).code(7).json()["agents"][0].clone();
        assert_eq!(codex["ready"], false);
        let mend = codex["problems"][0]["mend"].as_str().unwrap();
        assert!(mend.contains("npm install -g @openai/codex"), "{codex}");
    }
    let missing = sandbox.path().join("none").display().to_string();
    let codex = agents(&sandbox, &missing, None).code(7).json()["agents"][0].clone();
    assert!(codex["program"].is_null(), "{codex}");
    let _listed = sandbox.agentpr(&["agents"]).ok();
}

#[test]
fn a_contract_that_an_agent_planned_is_told_with_its_agent() {
    let sandbox = Sandbox::new();
    let _remote = sandbox.with_remote("o", "r", &[("a.txt", "a\n")]);
    let builds = sandbox.fake_agent("build.script", "write a.txt b\n");
    let plans = format!("plan={}", sandbox.fake_agent("plan.script", "print Write b into a.txt.\n"));
    let order =
        ["submit", "--owner", "o", "--repo", "r", "--task", "t", "--agent", &builds, "--check", "true"];
    let _planned = sandbox.agentpr(&[&order[..], &["--run-id", "p", "--role-agent", &plans]].concat()).ok();
    let _plain = sandbox.agentpr(&[&order[..], &["--run-id", "q"]].concat()).ok();
    let _ticked = sandbox.agentpr(&["manager-tick"]).ok();
    let contract = |run: &str| {
        let text = sandbox.agentpr(&["show", run]).ok().stdout;
        let line = text.lines().find_map(|line| line.trim_start().strip_prefix("contract "));
        line.unwrap_or_else(|| panic!("{text}")).trim().to_owned()
    };
    assert_eq!(contract("p"), "p/contract.md, from the plan of command in attempt 2");
    assert_eq!(contract("q"), "q/contract.md");
}
