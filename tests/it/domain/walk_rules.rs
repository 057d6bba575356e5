//! The invariants of the walk: what must hold of each step, and whenever nothing happens.

use agentpr::domain::actor::Actor;
use agentpr::domain::command::{Command, StepOutcome};
use agentpr::domain::decide::{Ctx, Rejection, decide};
use agentpr::domain::event::Event;
use agentpr::domain::evidence::Step;
use agentpr::domain::gate::Gate;
use agentpr::domain::next::{Due, Wait, next};
use agentpr::domain::run::Run;
use agentpr::domain::state::State;

use super::walk_world::{Node, moment, number};

/// What an attempt did must be recordable wherever the run went meanwhile.
pub(super) fn unrecordable(
    run: &Run,
    command: &Command,
    refusal: &Rejection,
) -> Result<Option<Node>, String> {
    match command {
        Command::EndAttempt { .. } => {
            let step = run.open.as_ref().map_or("no", |open| open.step.name());
            Err(format!("the end of a {step} attempt in {} is refused: {refusal}", run.state))
        }
        _ => Ok(None),
    }
}

/// I4: what the engine pushes was approved by a person, is not used up, and nothing moved since.
pub(super) fn pushes_what_was_approved(node: &Node, commit: u8) -> Result<(), String> {
    if node.world.ordered {
        return Ok(());
    }
    match &node.run().gate {
        Gate::Approved { request, by } if by.is_person() && number(&request.binding.head_sha) == commit => {
            if number(&request.binding.base_sha) != node.base() {
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
pub(super) fn steps_are_allowed(
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
    if let Command::RecordCheck { head_sha: Some(told), .. }
    | Command::RecordReview { head_sha: Some(told), .. } = command
        && old.pushed.as_ref().is_none_or(|pushed| pushed.sha != *told)
        && new.state != old.state
    {
        return Err("I11: a result about another commit moved the run".to_owned());
    }
    if let Command::Observe { .. } | Command::Settle = command {
        let ctx = Ctx { now: moment(false), actor: Actor::engine() };
        let again = decide(Some(new), command, &ctx).map_err(|refusal| refusal.to_string())?;
        if let Some(event) = again.events.first() {
            return Err(format!("I13: {what} twice in {} leaves {}", old.state, event.name()));
        }
    }
    Ok(())
}

/// I10: in a held state only what a person ordered or approved may begin, and the question itself.
///
/// And a pull request is opened only for a commit that is at the remote.
fn may_begin(run: &Run, step: Step, person: bool) -> bool {
    if step == Step::PrCreate {
        let Gate::Approved { request, .. } = &run.gate else { return false };
        return run.pushed.as_ref().is_some_and(|pushed| pushed.sha == request.binding.head_sha);
    }
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
pub(super) fn at_rest(run: &Run) -> Vec<String> {
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
    let ctx = Ctx { now: now.clone(), actor: Actor::engine() };
    let state = run.state;
    let due = next(run, &now);
    let command = match &due {
        Due::Command(command) => command.clone(),
        Due::Perform(step) => Command::StartAttempt { step: *step, generation: 1, reserved: None },
        Due::Wait(wait) => {
            let sound = match wait {
                Wait::Attempt(_) => run.open.is_some(),
                Wait::Approval => matches!(run.gate, Gate::Open { .. }) && !state.is_terminal(),
                Wait::Person => state.is_held() || state == State::Pushed,
                Wait::Operator => !run.spec.is_driven() && !state.is_held() && !state.is_terminal(),
                Wait::Forge | Wait::Maintainer => matches!(state, State::CiWait | State::ReviewWait),
                Wait::ForgeLimit(until) => now.wall < *until,
                Wait::Quota(until) => !late && now.wall < *until && !state.is_held(),
                // Only who asks the ledger can say so.
                Wait::Budget => false,
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
