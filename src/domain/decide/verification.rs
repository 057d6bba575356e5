//! Commands about how a run is judged: the pinned contract, the login it asks for, the actions an agent asked for.

use super::{Ctx, Decision, Rejection, legal};
use crate::domain::action::ActionsReport;
use crate::domain::event::{ActionsDecided, ActionsExecuted, AuthGranted, VerifySpecPinned};
use crate::domain::run::Run;
use crate::domain::verification::PinnedSpec;

/// Only a person changes what a run is judged by.
pub(super) fn pin(run: &Run, spec: Option<&PinnedSpec>, ctx: &Ctx) -> Result<Decision, Rejection> {
    if !ctx.actor.is_person() {
        return Err(Rejection::NotAPerson { command: "pin the verification contract" });
    }
    if run.verify_spec.as_ref() == spec {
        return Ok(Decision::nothing());
    }
    legal(run, vec![VerifySpecPinned { spec: spec.cloned() }.into()], "pin the verification contract")
}

pub(super) fn grant_auth(run: &Run, ctx: &Ctx) -> Result<Decision, Rejection> {
    if !ctx.actor.is_person() {
        return Err(Rejection::NotAPerson { command: "grant the login" });
    }
    if run.auth_granted {
        return Ok(Decision::nothing());
    }
    legal(run, vec![AuthGranted {}.into()], "grant the login")
}

pub(super) fn decide_actions(run: &Run, granted: bool, ctx: &Ctx) -> Result<Decision, Rejection> {
    if !ctx.actor.is_person() {
        return Err(Rejection::NotAPerson { command: "decide about actions" });
    }
    let Some(pending) = &run.actions else { return Err(Rejection::NoActions) };
    if pending.granted == Some(granted) {
        return Ok(Decision::nothing());
    }
    legal(run, vec![ActionsDecided { granted }.into()], "decide about actions")
}

pub(super) fn note_actions(run: &Run, report: &ActionsReport) -> Result<Decision, Rejection> {
    if run.actions.is_none() {
        return Ok(Decision::nothing());
    }
    legal(run, vec![ActionsExecuted { report: report.clone() }.into()], "note actions")
}
