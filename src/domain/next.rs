//! What is due: implied by the run as it is, recomputed after every event and at boot.
//!
//! Recovery is therefore no special path: whatever was under way ends as interrupted, and then this function says again
//! what is due.

use std::time::Duration;

use super::command::Command;
use super::decide::forge::settle;
use super::evidence::Step;
use super::forge::standing::CiStatus;
use super::gate::Gate;
use super::run::Run;
use super::spec::Delivery;
use super::state::State;
use super::time::{Moment, Timestamp};

/// What follows for a run.
#[expect(
    clippy::large_enum_variant,
    reason = "one is made, matched and dropped; a box would be in every match"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Decide something: no effect is needed.
    Command(Command),
    /// Carry out one step.
    Perform(Step),
    /// Nothing, until somebody or something else acts.
    Wait(Wait),
}

/// What a run waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// An attempt that is under way.
    Attempt(Step),
    /// A person's confirmation of the open request.
    Approval,
    /// A person's word, as the state says.
    Person,
    /// An operator who orders the next step of a run that the engine does not drive.
    Operator,
    /// The forge: checks and reviews of the pull request.
    Forge,
    /// An agent's allowance to come back, until this moment.
    Quota(Timestamp),
    /// A maintainer of the repository, who has to let the checks run.
    Maintainer,
    /// The forge to take something again, at this moment.
    ForgeLimit(Timestamp),
    /// A part of a budget that attempts under way have reserved. The log of a run alone never says so.
    Budget,
    /// Nothing: the run is over.
    Nothing,
}

/// Says what is due for `run` at `now`.
///
/// Total, and without memory: the same run at the same moment always has the same answer. An attempt that is under way
/// is waited for; whether somebody still performs it is for the lease to say.
pub fn next(run: &Run, now: &Moment) -> Due {
    if let Some(open) = &run.open {
        return Due::Wait(Wait::Attempt(open.step));
    }
    if let Some(due) = at_the_gate(run, now) {
        return due;
    }
    if run.state.is_terminal() {
        return Due::Wait(Wait::Nothing);
    }
    if settle(run).is_some() {
        return Due::Command(Command::Settle);
    }
    if run.state.is_held() {
        return Due::Wait(Wait::Person);
    }
    if !run.spec.is_driven() {
        return Due::Wait(match run.state {
            State::CiWait | State::ReviewWait => at_the_forge(run),
            _ => Wait::Operator,
        });
    }
    if is_out_of_time(run, now)
        && !matches!(run.state, State::CiWait | State::ReviewWait | State::Queued | State::Pushed)
    {
        let minutes = run.spec.limits.max_run_minutes.unwrap_or_default();
        return Due::Command(Command::Escalate {
            reason: "budget_exhausted".to_owned(),
            message: format!("the run may take {minutes} minutes and they are over"),
        });
    }
    if let Some(until) = waits_for_quota(run, now) {
        return Due::Wait(Wait::Quota(until));
    }
    match run.state {
        State::Queued => Due::Command(Command::StartDiscovery),
        State::Discovery if run.prepared.is_none() => Due::Perform(Step::Prepare),
        State::Discovery => Due::Perform(Step::Plan),
        State::PlanReady | State::Iterating => Due::Command(Command::StartImplementation),
        State::Implementing if run.prepared.is_none() => Due::Perform(Step::Prepare),
        State::Implementing | State::LocalValidating if run.actions_are_due() => Due::Perform(Step::Actions),
        State::Implementing if run.fresh_change => Due::Command(Command::MarkLocalValidated),
        State::Implementing => Due::Perform(Step::Agent),
        State::LocalValidating if run.change.is_none() => Due::Command(Command::Escalate {
            reason: "no_change".to_owned(),
            message: "there is no captured change to check".to_owned(),
        }),
        State::LocalValidating => Due::Perform(Step::Checks),
        State::CiWait | State::ReviewWait => Due::Wait(at_the_forge(run)),
        State::Pushed
        | State::Paused
        | State::NeedsHumanReview
        | State::FailedRetryable
        | State::Done
        | State::Skipped
        | State::FailedTerminal => Due::Wait(Wait::Person),
    }
}

