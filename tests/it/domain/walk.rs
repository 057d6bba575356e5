//! The walk: every state a run can reach with its gate, its pull request, its remote and crashes at every point, and the
//! invariants looked at after each step.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use agentpr::domain::actor::Actor;
use agentpr::domain::command::Command;
use agentpr::domain::decide::{Ctx, decide};
use agentpr::domain::event::{AttemptStarted, Event, WorkspacePrepared};
use agentpr::domain::evidence::{CheckOutcome, Step};
use agentpr::domain::gate::{Gate, MAX_WRONG_TOKENS};
use agentpr::domain::id::{AttemptNo, CommitSha, Version};
use agentpr::domain::next::{Due, Wait, next};
use agentpr::domain::policy::{Policy, UpdatePush};
use agentpr::domain::run::Run;
use agentpr::domain::spec::{Delivery, Limits, RunSpec};
use agentpr::domain::state::State;

use super::samples::{driven_spec, manual_spec, person, prepared, pushed, sha};
use super::scenario::{Story, append, in_state};
use super::walk_rules::{at_rest, pushes_what_was_approved, steps_are_allowed, unrecordable};
use super::walk_world::{Act, FOREIGN, Node, Scope, World, moment, number};

/// What decides the future of a run in its world, and nothing else: no times, versions, texts or counters without limit.
///
/// Commits are told apart only by what they are to each other: the newest change, the pushed one, what is at the remote.
/// Left out because every choice they make is also made by an act of its own: where another try starts by default, the
/// contract, and why a request ended.
fn key(node: &Node) -> u64 {
    let (run, world) = (node.run(), node.world);
    let mut hash = DefaultHasher::new();
    let (newest, pushed) = (node.newest(), run.pushed.as_ref().map(|pushed| number(&pushed.sha)));
    let asks = run.last_error.is_none() && matches!(run.reason.code.as_str(), "ready_for_review" | "resumed");
    let cut_off = run.interruptions.map(|(step, _)| step == Step::PrRequest).unwrap_or_default();
    (run.state, run.paused_from, asks, cut_off, run.fix_rounds, run.fresh_change).hash(&mut hash);
    (run.open.as_ref().map(|open| open.step), run.prepared.is_some(), newest.is_some()).hash(&mut hash);
    run.evidence().map(CheckOutcome::name).hash(&mut hash);
    matches!(next(run, &moment(false)), Due::Wait(Wait::Quota(_))).hash(&mut hash);
    (pushed.is_some(), pushed == newest, run.pr.is_some()).hash(&mut hash);
    let gate = match &run.gate {
        Gate::Closed => 10,
        Gate::Open { .. } => 9,
        Gate::Approved { .. } => 11,
        Gate::Used { .. } => 12,
        Gate::Cancelled { .. } => 13,
    };
    (gate, node.is_stale(), world.prs, world.ordered).hash(&mut hash);
    (world.remote.is_some(), world.remote == newest, world.remote == pushed, world.remote == Some(FOREIGN))
        .hash(&mut hash);
    of_the_forge(run, &mut hash);
    hash.finish()
}

/// What is known from the forge, each commit only by what it is to the run.
fn of_the_forge(run: &Run, hash: &mut DefaultHasher) {
    let view = &run.forge;
    let candidate = run.change.as_ref().map(|change| &change.head_sha);
    let place = |sha: &CommitSha| {
        let is_pushed = run.pushed.as_ref().is_some_and(|pushed| pushed.sha == *sha);
        (is_pushed, candidate == Some(sha), view.ours.contains(sha), view.accepted_head.as_ref() == Some(sha))
    };
    let checks: BTreeSet<_> = view
        .checks
        .values()
        .map(|check| (place(&check.head_sha), check.kind, check.name.clone(), check.light()))
        .collect();
    checks.hash(hash);
    let head = run.pushed.as_ref().map(|pushed| &pushed.sha);
    let open: Vec<u64> =
        head.into_iter().flat_map(|head| view.open_requests(head)).map(|review| review.id).collect();
    let newest = view.reviews.values().map(|review| review.id).max();
    (open, newest.filter(|id| *id > 0)).hash(hash);
    view.pull.as_ref().map(|pull| (pull.state, place(&pull.head_sha))).hash(hash);
    view.head.as_ref().map(|head| (head.at, head.sha.as_ref().map(place))).hash(hash);
    (view.accepted_head.is_some(), view.repository.is_some()).hash(hash);
    let sent_on = matches!(run.reason.code.as_str(), "resumed" | "retried");
    (run.forge_parked.is_some(), sent_on && matches!(run.state, State::ReviewWait | State::Iterating))
        .hash(hash);
    (run.first_approval.is_some() && run.spec.policy.update_push == UpdatePush::AutoAfterFirstApproval)
        .hash(hash);
}

/// What a walk saw.
#[derive(Debug, Default)]
struct Walked {
    states: usize,
    steps: usize,
    faults: BTreeSet<String>,
    reached: BTreeSet<State>,
}

