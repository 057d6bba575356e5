//! Attempts: an intent before each effect, an outcome after it, and what the outcome moves.

use super::{Ctx, Decision, Rejection, forge, gate, human, is_working, quota, work};
use crate::domain::agent::budget::Allowance;
use crate::domain::agent::record::Session;
use crate::domain::agent::role::Role;
use crate::domain::command::{Failure, StepOutcome};
use crate::domain::event::{
    ActionsExecuted, AttemptEnded, AttemptStarted, Event, GuardViolated, PlanReady, PrLinked,
    PrRequestCancelled, ProcessStarted, Pushed, SessionNamed, StepFailed, VerifySpecPinned,
    WorkspacePrepared,
};
use crate::domain::evidence::{AttemptEvidence, AttemptOutcome, CheckOutcome, OpenAttempt, ProcessRef, Step};
use crate::domain::gate::{CancelReason, Gate};
use crate::domain::guard::GuardReport;
use crate::domain::id::AttemptNo;
use crate::domain::run::Run;
use crate::domain::state::State;

pub(super) fn start(
    run: &Run,
    step: Step,
    generation: u64,
    reserved: Option<Allowance>,
    ctx: &Ctx,
) -> Result<Decision, Rejection> {
    if let Some(open) = &run.open {
        return Err(Rejection::AttemptOpen { attempt: open.no, step: open.step });
    }
    if !may_start(run, step, ctx.actor.is_person()) {
        return Err(Rejection::Illegal { command: start_words(step), state: run.state });
    }
    let attempt = AttemptNo(run.attempts.0 + 1);
    Ok(Decision::of(vec![AttemptStarted { attempt, step, generation, reserved }.into()]))
}

/// The states in which a step makes sense; a person may order it in more of them than the engine takes by itself.
fn may_start(run: &Run, step: Step, person: bool) -> bool {
    use State::{Discovery, Implementing, Iterating, LocalValidating, NeedsHumanReview, PlanReady, Pushed};
    let approved = matches!(run.gate, Gate::Approved { .. });
    let approved_is_pushed = match (&run.gate, &run.pushed) {
        (Gate::Approved { request, .. }, Some(pushed)) => pushed.sha == request.binding.head_sha,
        _ => false,
    };
    match step {
        Step::Prepare => matches!(run.state, Discovery | PlanReady | Implementing),
        Step::Plan => run.state == Discovery,
        Step::Agent => {
            run.state == Implementing
                || person && matches!(run.state, Discovery | LocalValidating | Iterating)
        }
        Step::Checks => {
            run.state == LocalValidating
                || person && matches!(run.state, Implementing | Iterating | NeedsHumanReview)
        }
        Step::Actions => run.actions_are_due() && matches!(run.state, Implementing | LocalValidating),
        Step::PrRequest => matches!(run.state, NeedsHumanReview | Pushed),
        Step::Push => match run.state {
            NeedsHumanReview | Pushed => approved || person,
            LocalValidating => person,
            _ => false,
        },
        Step::PrCreate => run.state == Pushed && approved_is_pushed,
    }
}

fn start_words(step: Step) -> &'static str {
    match step {
        Step::Prepare => "prepare the workspace",
        Step::Plan => "write the contract",
        Step::Agent => "run the agent",
        Step::Actions => "carry out the actions",
        Step::Checks => "run the checks",
        Step::PrRequest => "ask for a pull request",
        Step::Push => "push",
        Step::PrCreate => "open the pull request",
    }
}

pub(super) fn note_process(
    run: &Run,
    attempt: AttemptNo,
    process: &ProcessRef,
) -> Result<Decision, Rejection> {
    under_way(run, attempt)?;
    Ok(Decision::of(vec![ProcessStarted { attempt, process: process.clone() }.into()]))
}

/// The same conversation told twice is one.
pub(super) fn note_session(
    run: &Run,
    attempt: AttemptNo,
    role: Role,
    session: &Session,
) -> Result<Decision, Rejection> {
    under_way(run, attempt)?;
    let known =
        run.sessions.get(&role).is_some_and(|known| known.id == session.id && known.agent == session.agent);
    if known {
        return Ok(Decision::nothing());
    }
    Ok(Decision::of(vec![SessionNamed { attempt, role, session: session.clone() }.into()]))
}

