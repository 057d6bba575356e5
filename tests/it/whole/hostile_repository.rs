//! A repository whose author is hostile, and agents that make their clone so, driven by the real program through every state.
//!
//! A trap that springs says who sprang it: somebody inside the wall of a run proves nothing, the engine itself must never. What
//! tier 0 cannot hold is not asked of it: there a check reads what its user may read, and has the network.

#![expect(
    clippy::print_stderr,
    reason = "a test that cannot be run here says so, and how many traps there were"
)]

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use agentpr::domain::confine::Tier;

use super::hostile::scripts::AGENT_CONFIG;
use super::hostile::world::Hostile;
use crate::harness::git;
use crate::harness::skip::skipped;

/// What an agent does to its clone's git directory.
const SPOILS: [&str; 7] = ["config", "gitfile", "link", "alternates", "worktree", "nested", "commondir"];

fn world(tier: Tier) -> Option<Hostile> {
    let world = Hostile::new(tier);
    if world.is_none() {
        skipped(&format!("{} not found", tier.name()));
    }
    world
}

/// Sets all traps in a clone, from outside.
fn spoil(world: &Hostile, clone: &std::path::Path, deed: &str) {
    let agent = world.agent(deed);
    let line = agent.trim_start_matches("command:");
    let done =
        Command::new("sh").args(["-c", line]).current_dir(clone).env_remove("AGENTPR_CHILD_OF_RUN").output();
    assert!(done.unwrap().status.success());
}

/// Commands of a person that look at a run.
fn look_at(world: &Hostile, run: &str) {
    for line in ["show", "why", "diff", "logs", "events", "replay"] {
        let _said = world.types(&format!("{line} {run}"));
        let _said = world.types(&format!("{line} {run} --json"));
    }
    let _said = world.types(&format!("run-preflight --run-id {run} --skip-network-check"));
}

fn holds(tier: Tier) {
    let Some(world) = world(tier) else { return };

    // A run that does its work is driven to the gate; its clone is spoiled behind the guard's back, and it is opened.
    world.submit("good", "look", "");
    let ticked = world.types("manager-tick --run-id good").ok();
    assert_eq!(world.state("good"), "NEEDS_HUMAN_REVIEW", "{}", ticked.stderr);
    spoil(&world, &world.clone("good"), "config");
    spoil(&world, &world.clone("good"), "alternates");
    look_at(&world, "good");
    let words: Vec<&str> = ticked.stderr.split_whitespace().collect();
    let token = words.iter().position(|word| *word == "--confirm-token").map(|at| words[at + 1]);
    let token = token.unwrap_or_else(|| panic!("no token: {}", ticked.stderr));
    let _opened =
        world.types(&format!("approve-open-pr --run-id good --confirm-token {token} --confirm")).ok();
    let pushed = git::tip(&world.remote, "refs/heads/agentpr/good").unwrap();
    let names = git::git(&world.remote, &["diff", "--name-only", "main", &pushed]);
    assert_eq!(
        names, "answer.txt\nnew.txt",
        "an agent's program found configuration to obey, or more came along"
    );

    // Agents that spoil their own clone.
    for deed in SPOILS {
        world.submit(deed, deed, "");
        let _ticked = world.types(&format!("manager-tick --run-id {deed}"));
        let _again = world.types(&format!("retry {deed}"));
        let _ticked = world.types(&format!("manager-tick --run-id {deed}"));
        let state = world.state(deed);
        assert!(["NEEDS_HUMAN_REVIEW", "FAILED_RETRYABLE"].contains(&state.as_str()), "{deed}: {state}");
        spoil(&world, &world.clone(deed), deed);
        look_at(&world, deed);
    }

    let obeyed: BTreeSet<&str> = AGENT_CONFIG
        .into_iter()
        .filter(|name| world.logs("good").contains(&format!("OBEYED {name}")))
        .collect();
    assert_eq!(obeyed, BTreeSet::new(), "an agent's program found configuration of the repository's");
    assert_eq!(world.traps.sprung_by("daemon"), BTreeSet::new(), "the engine ran something");
    let seen: Vec<String> =
        world.logs("good").lines().filter(|line| line.starts_with("SAW")).map(str::to_owned).collect();
    assert!(world.logs("good").contains("looked around"), "the check never ran");
    let leaks = world.leaks();
    assert!(!leaks.iter().any(|leak| leak.starts_with("second")), "the second repository arrived: {leaks:?}");
    if tier > Tier::Open {
        assert_eq!(seen, [""; 0]);
        assert!(world.listener.accept().is_err(), "a check reached the network");
        assert_eq!(leaks, [""; 0]);
    } else {
        // No wall, and so the proof that check and look are able to find something.
        let wanted = ["SAW home", "SAW data", "SAW other", "SAW database", "SAW link"];
        assert!(wanted.iter().all(|wanted| seen.iter().any(|seen| seen == wanted)), "{seen:?}");
        assert!(leaks.iter().any(|leak| leak.starts_with("home")), "{leaks:?}");
    }
}

#[test]
fn a_hostile_repository_runs_nothing_and_learns_nothing_in_tier_2() {
    holds(Tier::Bubblewrap);
}

#[test]
fn a_hostile_repository_runs_nothing_and_learns_nothing_in_tier_1() {
    holds(Tier::Landlock);
}

#[test]
fn a_hostile_repository_runs_nothing_in_the_engine_in_tier_0() {
    holds(Tier::Open);
}

#[test]
fn every_trap_is_armed() {
    let Some(world) = world(Tier::Open) else { return };
    let clone = world.sandbox.path().join("plain");
    git::git(world.sandbox.path(), &["clone", "--quiet", &world.remote.display().to_string(), "plain"]);
    git::git(&clone, &["config", "user.name", "Test"]);
    git::git(&clone, &["config", "user.email", "test@example.com"]);
    git::git(&clone, &["remote", "remove", "origin"]);
    spoil(&world, &clone, "config");
    let sink = world.sandbox.path().join("sink.git");
    git::bare_remote(&sink, &[("a", "1\n")]);
    world.traps.use_plainly(&clone, &world.sandbox.path().join("forge"), &world.second, &sink);
    let (names, sprung) = (world.traps.names(), world.traps.sprung_by("daemon"));
    let silent: Vec<&String> = names.difference(&sprung).collect();
    let configured: Vec<&str> =
        AGENT_CONFIG.into_iter().filter(|name| fs::metadata(clone.join(name)).is_ok()).collect();
    let count = sprung.len() + configured.len();
    eprintln!("{count} canaries: {} of git, {} of agents' programs", sprung.len(), configured.len());
    assert!(silent.is_empty(), "traps that plain git does not spring: {silent:?}");
    assert!(count >= 30);
}
