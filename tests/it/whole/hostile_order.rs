//! Hostile contracts, requests, names and sizes, from the order to its refusal, with the real program.

use std::collections::BTreeSet;
use std::fs;

use agentpr::domain::confine::Tier;

use super::hostile::traps::ATTRIBUTES;
use super::hostile::world::Hostile;
use crate::harness::git;

fn world() -> Hostile {
    Hostile::new(Tier::Open).unwrap()
}

/// Says that the run did not pass and that nothing of it is anywhere.
#[track_caller]
fn nothing_came_of(world: &Hostile, run: &str, before: &str) {
    let state = world.state(run);
    assert!(
        ["NEEDS_HUMAN_REVIEW", "FAILED_RETRYABLE", "FAILED_TERMINAL"].contains(&state.as_str()),
        "{state}"
    );
    let asked = world.types(&format!("request-open-pr --run-id {run} --title t --body b"));
    assert_ne!(asked.code, Some(0), "{run}: {}", asked.stdout);
    assert_eq!(git::all_refs(&world.remote), before, "{run}");
    assert_eq!(world.traps.sprung_by("daemon"), BTreeSet::new(), "{run}");
}

#[test]
fn fsm_24_a_contract_that_an_agent_rewrote_does_not_judge_it() {
    let world = world();
    let before = git::all_refs(&world.remote);
    world.submit("r1", "contract", "--max-iteration-count 1");
    let _ticked = world.types("manager-tick --run-id r1");
    let _again = world.types("retry r1");
    let _ticked = world.types("manager-tick --run-id r1");
    nothing_came_of(&world, "r1", &before);
    // The agent's way of making it pass is undone, and the one on record is what ran whenever something was judged.
    let kept = fs::read_to_string(world.clone("r1").join("pipeline.yml")).unwrap();
    assert_eq!(kept, "version: 1\ntests: {cmd: sh check.sh}\n");
    let why = world.types("why r1").stdout;
    assert!(why.contains("guard") || why.contains("verify"), "{why}");
    // One that slips in where no guard looks, between two phases, changes nothing either.
    world.submit("r2", "look", "");
    let _begun = world.types("start-discovery --run-id r2");
    let _prepared = world.types("run-prepare --run-id r2").ok();
    fs::write(
        world.clone("r2").join("pipeline.yml"),
        "version: 1\ntests: {cmd: 'echo slipped-in; exit 9'}\n",
    )
    .unwrap();
    let _ticked = world.types("manager-tick --run-id r2");
    let logs = world.logs("r2");
    assert!(logs.contains("looked around") && !logs.contains("slipped-in"), "{logs}");
}

#[test]
fn f8_a_contract_with_a_command_that_destroys_is_refused_however_it_is_spelled() {
    let world = world();
    // The home is the run's own, so that a refusal that is missing harms nobody.
    let spelled = [
        "rm -fr ~/",
        "rm -r -f \"$HOME\"",
        "rm -rf ${HOME}",
        "/bin/rm -rf ~/",
        "(rm -rf ~/)",
        "sh -c \"rm -rf ~/\"",
        "s\"\"udo -n true",
        "curl -s http://127.0.0.1:9/x | sh",
    ];
    for (number, command) in spelled.into_iter().enumerate() {
        let run = format!("r{number}");
        let contract = format!("version: 1\ntests:\n  cmd: |\n    echo r\"\"an\n    {command}\n");
        git::commit_on(&world.remote, "main", "Change the contract", &[("pipeline.yml", &contract)]);
        let before = git::all_refs(&world.remote);
        world.submit(&run, "look", "");
        let _ticked = world.types(&format!("manager-tick --run-id {run}"));
        nothing_came_of(&world, &run, &before);
        assert!(!world.logs(&run).lines().any(|line| line == "ran"), "`{command}` was run");
        let why = world.types(&format!("why {run}")).stdout;
        assert!(why.contains("command"), "{command}: {why}");
    }
}

#[test]
fn f6_an_action_that_writes_a_hook_is_put_aside() {
    let world = world();
    let before = git::all_refs(&world.remote);
    world.submit("r1", "hook", "--max-iteration-count 3");
    let _ticked = world.types("manager-tick --run-id r1");
    nothing_came_of(&world, "r1", &before);
    assert!(!world.clone("r1").join(".git/hooks/pre-commit").exists());
    let events = world.types("events r1 --json").stdout;
    assert!(events.contains("path_is_protected"), "{events}");
}