/// A new run in an empty world.
fn new_run(spec: RunSpec, scope: Scope) -> Node {
    let mut story = Story::of(spec);
    if scope.by_name {
        // Spares a dimension: where the workspace is missing is looked at by the other walk.
        let event = WorkspacePrepared { prepared: prepared() }.into();
        append(&mut story.run, &mut story.row, &event, &person(), &moment(false)).unwrap();
    }
    Node { run: story.run, row: story.row, world: World::default() }
}

/// A run whose pull request was confirmed, opened, and waits for its checks.
fn with_pull_request(spec: RunSpec) -> Node {
    let story = Story::of(spec).until(State::NeedsHumanReview).asked().approved().until(State::CiWait);
    let remote = story.run().pushed.as_ref().map(|pushed| number(&pushed.sha));
    Node { run: story.run, row: story.row, world: World { remote, prs: 1, ..World::default() } }
}

/// Walks from `first` until nothing new is found or `bound` states were seen.
fn walk(first: Node, scope: Scope, bound: usize) -> Walked {
    let mut seen = HashSet::from([key(&first)]);
    let mut queue = VecDeque::from([first]);
    let mut walked = Walked::default();
    while let Some(node) = queue.pop_front() {
        walked.states += 1;
        walked.reached.insert(node.run().state);
        for fault in at_rest(node.run()) {
            walked.faults.insert(fault);
        }
        for act in node.acts(scope) {
            walked.steps += 1;
            match step(&node, &act, scope) {
                Ok(None) => {}
                Ok(Some(after)) => {
                    if seen.len() < bound && seen.insert(key(&after)) {
                        queue.push_back(after);
                    }
                }
                Err(fault) => {
                    walked.faults.insert(fault);
                }
            }
        }
    }
    walked
}

/// Carries out one act; `None` when nothing changes, an error when an invariant breaks.
fn step(node: &Node, act: &Act, scope: Scope) -> Result<Option<Node>, String> {
    if let Act::Ask { by, command, late } = act {
        return asked(node, by, command, *late);
    }
    let mut after = node.clone();
    match act {
        Act::Ask { .. } => {}
        Act::Guesses { command } => {
            let guess = Act::Ask { by: person(), command: command.clone(), late: false };
            for _ in 0..MAX_WRONG_TOKENS {
                if matches!(after.run().gate, Gate::Open { .. }) {
                    after = step(&after, &guess, scope)?.ok_or("a guess leaves no trace")?;
                }
            }
            if !matches!(after.run().gate, Gate::Cancelled { .. }) {
                return Err("the request outlives its guesses".to_owned());
            }
        }
        Act::PushReaches => {
            let Some(commit) = node.permitted(scope) else { return Ok(None) };
            pushes_what_was_approved(node, commit)?;
            after.world.remote = Some(commit);
        }
        Act::PrOpens => after.world.prs += 1,
        Act::BaseMoves => after.world.base = after.world.base.wrapping_add(1),
        Act::BranchTaken => after.world.remote = Some(FOREIGN),
    }
    if after.world.prs > 1 {
        return Err("I5: two pull requests are open".to_owned());
    }
    Ok(Some(after))
}

/// Lets somebody ask; the run goes on when it is accepted.
fn asked(node: &Node, by: &Actor, command: &Command, late: bool) -> Result<Option<Node>, String> {
    let ctx = Ctx { now: moment(late), actor: by.clone() };
    let decision = match decide(node.run.as_ref(), command, &ctx) {
        Ok(decision) if decision.events.is_empty() => return Ok(None),
        Ok(decision) => decision,
        Err(refusal) => return unrecordable(node.run(), command, &refusal),
    };
    let mut after = node.clone();
    for event in &decision.events {
        append(&mut after.run, &mut after.row, event, by, &ctx.now).map_err(|_| {
            format!("{} in {} does not fold: {}", command.name(), node.run().state, event.name())
        })?;
    }
    if let Command::StartAttempt { .. } = command {
        after.world.ordered = by.is_person();
    }
    if after.run().open.is_none() {
        after.world.ordered = false;
    }
    steps_are_allowed(node, &after, command, by.is_person(), &decision.events)?;
    Ok(Some(after))
}

/// What surrounds a run, without anybody who means harm.
const CALM: Scope =
    Scope { by_name: false, hostile: false, verifies: true, looks_first: true, facts: false, reviews: true };

/// Base and branch move and tokens are guessed, too. Verdicts told by hand are met by the walks around it.
const HOSTILE: Scope = Scope { hostile: true, reviews: false, ..CALM };

/// Persons put the run into every place by name and do each step by hand.
const BY_NAME: Scope = Scope { by_name: true, ..CALM };

/// The forge tells of checks, verdicts, commits of others and the end of the pull request, and takes nothing at times.
const TOLD: Scope = Scope { facts: true, ..CALM };

fn small(spec: RunSpec, rounds: u32) -> RunSpec {
    RunSpec {
        limits: Limits { max_iteration_count: rounds, max_interruptions: 0, ..Limits::default() },
        ..spec
    }
}

