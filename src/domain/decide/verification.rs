//! Commands about how a run is judged: the pinned contract, the login it asks for, the actions an agent asked for.

use super::{Ctx, Decision, Rejection, legal, steer};
use crate::domain::action::ActionsReport;
use crate::domain::event::{
    ActionsDecided, ActionsExecuted, AuthGranted, Event, Retried, StepFailed, VerdictRendered,
    VerifySpecPinned,
};
use crate::domain::evidence::Step;
use crate::domain::run::Run;
use crate::domain::state::State;
use crate::domain::verdict::on_preflight;
use crate::domain::verification::PinnedSpec;

/// Only a person changes what a run is judged by; what another contract said is void then, and so is a request that rests on it.
pub(super) fn pin(run: &Run, spec: Option<&PinnedSpec>, ctx: &Ctx) -> Result<Decision, Rejection> {
    if !ctx.actor.is_person() {
        return Err(Rejection::NotAPerson { command: "pin the verification contract" });
    }
    if run.verify_spec.as_ref() == spec {
        return Ok(Decision::nothing());
    }
    steer::no_push_under_way(run)?;
    // What the old contract says in a moment must not count for the new one.
    if let Some(open) = run.open.as_ref().filter(|open| open.step == Step::Checks) {
        return Err(Rejection::AttemptOpen { attempt: open.no, step: open.step });
    }
    // The first event carries the caller's key.
    let mut events: Vec<Event> = vec![VerifySpecPinned { spec: spec.cloned() }.into()];
    events.extend(super::withdraw(run));
    legal(run, events, "pin the verification contract")
}

/// Records the login, and sends a run on that waits for nothing else.
pub(super) fn grant_auth(run: &Run, ctx: &Ctx) -> Result<Decision, Rejection> {
    if !ctx.actor.is_person() {
        return Err(Rejection::NotAPerson { command: "grant the login" });
    }
    if run.auth_granted {
        return Ok(Decision::nothing());
    }
    let mut events: Vec<Event> = vec![AuthGranted {}.into()];
    if waits_for(run, "interactive_auth_required") {
        events.push(Retried { target_state: State::LocalValidating }.into());
    }
    legal(run, events, "grant the login")
}

/// Records a person's word on actions, and sends a run on that waits for nothing else.
pub(super) fn decide_actions(run: &Run, granted: bool, ctx: &Ctx) -> Result<Decision, Rejection> {
    if !ctx.actor.is_person() {
        return Err(Rejection::NotAPerson { command: "decide about actions" });
    }
    let Some(pending) = &run.actions else { return Err(Rejection::NoActions) };
    if pending.granted == Some(granted) {
        return Ok(Decision::nothing());
    }
    let mut events: Vec<Event> = vec![ActionsDecided { granted }.into()];
    if !granted {
        let report = ActionsReport {
            quarantined: Some("denied".to_owned()),
            detail: "a person denied the actions".to_owned(),
            results: Vec::new(),
        };
        events.push(ActionsExecuted { report }.into());
    }
    if waits_for(run, "high_risk_action") {
        let target_state = if run.fresh_change { State::LocalValidating } else { State::Implementing };
        events.push(Retried { target_state }.into());
    }
    legal(run, events, "decide about actions")
}

fn waits_for(run: &Run, reason: &str) -> bool {
    run.state == State::NeedsHumanReview && run.reason.code == reason
}

/// The seed's answer to a workspace that is not fit: a failed step, and a person.
pub(super) fn fail_preflight(run: &Run, transient: bool, failures: &str) -> Result<Decision, Rejection> {
    steer::no_push_under_way(run)?;
    let graded = on_preflight(transient, failures);
    let failed = StepFailed {
        step: "preflight".to_owned(),
        reason_code: "preflight_failed".to_owned(),
        error_message: failures.to_owned(),
        retryable: false,
    };
    legal(run, vec![VerdictRendered { verdict: graded }.into(), failed.into()], "fail the preflight")
}
