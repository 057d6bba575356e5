//! Attempts: an intent before each effect, an outcome after it, and what the outcome moves.

use super::{Decision, Rejection, gate};
use crate::domain::command::{Failure, Flow, StepOutcome};
use crate::domain::event::{
    AttemptEnded, AttemptStarted, ChangeCaptured, ChecksFinished, Event, FixRequested, HumanReviewRequested,
    MarkedDone, PlanReady, PrLinked, PrRequestCancelled, ProcessStarted, Pushed, StepFailed,
    ValidationStarted, VerdictRendered, VerifySpecPinned, WorkspacePrepared,
};
use crate::domain::evidence::{
    AttemptEvidence, AttemptOutcome, Change, CheckOutcome, CheckReport, OpenAttempt, ProcessRef, Step,
};
use crate::domain::gate::{CancelReason, Gate};
use crate::domain::id::AttemptNo;
use crate::domain::run::Run;
use crate::domain::spec::Delivery;
use crate::domain::state::State;
use crate::domain::verdict::{Evidence, Grade, NextAction, Verdict, verdict};

use super::Ctx;

pub(super) fn start(run: &Run, step: Step, generation: u64, ctx: &Ctx) -> Result<Decision, Rejection> {
    if let Some(open) = &run.open {
        return Err(Rejection::AttemptOpen { attempt: open.no, step: open.step });
    }
    if !may_start(run, step, ctx.actor.is_person()) {
        return Err(Rejection::Illegal { command: start_words(step), state: run.state });
    }
    let attempt = AttemptNo(run.attempts.0 + 1);
    Ok(Decision::of(vec![AttemptStarted { attempt, step, generation }.into()]))
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

fn under_way(run: &Run, attempt: AttemptNo) -> Result<&OpenAttempt, Rejection> {
    run.open.as_ref().filter(|open| open.no == attempt).ok_or(Rejection::AttemptNotOpen { attempt })
}

/// Ends an attempt. What happened is recorded in every state; what follows from it only where the run still waits for it.
pub(super) fn end(
    run: &Run,
    attempt: AttemptNo,
    evidence: &AttemptEvidence,
    outcome: &StepOutcome,
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
    match consequences(run, open.step, outcome) {
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
        StepOutcome::Requested(_) => step == Step::PrRequest,
        StepOutcome::PushDone { .. } => step == Step::Push,
        StepOutcome::PrOpened { .. } => step == Step::PrCreate,
        StepOutcome::Failed(_) | StepOutcome::Interrupted | StepOutcome::Stopped => true,
    }
}

fn attempt_outcome(outcome: &StepOutcome) -> AttemptOutcome {
    match outcome {
        StepOutcome::AgentEnded { outcome, .. } => *outcome,
        StepOutcome::Failed(failure) => failure.outcome,
        StepOutcome::Interrupted => AttemptOutcome::Interrupted,
        StepOutcome::Stopped => AttemptOutcome::Stopped,
        StepOutcome::Checked { report, .. } => match report.outcome() {
            CheckOutcome::Failed | CheckOutcome::Blocked => AttemptOutcome::Failed,
            CheckOutcome::Passed | CheckOutcome::NoEvidence => AttemptOutcome::Succeeded,
        },
        StepOutcome::Prepared { .. }
        | StepOutcome::Planned(_)
        | StepOutcome::PushDone { .. }
        | StepOutcome::PrOpened { .. }
        | StepOutcome::Requested(_) => AttemptOutcome::Succeeded,
    }
}

fn consequences(run: &Run, step: Step, outcome: &StepOutcome) -> Result<Vec<Event>, Rejection> {
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
        StepOutcome::AgentEnded { outcome, change, flow, .. } => {
            agent_ended(run, *outcome, change.as_ref(), *flow)
        }
        StepOutcome::Checked { report, flow, .. } => checked(run, report, *flow),
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
        StepOutcome::Requested(request) => gate::request_events(run, request, false)?,
        StepOutcome::Failed(failure) => failed(run, step, failure),
        StepOutcome::Interrupted => interrupted(run, step),
        StepOutcome::Stopped => Vec::new(),
    })
}

fn keep(condition: bool, event: impl Into<Event>) -> Vec<Event> {
    if condition { vec![event.into()] } else { Vec::new() }
}

