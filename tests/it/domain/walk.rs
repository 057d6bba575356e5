//! The walk: every state a run can reach with its gate, its pull request, its remote and crashes at every point, and the
//! invariants looked at after each step.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use agentpr::domain::command::{Command, StepOutcome};
use agentpr::domain::decide::{Ctx, Rejection, decide};
use agentpr::domain::event::Event;
use agentpr::domain::evidence::{Change, Step};
use agentpr::domain::gate::Gate;
use agentpr::domain::next::{Due, Wait, next};
use agentpr::domain::run::Run;
use agentpr::domain::spec::{Delivery, Limits, RunSpec};
use agentpr::domain::state::State;

use super::samples::{driven_spec, manual_spec, start};
use super::scenario::{Story, append};
use super::walk_world::{Act, Node, Performer, World, moment, number};

/// What decides the future of a run in its world, and nothing else: no times, versions, texts or counters without limit.
fn key(node: &Node) -> u64 {
    let run = node.run();
    let mut hash = DefaultHasher::new();
    let head = |change: &Change| number(&change.head_sha);
    (run.state, run.paused_from, run.held_from, run.last_error.is_some()).hash(&mut hash);
    matches!(run.reason.code.as_str(), "ready_for_review" | "resumed").hash(&mut hash);
    (run.prepared.is_some(), run.contract.is_some(), run.change.as_ref().map(head)).hash(&mut hash);
    run.checks.as_ref().map(|report| (number(&report.head_sha), report.outcome().name())).hash(&mut hash);
    (run.open.as_ref().map(|open| open.step), run.interruptions, run.fix_rounds, run.fresh_change)
        .hash(&mut hash);
    (run.pushed.as_ref().map(|pushed| number(&pushed.sha)), run.pr.is_some(), run.requests.len().min(2))
        .hash(&mut hash);
    let bound = |request: &agentpr::domain::gate::PrRequest| {
        (number(&request.binding.head_sha), number(&request.binding.base_sha))
    };
    match &run.gate {
        Gate::Closed => 0.hash(&mut hash),
        Gate::Open { request, wrong_tokens } => (1, bound(request), wrong_tokens).hash(&mut hash),
        Gate::Approved { request, .. } => (2, bound(request)).hash(&mut hash),
        Gate::Used { .. } => 3.hash(&mut hash),
        Gate::Cancelled { reason, .. } => (4, reason).hash(&mut hash),
    }
    node.world.hash(&mut hash);
    hash.finish()
}

/// What a walk saw.
#[derive(Debug, Default)]
struct Walked {
    states: usize,
    steps: usize,
    faults: BTreeSet<String>,
    reached: BTreeSet<State>,
}