/// A clean report is no event; the same report twice is one.
pub(super) fn note_guard(run: &Run, attempt: AttemptNo, report: &GuardReport) -> Result<Decision, Rejection> {
    // What an attempt that was cut off left is noted in the next one, and may have been noted before.
    let is_later = |open: &&OpenAttempt| attempt <= open.no;
    run.open.as_ref().filter(is_later).ok_or(Rejection::AttemptNotOpen { attempt })?;
    let is_known = run.guard.as_ref().is_some_and(|(newest, _)| attempt <= *newest);
    if report.is_clean() || is_known {
        return Ok(Decision::nothing());
    }
    Ok(Decision::of(vec![GuardViolated { attempt, report: report.clone() }.into()]))
}

fn under_way(run: &Run, attempt: AttemptNo) -> Result<&OpenAttempt, Rejection> {
    run.open.as_ref().filter(|open| open.no == attempt).ok_or(Rejection::AttemptNotOpen { attempt })
}

/// Ends an attempt. What happened is recorded in every state; what follows from it only where the run still waits for it.
pub(super) fn end(
    run: &Run,
    attempt: AttemptNo,
    evidence: &AttemptEvidence,
    outcome: &StepOutcome,
    ctx: &Ctx,
) -> Result<Decision, Rejection> {
    let open = under_way(run, attempt)?;
    if !is_of(open.step, outcome) {
        return Err(Rejection::illegal(run, "end an attempt with the outcome of another step"));
    }
    let ended = |outcome| -> Event {
        AttemptEnded { attempt, step: open.step, outcome, evidence: evidence.clone() }.into()
    };
    let is_there = matches!(outcome, StepOutcome::PushDone { .. } | StepOutcome::PrOpened { .. });
    if run.state.is_terminal() && !is_there {
        return Ok(Decision::of(vec![ended(attempt_outcome(outcome))]));
    }
    match consequences(run, open, evidence, outcome, ctx) {
        Ok(events) => {
            let mut all = vec![ended(attempt_outcome(outcome))];
            all.extend(events);
            Ok(Decision::of(all))
        }
        // The run went on meanwhile: the attempt is over all the same, and what it made is not taken.
        Err(refusal) => Ok(Decision { events: vec![ended(AttemptOutcome::Failed)], refusal: Some(refusal) }),
    }
}

/// Says whether a step can end like that.
fn is_of(step: Step, outcome: &StepOutcome) -> bool {
    match outcome {
        StepOutcome::Prepared { .. } => step == Step::Prepare,
        StepOutcome::Planned(_) => step == Step::Plan,
        StepOutcome::AgentEnded { .. } => step == Step::Agent,
        StepOutcome::Checked { .. } => step == Step::Checks,
        StepOutcome::Acted(_) => step == Step::Actions,
        StepOutcome::Requested(_) => step == Step::PrRequest,
        StepOutcome::PushDone { .. } => step == Step::Push,
        StepOutcome::PrOpened { .. } => step == Step::PrCreate,
        StepOutcome::Parked { .. } => matches!(step, Step::PrRequest | Step::Push | Step::PrCreate),
        StepOutcome::Failed(_) | StepOutcome::Interrupted | StepOutcome::Stopped => true,
    }
}

fn attempt_outcome(outcome: &StepOutcome) -> AttemptOutcome {
    match outcome {
        StepOutcome::AgentEnded { outcome, .. } => *outcome,
        StepOutcome::Failed(failure) => failure.outcome,
        StepOutcome::Interrupted => AttemptOutcome::Interrupted,
        StepOutcome::Stopped | StepOutcome::Parked { .. } => AttemptOutcome::Stopped,
        StepOutcome::Checked { report, .. } => match report.outcome() {
            CheckOutcome::Failed | CheckOutcome::Blocked => AttemptOutcome::Failed,
            CheckOutcome::Passed | CheckOutcome::NoEvidence => AttemptOutcome::Succeeded,
        },
        StepOutcome::Prepared { .. }
        | StepOutcome::Planned(_)
        | StepOutcome::Acted(_)
        | StepOutcome::PushDone { .. }
        | StepOutcome::PrOpened { .. }
        | StepOutcome::Requested(_) => AttemptOutcome::Succeeded,
    }
}