/// Whether the run still stands where a step of work moves it on.
fn is_working(run: &Run) -> bool {
    use State::{Discovery, Implementing, Iterating, LocalValidating, PlanReady};
    matches!(run.state, Discovery | PlanReady | Implementing | Iterating | LocalValidating)
}

fn agent_ended(run: &Run, outcome: AttemptOutcome, change: Option<&Change>, flow: Flow) -> Vec<Event> {
    let mut events = Vec::new();
    if let Some(change) = change {
        events.extend(super::withdraw(run));
        events.push(ChangeCaptured { change: change.clone() }.into());
    }
    if !is_working(run) {
        return events;
    }
    // What failed here, or was pushed and sent back, and comes again as it was is no change.
    let again = change.is_some_and(|new| {
        let failed_before = run.evidence() == Some(CheckOutcome::Failed)
            && run.change.as_ref().is_some_and(|old| old.tree == new.tree);
        failed_before || run.pushed.as_ref().is_some_and(|pushed| pushed.sha == new.head_sha)
    });
    let changed = change.is_some() && !again;
    if outcome == AttemptOutcome::Succeeded && (changed || run.state == State::Discovery) {
        match (flow, run.state) {
            (Flow::Unattended, State::Implementing) => events.push(ValidationStarted {}.into()),
            (Flow::ByHand { success: Some(State::NeedsHumanReview) }, State::Discovery) => {
                events.push(human("agent_done", "the agent ended; a person decides what follows"));
            }
            // The operator's step goes on with the checks.
            (Flow::Unattended | Flow::ByHand { .. }, _) => {}
        }
        return events;
    }
    let graded = verdict(Evidence { agent: outcome, changed, checks: None });
    events.push(VerdictRendered { verdict: graded.clone() }.into());
    events.push(after_failure(Step::Agent, &graded));
    events
}

fn checked(run: &Run, report: &CheckReport, flow: Flow) -> Vec<Event> {
    let mut events: Vec<Event> = vec![ChecksFinished { report: report.clone() }.into()];
    let about_change = run.change.as_ref().is_some_and(|change| change.head_sha == report.head_sha);
    let waits = match flow {
        Flow::Unattended => run.state == State::LocalValidating,
        Flow::ByHand { .. } => {
            matches!(run.state, State::LocalValidating | State::Implementing | State::Iterating)
        }
    };
    if !about_change || !waits {
        return events;
    }
    let graded =
        verdict(Evidence { agent: AttemptOutcome::Succeeded, changed: true, checks: Some(report.outcome()) });
    events.push(VerdictRendered { verdict: graded.clone() }.into());
    events.extend(match (flow, graded.grade) {
        (Flow::Unattended, Grade::Pass) => match run.spec.delivery {
            Delivery::Pr => vec![human(
                "ready_for_review",
                "every check passed; the change waits for its two confirmations",
            )],
            Delivery::None => vec![MarkedDone {}.into()],
        },
        (Flow::Unattended, Grade::HumanReview | Grade::Retryable)
            if report.outcome() == CheckOutcome::Failed
                && run.fix_rounds < run.spec.limits.max_iteration_count =>
        {
            vec![FixRequested { round: run.fix_rounds + 1, reason: "verify_failed".to_owned() }.into()]
        }
        (Flow::ByHand { success }, Grade::Pass) => match success {
            Some(State::NeedsHumanReview) => {
                vec![human("ready_for_review", "every check passed; a person decides what follows")]
            }
            Some(State::LocalValidating) if run.state != State::LocalValidating => {
                vec![ValidationStarted {}.into()]
            }
            _ => Vec::new(),
        },
        (Flow::Unattended | Flow::ByHand { .. }, Grade::HumanReview | Grade::Retryable) => {
            vec![after_failure(Step::Checks, &graded)]
        }
    });
    events
}

fn after_failure(step: Step, graded: &Verdict) -> Event {
    match graded.next_action {
        NextAction::Retry => StepFailed {
            step: step.name().to_owned(),
            reason_code: graded.reason_code.clone(),
            error_message: graded.because.clone(),
            retryable: true,
        }
        .into(),
        NextAction::Escalate | NextAction::Advance => human(&graded.reason_code, &graded.because),
    }
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

fn human(reason: &str, message: &str) -> Event {
    HumanReviewRequested { reason: reason.to_owned(), message: message.to_owned() }.into()
}