/// What the gate asks for, in the two states where it can stand open.
fn at_the_gate(run: &Run, now: &Moment) -> Option<Due> {
    if !matches!(run.state, State::NeedsHumanReview | State::Pushed) {
        return None;
    }
    if let Some(until) = parked_until(run, now) {
        return Some(Due::Wait(Wait::ForgeLimit(until)));
    }
    match &run.gate {
        Gate::Approved { request, .. } => {
            let there = run.pushed.as_ref().is_some_and(|pushed| pushed.sha == request.binding.head_sha);
            Some(Due::Perform(if there && run.state == State::Pushed { Step::PrCreate } else { Step::Push }))
        }
        Gate::Open { request, .. } if request.is_expired(now) => {
            Some(Due::Command(Command::CancelRequest { request: request.id.clone(), drift: Vec::new() }))
        }
        Gate::Open { .. } => Some(Due::Wait(Wait::Approval)),
        Gate::Closed | Gate::Used { .. } => wants_request(run).then_some(Due::Perform(Step::PrRequest)),
        // Asked once: after an expiry, a stale binding or wrong tokens a person asks again.
        Gate::Cancelled { .. } => None,
    }
}

/// Until when the forge takes nothing, where the next step would ask something of it.
fn parked_until(run: &Run, now: &Moment) -> Option<Timestamp> {
    let (until, _) = run.forge_parked.filter(|(until, _)| now.wall < *until)?;
    let asks = match &run.gate {
        // An approval that expires meanwhile is looked at when it does: it is not carried out late.
        Gate::Approved { request, .. } => !request.is_expired(now),
        Gate::Closed | Gate::Used { .. } => wants_request(run),
        Gate::Open { .. } | Gate::Cancelled { .. } => false,
    };
    asks.then_some(until)
}

/// What a pull request waits for.
fn at_the_forge(run: &Run) -> Wait {
    if run.ci() == Some(CiStatus::Held) { Wait::Maintainer } else { Wait::Forge }
}

/// A driven run asks by itself once its change has passed and nobody was asked about this commit.
fn wants_request(run: &Run) -> bool {
    let pushed_already = run
        .change
        .as_ref()
        .is_some_and(|change| run.pushed.as_ref().is_some_and(|pushed| pushed.sha == change.head_sha));
    let cut_off_too_often = run
        .interruptions
        .is_some_and(|(step, count)| step == Step::PrRequest && count > run.spec.limits.max_interruptions);
    run.spec.is_driven()
        && run.spec.delivery == Delivery::Pr
        && run.state == State::NeedsHumanReview
        // A run that was paused before it could ask asks when it is resumed.
        && matches!(run.reason.code.as_str(), "ready_for_review" | "resumed")
        && !cut_off_too_often
        && run.is_proven()
        && run.blocking_findings().unwrap_or_default() == 0
        && run.last_error.is_none()
        && !run.pr_is_over()
        && !pushed_already
}

/// Until when a run waits whose next step is an agent's. Checks of a change that is there go on meanwhile.
fn waits_for_quota(run: &Run, now: &Moment) -> Option<Timestamp> {
    let parked = run.parked.as_ref().filter(|parked| now.wall < parked.until)?;
    let is_agents = match run.state {
        State::Implementing => run.prepared.is_some() && !run.fresh_change && !run.actions_are_due(),
        State::Discovery => run.prepared.is_some() && run.spec.is_planned_by_agent(),
        _ => false,
    };
    is_agents.then_some(parked.until)
}

fn is_out_of_time(run: &Run, now: &Moment) -> bool {
    run.spec.limits.max_run_minutes.is_some_and(|minutes| {
        now.wall.since(run.clock_from) >= Duration::from_secs(minutes.saturating_mul(60))
    })
}