fn consequences(
    run: &Run,
    open: &OpenAttempt,
    evidence: &AttemptEvidence,
    outcome: &StepOutcome,
    ctx: &Ctx,
) -> Result<Vec<Event>, Rejection> {
    let (step, attempt) = (open.step, open.no);
    Ok(match outcome {
        StepOutcome::Prepared { prepared, spec } => {
            let mut events: Vec<Event> = vec![WorkspacePrepared { prepared: prepared.clone() }.into()];
            if run.verify_spec.is_none() && spec.is_some() {
                events.push(VerifySpecPinned { spec: spec.clone() }.into());
            }
            events
        }
        StepOutcome::Planned(contract) => {
            keep(run.state == State::Discovery, PlanReady { contract: contract.clone() })
        }
        StepOutcome::AgentEnded { outcome, change, actions, flow } => {
            let ended = work::Ended {
                outcome: *outcome,
                evidence,
                change: change.as_ref(),
                actions: actions.as_ref(),
                flow: *flow,
            };
            work::agent_ended(run, attempt, &ended, ctx)
        }
        StepOutcome::Checked { report, findings, flow } => work::checked(run, report, findings, *flow),
        StepOutcome::Acted(report) => vec![ActionsExecuted { report: report.clone() }.into()],
        StepOutcome::PushDone { branch, sha, request } => {
            vec![Pushed { branch: branch.clone(), sha: sha.clone(), request: request.clone() }.into()]
        }
        StepOutcome::PrOpened { number, url, request } => {
            vec![PrLinked { pr_number: *number, url: url.clone(), request: Some(request.clone()) }.into()]
        }
        // A person was faster, and holds a token already: theirs stands.
        StepOutcome::Requested(_) if matches!(run.gate, Gate::Open { .. } | Gate::Approved { .. }) => {
            Vec::new()
        }
        StepOutcome::Requested(request) => gate::asked_by_itself(run, request)?,
        StepOutcome::Parked { until, reason } => forge::parked(run, *until, reason),
        // An agent that was to plan met the end of its allowance: it plans when that is back.
        StepOutcome::Failed(failure) => match quota::met(evidence.agent.as_deref()) {
            Some(exhausted) if step == Step::Plan && run.spec.is_driven() => quota::wait(run, exhausted, ctx),
            Some(_) | None => failed(run, step, failure),
        },
        StepOutcome::Interrupted => interrupted(run, step),
        StepOutcome::Stopped => Vec::new(),
    })
}

fn keep(condition: bool, event: impl Into<Event>) -> Vec<Event> {
    if condition { vec![event.into()] } else { Vec::new() }
}

fn failed(run: &Run, step: Step, failure: &Failure) -> Vec<Event> {
    if run.state == State::Queued {
        return Vec::new();
    }
    let mut events = Vec::new();
    // What a person approved and cannot be done is asked for again: an approval is not kept for another day.
    if step.touches_the_world() {
        events.extend(super::withdraw(run));
    }
    events.push(
        StepFailed {
            step: step.name().to_owned(),
            reason_code: failure.reason_code.clone(),
            error_message: failure.message.clone(),
            retryable: failure.retryable,
        }
        .into(),
    );
    events
}

fn interrupted(run: &Run, step: Step) -> Vec<Event> {
    let before = match run.interruptions {
        Some((last, count)) if last == step => count,
        Some(_) | None => 0,
    };
    if before < run.spec.limits.max_interruptions || !(is_working(run) || run.state == State::Pushed) {
        if before >= run.spec.limits.max_interruptions
            && let (State::NeedsHumanReview, Gate::Approved { request, .. }) = (run.state, &run.gate)
        {
            return vec![
                PrRequestCancelled {
                    request: request.id.clone(),
                    reason: CancelReason::Withdrawn,
                    drift: Vec::new(),
                }
                .into(),
            ];
        }
        return Vec::new();
    }
    let mut events = super::withdraw(run);
    let message = format!("the {} step was cut off {} times in a row", step.name(), before + 1);
    events.push(human("interrupted_too_often", &message));
    events
}