/// Walks and wants no fault; `WALK_WHOLE=1` lifts the bound, and then the walk ends by itself after minutes. Answers the states that
/// were reached.
#[expect(clippy::print_stdout, reason = "how many states were seen is part of the answer")]
fn sound(name: &str, first: Node, scope: Scope, at_least: usize, bound: Option<usize>) -> BTreeSet<State> {
    let whole = std::env::var_os("WALK_WHOLE").is_some();
    let walked = walk(first, scope, bound.filter(|_| !whole).unwrap_or(usize::MAX));
    println!("{name}: {} states, {} steps", walked.states, walked.steps);
    assert!(walked.faults.is_empty(), "{:#?}", walked.faults);
    assert!(walked.states >= at_least, "the walk shrank to {} states", walked.states);
    walked.reached
}

fn sound_from_birth(name: &str, spec: RunSpec, scope: Scope, at_least: usize, bound: Option<usize>) {
    let reached = sound(name, new_run(spec, scope), scope, at_least, bound);
    assert_eq!(reached.len(), State::ALL.len(), "not every state was reached");
}

#[test]
fn a_driven_run_is_sound_in_a_hostile_world() {
    sound_from_birth("driven, hostile", small(driven_spec(), 0), HOSTILE, 20_000, Some(20_000));
}

#[test]
fn a_driven_run_is_sound_wherever_persons_put_it() {
    sound_from_birth("driven, by name", small(driven_spec(), 0), BY_NAME, 6_000, Some(6_000));
}

#[test]
fn a_run_by_hand_is_sound() {
    sound_from_birth("by hand", small(manual_spec(), 0), CALM, 8_000, Some(8_000));
}

#[test]
fn a_run_that_delivers_nothing_is_sound() {
    let spec = RunSpec { delivery: Delivery::None, ..small(driven_spec(), 1) };
    sound_from_birth("delivering nothing", spec, Scope { reviews: false, ..CALM }, 8_000, Some(8_000));
}

#[test]
fn a_run_is_sound_whatever_the_forge_tells() {
    let policy = Policy { update_push: UpdatePush::AutoAfterFirstApproval, ..Policy::default() };
    let spec = RunSpec { policy, ..small(driven_spec(), 0) };
    let reached = sound("told by the forge", with_pull_request(spec), TOLD, 8_000, Some(8_000));
    let wanted = [
        State::CiWait,
        State::ReviewWait,
        State::Iterating,
        State::Implementing,
        State::LocalValidating,
        State::NeedsHumanReview,
        State::Pushed,
        State::Paused,
        State::Done,
    ];
    assert!(wanted.iter().all(|state| reached.contains(state)), "only {reached:?} were reached");
}

#[test]
fn a_performer_that_breaks_a_rule_is_caught() {
    let caught = |scope, rule: &str| {
        let walked = walk(new_run(small(driven_spec(), 0), scope), scope, 6_000);
        assert!(walked.faults.iter().any(|fault| fault.starts_with(rule)), "{rule}: {:#?}", walked.faults);
    };
    caught(Scope { verifies: false, ..HOSTILE }, "I4: a stale approval");
    caught(Scope { verifies: false, ..HOSTILE }, "I4: commit");
    caught(Scope { looks_first: false, ..HOSTILE }, "I5");
}

#[test]
fn a_wrong_step_made_by_hand_is_caught() {
    let node = |state| {
        let story = in_state(state);
        Node { run: story.run, row: story.row, world: World::default() }
    };
    let wrong = |from: State, to: State, command: &Command, event: Option<Event>| {
        let (before, mut after) = (node(from), node(to));
        let version = before.run().version;
        if let (Some(run), Some(row)) = (after.run.as_mut(), after.row.as_mut()) {
            run.version = Version(version.0 + u64::from(event.is_some()));
            row.version = run.version;
        }
        let events: Vec<Event> = event.into_iter().collect();
        steps_are_allowed(&before, &after, command, false, &events)
            .unwrap_err()
            .split(':')
            .next()
            .unwrap()
            .to_owned()
    };
    let nobody = &Command::MarkDone;
    assert_eq!(wrong(State::Done, State::Implementing, nobody, None), "I6");
    assert_eq!(wrong(State::Implementing, State::Pushed, nobody, Some(pushed(1))), "I8");
    assert_eq!(wrong(State::NeedsHumanReview, State::Implementing, nobody, None), "I10");
    let begun = AttemptStarted { attempt: AttemptNo(9), step: Step::Agent, generation: 1, reserved: None };
    assert_eq!(wrong(State::Paused, State::Paused, nobody, Some(begun.into())), "I10");
    let late =
        Command::RecordCheck { conclusion: "failure".to_owned(), head_sha: Some(sha(7)), pr_number: None };
    assert_eq!(wrong(State::CiWait, State::Iterating, &late, None), "I11");
    let mut unprojected = node(State::Implementing);
    if let Some(row) = unprojected.row.as_mut() {
        row.state = State::Done;
    }
    let fault = steps_are_allowed(&node(State::Implementing), &unprojected, nobody, true, &[]).unwrap_err();
    assert!(fault.starts_with("I3"));
    let mut stuck = node(State::NeedsHumanReview).run.unwrap();
    stuck.state = State::Implementing;
    assert!(at_rest(&stuck).iter().any(|fault| fault.contains("stands open")));
}