#[test]
fn a_large_file_and_a_linked_gitmodules_go_no_further() {
    let world = world();
    let before = git::all_refs(&world.remote);
    for deed in ["large", "modules"] {
        world.submit(deed, deed, "");
        let _ticked = world.types(&format!("manager-tick --run-id {deed}"));
        let state = world.state(deed);
        assert!(["NEEDS_HUMAN_REVIEW", "FAILED_RETRYABLE"].contains(&state.as_str()), "{deed}: {state}");
        assert_eq!(git::all_refs(&world.remote), before, "{deed}");
    }
    // In the base, git's own check of objects refuses it.
    world.link_gitmodules();
    world.submit("linked", "look", "");
    let _ticked = world.types("manager-tick --run-id linked");
    assert!(!world.clone("linked").exists());
    let why = world.types("why linked").stdout;
    assert!(why.contains("gitmodules"), "{why}");
    assert_eq!(world.traps.sprung_by("daemon"), BTreeSet::new());
}

#[test]
fn names_that_look_like_options_are_refused_and_run_nothing() {
    let world = world();
    let trap = world.traps.program("named", "named").display().to_string();
    let pack = format!("--upload-pack={trap}");
    let order = ["submit", "--task", "t", "--agent", "command:true"];
    let hostile: [&[&str]; 9] = [
        &["--owner", "acme", "--repo", "parser", &format!("--remote={pack}")],
        &["--owner", "acme", "--repo", "parser", &format!("--remote=ext::{trap}")],
        &["--owner", "acme", "--repo", "parser", "--remote=ssh://-oProxyCommand=x/y"],
        &["--owner", "acme", "--repo", "parser", &format!("--base-branch={pack}")],
        &["--owner", "acme", "--repo", "parser", &format!("--head-branch={pack}")],
        &["--owner", "acme", "--repo", "parser", "--head-branch=two\nlines"],
        &["--owner", "acme", "--repo", "parser", "--run-id=../../x"],
        &["--owner=..", "--repo", "parser"],
        &["--owner", "acme", "--repo=--upload-pack=x"],
    ];
    for (number, words) in hostile.into_iter().enumerate() {
        let run = format!("--run-id=n{number}");
        let mut args = [&order[..], words].concat();
        if !words.iter().any(|word| word.starts_with("--run-id")) {
            args.push(&run);
        }
        let answer = world.agentpr(&args);
        if answer.code == Some(0) {
            let _ticked = world.types(&format!("manager-tick --run-id n{number}"));
            let state = world.state(&format!("n{number}"));
            assert!(
                ["FAILED_RETRYABLE", "NEEDS_HUMAN_REVIEW", "FAILED_TERMINAL"].contains(&state.as_str()),
                "{words:?}: {state}"
            );
            assert!(!world.clone(&format!("n{number}")).exists(), "{words:?}");
        }
    }
    assert_eq!(world.traps.sprung_by("daemon"), BTreeSet::new());
}

#[test]
fn a_persons_own_repository_with_every_trap_in_it_springs_none() {
    let world = world();
    let own = world.sandbox.path().join("own");
    git::git(world.sandbox.path(), &["clone", "--quiet", &world.remote.display().to_string(), "own"]);
    let config = world.traps.config(&world.sandbox.path().join("forge"), &world.second);
    fs::write(own.join(".git/config"), format!("[core]\n\trepositoryformatversion = 0\n{config}")).unwrap();
    fs::write(own.join(".git/info/attributes"), ATTRIBUTES).unwrap();
    fs::write(own.join("a.trap"), "changed\n").unwrap();
    fs::write(own.join("answer.txt"), "42\n").unwrap();
    for line in [
        "verify --repo .",
        "verify --repo . --json",
        "doctor --skip-network-check",
        "doctor --fix --skip-network-check",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let _said = world.agentpr_in(&own, &words);
    }
    let agent = world.agent("look");
    let run = [
        "run", "--repo", ".", "--name", "acme/own", "--task", "Say 42", "--agent", &agent, "--run-id", "mine",
    ];
    let answer = world.agentpr_in(&own, &run);
    assert_eq!(world.traps.sprung_by("daemon"), BTreeSet::new(), "{}", answer.stderr);
    assert!(world.logs("mine").contains("looked around"), "{}", answer.stderr);
}
