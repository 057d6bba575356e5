//! What follows from the two steps of work: the agent's, and the checks'.

use super::{Ctx, human, is_working, quota};
use crate::domain::command::{ActionsFound, Flow};
use crate::domain::event::{
    ActionsExecuted, ActionsRequested, ChangeCaptured, ChecksFinished, Event, FixRequested, MarkedDone,
    PolicyScanned, StepFailed, ValidationStarted, VerdictRendered,
};
use crate::domain::evidence::{AttemptEvidence, AttemptOutcome, Change, CheckOutcome, CheckReport, Step};
use crate::domain::id::AttemptNo;
use crate::domain::policy::{Finding, Severity};
use crate::domain::run::Run;
use crate::domain::spec::Delivery;
use crate::domain::state::State;
use crate::domain::verdict::{Evidence, Grade, NextAction, Verdict, against_agent, verdict};

/// Findings kept in the log; their number is kept whole.
const LISTED_FINDINGS: usize = 50;

/// An ended attempt of the agent, as it is told.
pub(super) struct Ended<'a> {
    pub(super) outcome: AttemptOutcome,
    pub(super) evidence: &'a AttemptEvidence,
    pub(super) change: Option<&'a Change>,
    pub(super) actions: Option<&'a ActionsFound>,
    pub(super) flow: Flow,
}

pub(super) fn agent_ended(run: &Run, attempt: AttemptNo, ended: &Ended<'_>, ctx: &Ctx) -> Vec<Event> {
    let Ended { outcome, evidence, change, actions, flow } = *ended;
    let mut events = Vec::new();
    // What is on record already is no new change, and nothing is withdrawn for it.
    if let Some(change) = change.filter(|change| run.change.as_ref() != Some(*change)) {
        events.extend(super::withdraw(run));
        events.push(ChangeCaptured { change: change.clone() }.into());
    }
    let wants_actions = note_actions(attempt, actions, &mut events);
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
    let explores = run.state == State::Discovery;
    let record = evidence.agent.as_deref();
    let against = against_agent(&Evidence {
        limit: evidence.limit,
        trouble: record.and_then(|record| record.trouble),
        signals: evidence.signals.as_deref(),
        guard: run.guard_of(attempt),
        guard_violations: run.guard_violations,
        retries: run.retries,
        ..Evidence::of(outcome, changed || explores, &run.spec.policy)
    });
    let waits = events.iter().any(|event| matches!(event, Event::HumanReviewRequested(_)));
    let Some(graded) = against else {
        match (flow, run.state) {
            // A person decides about its actions first, and then the change is checked.
            _ if waits => {}
            (Flow::Unattended, State::Implementing) => events.push(ValidationStarted {}.into()),
            (Flow::ByHand { success: Some(State::NeedsHumanReview) }, State::Discovery) => {
                events.push(human("agent_done", "the agent ended; a person decides what follows"));
            }
            // The operator's step goes on with the checks.
            (Flow::Unattended | Flow::ByHand { .. }, _) => {}
        }
        return events;
    };
    if graded.reason_code == "no_change" && wants_actions {
        return asks_for_actions(run, events, waits);
    }
    events.push(VerdictRendered { verdict: graded.clone() }.into());
    if let Some(exhausted) = quota::met(record) {
        let waiting = quota::wait(run, exhausted, ctx);
        match flow {
            Flow::Unattended => events.extend(waiting),
            // The person who ordered the step decides when it is made again; other runs hear of the pool all the same.
            Flow::ByHand { .. } => {
                events.extend(waiting.into_iter().filter(|event| matches!(event, Event::QuotaParked(_))));
                events.push(after_failure(Step::Agent, outcome, &graded));
            }
        }
        return events;
    }
    // An attempt of which nothing legal was left is made again, with a warning in its prompt.
    let again_by_itself = graded.reason_code == "guard_violation" && graded.next_action == NextAction::Retry;
    if !(again_by_itself && flow == Flow::Unattended && run.state == State::Implementing) {
        events.push(after_failure(Step::Agent, outcome, &graded));
    }
    events
}

/// Records a request for actions; says whether they can be carried out or wait for a person.
fn note_actions(attempt: AttemptNo, actions: Option<&ActionsFound>, events: &mut Vec<Event>) -> bool {
    match actions {
        None => false,
        Some(ActionsFound::PutAside(report)) => {
            events.push(ActionsExecuted { report: report.clone() }.into());
            false
        }
        Some(ActionsFound::Request(request)) => {
            events.push(ActionsRequested { attempt, request: request.clone() }.into());
            if request.needs_person {
                let message = "the agent asks for actions that a person has to grant";
                events.push(human("high_risk_action", message));
            }
            true
        }
    }
}

/// An agent that only asked for actions is tried again once they ran, as often as a failed one.
fn asks_for_actions(run: &Run, mut events: Vec<Event>, waits: bool) -> Vec<Event> {
    let cap = run.spec.policy.max_retries;
    if !waits && cap > 0 && run.retries >= cap {
        events.push(human("retryable_limit_exceeded", "the agent asked for actions again and again"));
        return events;
    }
    let waiting = Verdict {
        grade: Grade::Retryable,
        reason_code: "actions_requested".to_owned(),
        next_action: NextAction::Retry,
        because: "the agent changed nothing and asked for actions first".to_owned(),
    };
    events.push(VerdictRendered { verdict: waiting }.into());
    events
}

pub(super) fn checked(run: &Run, report: &CheckReport, findings: &[Finding], flow: Flow) -> Vec<Event> {
    let mut events: Vec<Event> = vec![ChecksFinished { report: report.clone() }.into()];
    let blocking = findings.iter().filter(|finding| finding.severity == Severity::Blocking).count();
    let blocking = u32::try_from(blocking).unwrap_or(u32::MAX);
    if !findings.is_empty() {
        let listed = findings.iter().take(LISTED_FINDINGS).cloned().collect();
        events.push(PolicyScanned { head_sha: report.head_sha.clone(), findings: listed, blocking }.into());
    }
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
    let graded = verdict(&Evidence {
        checks: Some(report),
        blocking,
        retries: run.retries,
        ..Evidence::of(AttemptOutcome::Succeeded, true, &run.spec.policy)
    });
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
            vec![after_failure(Step::Checks, AttemptOutcome::Succeeded, &graded)]
        }
    });
    events
}

/// Where a verdict other than PASS leads: back to another try, or to a person; as a failure when the program failed.
fn after_failure(step: Step, outcome: AttemptOutcome, graded: &Verdict) -> Event {
    let failed = |retryable| -> Event {
        StepFailed {
            step: step.name().to_owned(),
            reason_code: graded.reason_code.clone(),
            error_message: graded.because.clone(),
            retryable,
        }
        .into()
    };
    match graded.next_action {
        NextAction::Retry => failed(true),
        NextAction::Escalate | NextAction::Advance => match outcome {
            AttemptOutcome::Succeeded => human(&graded.reason_code, &graded.because),
            AttemptOutcome::Failed
            | AttemptOutcome::TimedOut
            | AttemptOutcome::OverLimit
            | AttemptOutcome::CouldNotStart
            | AttemptOutcome::Interrupted
            | AttemptOutcome::Stopped => failed(false),
        },
    }
}
