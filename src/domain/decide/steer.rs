//! Commands that move a run: the seed's verbs and the short ones.

use super::{Ctx, Decision, Rejection, moved};
use crate::domain::event::{
    Cancelled, DiscoveryStarted, HumanReviewRequested, ImplementationStarted, MarkedDone, PausedByPerson,
    PlanReady, PrLinked, Resumed, Retried, Skipped, ValidationStarted,
};
use crate::domain::evidence::{CheckOutcome, Contract};
use crate::domain::gate::Gate;
use crate::domain::id::PrNumber;
use crate::domain::run::Run;
use crate::domain::state::State;

pub(super) fn start_discovery(run: &Run, ctx: &Ctx) -> Result<Decision, Rejection> {
    if run.state == State::Discovery {
        return Ok(Decision::nothing());
    }
    no_push_under_way(run)?;
    moved(run, DiscoveryStarted {}.into(), "start discovery", ctx)
}

pub(super) fn mark_plan_ready(run: &Run, contract: &Contract, ctx: &Ctx) -> Result<Decision, Rejection> {
    if run.state == State::PlanReady && run.contract.as_ref() == Some(contract) {
        return Ok(Decision::nothing());
    }
    no_push_under_way(run)?;
    moved(run, PlanReady { contract: contract.clone() }.into(), "mark the plan ready", ctx)
}

pub(super) fn start_implementation(run: &Run, ctx: &Ctx) -> Result<Decision, Rejection> {
    if run.state == State::Implementing {
        return Ok(Decision::nothing());
    }
    no_push_under_way(run)?;
    moved(run, ImplementationStarted {}.into(), "start implementation", ctx)
}

pub(super) fn mark_local_validated(run: &Run, ctx: &Ctx) -> Result<Decision, Rejection> {
    if run.state == State::LocalValidating {
        return Ok(Decision::nothing());
    }
    no_push_under_way(run)?;
    moved(run, ValidationStarted {}.into(), "mark it locally validated", ctx)
}

pub(super) fn escalate(run: &Run, reason: &str, message: &str, ctx: &Ctx) -> Result<Decision, Rejection> {
    let handed_over = run.state == State::NeedsHumanReview && run.reason.code == reason;
    if handed_over || run.paused_from == Some(State::NeedsHumanReview) {
        return Ok(Decision::nothing());
    }
    let event = HumanReviewRequested { reason: reason.to_owned(), message: message.to_owned() };
    moved(run, event.into(), "hand it to a person", ctx)
}

pub(super) fn link_pr(
    run: &Run,
    number: PrNumber,
    url: Option<&str>,
    ctx: &Ctx,
) -> Result<Decision, Rejection> {
    match &run.pr {
        Some(linked) if linked.number != number => {
            return Err(Rejection::OtherPrLinked { linked: linked.number });
        }
        Some(_) if run.state != State::Pushed => return Ok(Decision::nothing()),
        Some(_) | None => {}
    }
    no_push_under_way(run)?;
    let event = PrLinked { pr_number: number, url: url.map(str::to_owned), request: None };
    let mut decision = moved(run, event.into(), "link a pull request", ctx)?;
    // Linked by hand: whatever was asked for is answered.
    if !matches!(run.gate, Gate::Closed) && decision.events.len() == 1 {
        let mut events = super::withdraw(run);
        events.append(&mut decision.events);
        decision.events = events;
    }
    Ok(decision)
}

pub(super) fn mark_done(run: &Run, ctx: &Ctx) -> Result<Decision, Rejection> {
    if run.state == State::Done {
        return Ok(Decision::nothing());
    }
    no_push_under_way(run)?;
    moved(run, MarkedDone {}.into(), "mark it done", ctx)
}

pub(super) fn pause(run: &Run, ctx: &Ctx) -> Result<Decision, Rejection> {
    if run.state == State::Paused {
        return Ok(Decision::nothing());
    }
    moved(run, PausedByPerson {}.into(), "pause", ctx)
}

pub(super) fn resume(run: &Run, target: Option<State>, ctx: &Ctx) -> Result<Decision, Rejection> {
    let Some(paused_from) = run.paused_from else {
        return Err(Rejection::illegal(run, "resume"));
    };
    let target_state = target.unwrap_or(paused_from);
    if target_state.is_terminal() || !State::Paused.allows(target_state) {
        return Err(Rejection::TargetNotAllowed { state: run.state, target: target_state });
    }
    if target_state != paused_from {
        no_push_under_way(run)?;
    }
    moved(run, Resumed { target_state }.into(), "resume there", ctx)
}

pub(super) fn retry(run: &Run, target: Option<State>, ctx: &Ctx) -> Result<Decision, Rejection> {
    if !matches!(run.state, State::FailedRetryable | State::NeedsHumanReview) {
        return Err(Rejection::illegal(run, "retry"));
    }
    no_push_under_way(run)?;
    let target_state = target.unwrap_or_else(|| retry_target(run));
    let allowed =
        run.state.allows(target_state) && !target_state.is_terminal() && target_state != State::Paused;
    if !allowed {
        return Err(Rejection::TargetNotAllowed { state: run.state, target: target_state });
    }
    moved(run, Retried { target_state }.into(), "retry there", ctx)
}

/// Where another try starts when nobody says: where the run fell, or the nearest place before it.
fn retry_target(run: &Run) -> State {
    let fell_in = run.held_from.unwrap_or(State::Implementing);
    match run.state {
        State::FailedRetryable if State::FailedRetryable.allows(fell_in) => fell_in,
        State::NeedsHumanReview => match fell_in {
            State::Pushed => State::Pushed,
            State::Discovery | State::PlanReady if run.contract.is_some() => State::PlanReady,
            // The contract could not be carried out, or another one took its place: the same change is checked again.
            State::LocalValidating
                if run.evidence() == Some(CheckOutcome::Blocked)
                    || run.checks.is_none() && run.verdict.is_some() && run.change.is_some() =>
            {
                State::LocalValidating
            }
            _ => State::Implementing,
        },
        _ => State::Implementing,
    }
}

pub(super) fn cancel(run: &Run, reason: &str, ctx: &Ctx) -> Result<Decision, Rejection> {
    if run.state == State::FailedTerminal {
        return Ok(Decision::nothing());
    }
    moved(run, Cancelled { reason: reason.to_owned() }.into(), "cancel", ctx)
}

pub(super) fn skip(run: &Run, reason: &str, ctx: &Ctx) -> Result<Decision, Rejection> {
    if run.state == State::Skipped {
        return Ok(Decision::nothing());
    }
    no_push_under_way(run)?;
    moved(run, Skipped { reason: reason.to_owned() }.into(), "skip", ctx)
}

/// While something is on its way to the remote, only pausing, going on from the pause, and cancelling make sense.
pub(super) fn no_push_under_way(run: &Run) -> Result<(), Rejection> {
    match &run.open {
        Some(open) if open.step.touches_the_world() => {
            Err(Rejection::AttemptOpen { attempt: open.no, step: open.step })
        }
        Some(_) | None => Ok(()),
    }
}