/// Walks from a new run until nothing new is found or `bound` states were seen.
fn walk(spec: RunSpec, performer: Performer, bound: usize) -> Walked {
    let story = Story::of(spec);
    let first = Node { run: story.run, row: story.row, world: World::default() };
    let mut seen = HashSet::from([key(&first)]);
    let mut queue = VecDeque::from([first]);
    let mut walked = Walked::default();
    while let Some(node) = queue.pop_front() {
        walked.states += 1;
        walked.reached.insert(node.run().state);
        for fault in at_rest(node.run()) {
            walked.faults.insert(fault);
        }
        for act in node.acts(performer) {
            walked.steps += 1;
            match step(&node, &act, performer) {
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
fn step(node: &Node, act: &Act, performer: Performer) -> Result<Option<Node>, String> {
    let mut after = node.clone();
    match act {
        Act::Ask { by, command, late } => {
            let ctx = Ctx { now: moment(*late), actor: by.clone() };
            let decision = match decide(node.run.as_ref(), command, &ctx) {
                Ok(decision) => decision,
                Err(refusal) => return unrecordable(node.run(), command, &refusal),
            };
            if decision.events.is_empty() {
                return Ok(None);
            }
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
        }
        Act::PushReaches => {
            let Some(commit) = node.permitted(performer) else { return Ok(None) };
            pushes_what_was_approved(node, commit)?;
            after.world.remote = Some(commit);
        }
        Act::PrOpens => after.world.prs += 1,
        Act::BaseMoves => after.world.base_moved = true,
        Act::BranchTaken => after.world.remote = Some(super::walk_world::FOREIGN),
    }
    if after.world.prs > 1 {
        return Err("I5: two pull requests are open".to_owned());
    }
    Ok(Some(after))
}

/// What an attempt did must be recordable wherever the run went meanwhile.
fn unrecordable(run: &Run, command: &Command, refusal: &Rejection) -> Result<Option<Node>, String> {
    match command {
        Command::EndAttempt { .. } => {
            let step = run.open.as_ref().map_or("no", |open| open.step.name());
            Err(format!("the end of a {step} attempt in {} is refused: {refusal}", run.state))
        }
        _ => Ok(None),
    }
}

/// I4: what the engine pushes was approved by a person, is not used up, and nothing moved since.
fn pushes_what_was_approved(node: &Node, commit: u8) -> Result<(), String> {
    if node.world.ordered {
        return Ok(());
    }
    match &node.run().gate {
        Gate::Approved { request, by } if by.is_person() && number(&request.binding.head_sha) == commit => {
            if (number(&request.binding.base_sha) == 0xb1) != node.world.base_moved {
                return Err("I4: a stale approval was pushed".to_owned());
            }
            Ok(())
        }
        other => Err(format!(
            "I4: commit {commit} is pushed in {} with its gate at {other:.20?}",
            node.run().state
        )),
    }
}

/// The invariants of one step, from `before` to `after`.
fn steps_are_allowed(
    before: &Node,
    after: &Node,
    command: &Command,
    person: bool,
    events: &[Event],
) -> Result<(), String> {
    let (old, new) = (before.run(), after.run());
    let what = command.name();
    if new.version.0 != old.version.0 + u64::try_from(events.len()).unwrap_or(u64::MAX) {
        return Err(format!("I1: {what} leaves a gap"));
    }
    if let Some(row) = &after.row {
        let error = new.last_error.as_ref().map(ToString::to_string);
        let number = new.pr.as_ref().map(|linked| linked.number);
        let same = row.state == new.state && row.last_error == error && row.pr_number == number;
        if !(same && row.reason == new.reason.code && row.version == new.version) {
            return Err(format!(
                "I3: after {what} in {} the row is {}/{:?}/{:?}",
                old.state, row.state, row.last_error, row.reason
            ));
        }
    }
    if old.state.is_terminal() && new.state != old.state {
        return Err(format!("I6: {what} moved {} to {}", old.state, new.state));
    }
    let ends = |event: &Event| matches!(event, Event::AttemptEnded(_));
    let effects = |event: &Event| match event {
        Event::Pushed(_) => true,
        Event::PrLinked(body) => body.request.is_some(),
        _ => false,
    };
    if events.iter().any(effects) && !(old.open.is_some() && events.iter().any(ends)) {
        return Err(format!("I8: {what} records an effect without an attempt"));
    }
    for event in events {
        if let Event::AttemptStarted(body) = event
            && !may_begin(old, body.step, person)
        {
            return Err(format!("I10: {} begins in {}", body.step.name(), old.state));
        }
    }
    let completes = matches!(command, Command::EndAttempt { outcome: StepOutcome::PushDone { .. }, .. });
    if old.state.is_held() && new.state != old.state && !person && !completes {
        return Err(format!("I10: {what} moved a held run from {} to {}", old.state, new.state));
    }
    if let Command::RecordCheck { head_sha: Some(told), .. } = command
        && old.pushed.as_ref().is_none_or(|pushed| pushed.sha != *told)
        && new.state != old.state
    {
        return Err("I11: a result about another commit moved the run".to_owned());
    }
    Ok(())
}

/// I10: in a held state only what a person ordered or approved may begin, and the question itself.
fn may_begin(run: &Run, step: Step, person: bool) -> bool {
    match run.state {
        State::Paused | State::FailedRetryable | State::Done | State::Skipped | State::FailedTerminal => {
            false
        }
        State::NeedsHumanReview => {
            person
                || step == Step::PrRequest
                || step == Step::Push && matches!(run.gate, Gate::Approved { .. })
        }
        _ => true,
    }
}

/// What must hold whenever nothing happens.
fn at_rest(run: &Run) -> Vec<String> {
    let mut faults = Vec::new();
    if (run.state == State::Paused) != run.paused_from.is_some() {
        faults.push(format!("paused_from is {:?} in {}", run.paused_from, run.state));
    }
    if let Gate::Open { request, .. } | Gate::Approved { request, .. } = &run.gate {
        if !matches!(run.state, State::NeedsHumanReview | State::Pushed | State::Paused) {
            faults.push(format!("a request stands open in {}", run.state));
        }
        if run.change.as_ref().is_none_or(|change| change.head_sha != request.binding.head_sha) {
            faults.push(format!("an open request in {} is about an older change", run.state));
        }
    }
    for late in [false, true] {
        faults.extend(goes_on(run, late));
    }
    faults
}

/// I12: something is due that can be done, or the run waits for somebody who can move it.
fn goes_on(run: &Run, late: bool) -> Option<String> {
    let now = moment(late);
    let ctx = Ctx { now: now.clone(), actor: agentpr::domain::actor::Actor::engine() };
    let state = run.state;
    let due = next(run, &now);
    let command = match &due {
        Due::Command(command) => command.clone(),
        Due::Perform(step) => Command::StartAttempt { step: *step, generation: 1 },
        Due::Wait(wait) => {
            let sound = match wait {
                Wait::Attempt(_) => run.open.is_some(),
                Wait::Approval => matches!(run.gate, Gate::Open { .. }) && !state.is_terminal(),
                Wait::Person => state.is_held() || state == State::Pushed,
                Wait::Operator => !run.spec.is_driven() && !state.is_held() && !state.is_terminal(),
                Wait::Forge => matches!(state, State::CiWait | State::ReviewWait),
                Wait::Nothing => state.is_terminal(),
            };
            return (!sound).then(|| format!("I12: {state} waits for {wait:?}"));
        }
    };
    match decide(Some(run), &command, &ctx) {
        Ok(decision) if !decision.events.is_empty() => None,
        Ok(_) => Some(format!("I12: `{}` is due in {state} and changes nothing", command.name())),
        Err(refusal) => Some(format!("I12: `{}` is due in {state} and refused: {refusal}", command.name())),
    }
}

fn small(spec: RunSpec) -> RunSpec {
    RunSpec { limits: Limits { max_iteration_count: 1, max_interruptions: 0, ..Limits::default() }, ..spec }
}

fn sound(name: &str, spec: RunSpec, at_least: usize) {
    let walked = walk(
        small(spec),
        Performer::CAREFUL,
        std::env::var("WALK_BOUND").map_or(60_000, |b| b.parse().unwrap()),
    );
    println!("{name}: {} states, {} steps", walked.states, walked.steps);
    assert!(walked.faults.is_empty(), "{:#?}", walked.faults);
    assert!(walked.states >= at_least, "the walk shrank to {} states", walked.states);
    assert_eq!(walked.reached.len(), State::ALL.len(), "not every state was reached");
}

#[test]
fn a_driven_run_is_sound_wherever_it_goes() {
    sound("driven", driven_spec(), 10_000);
}

#[test]
fn a_run_by_hand_is_sound_wherever_it_goes() {
    sound("by hand", manual_spec(), 10_000);
}

#[test]
fn a_run_that_delivers_nothing_is_sound_wherever_it_goes() {
    sound("delivering nothing", RunSpec { delivery: Delivery::None, ..driven_spec() }, 1_000);
}
