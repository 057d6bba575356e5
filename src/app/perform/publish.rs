//! The two steps that touch the world: push and pull request. Both look first, so both may be repeated.

use super::backoff::{BACKOFF, wait_or_give_up};
use super::{Detail, Done, Work};
use crate::app::AppError;
use crate::app::execute::refused;
use crate::crash_point;
use crate::domain::command::{Command, StepOutcome};
use crate::domain::decide::Rejection;
use crate::domain::evidence::AttemptEvidence;
use crate::domain::gate::{Approved, Gate, NotApproved, PushPermit};
use crate::domain::id::RequestId;
use crate::domain::run::Run;

pub(super) async fn push(work: &Work<'_>) -> Result<Done, AppError> {
    let mut waits = BACKOFF.into_iter();
    let (permit, request, message, sha) = loop {
        // Looked at again before every try: between two of them a machine may have slept for an hour.
        let (permit, request, message) = permission(work).await?;
        let expected = work.run.pushed.as_ref().filter(|pushed| pushed.branch == *permit.branch());
        crash_point::pass("before_push");
        match work.app.ports.forge.push(&work.run.spec, &permit, expected.map(|pushed| &pushed.sha)).await {
            Ok(sha) => break (permit, request, message, sha),
            Err(err) => wait_or_give_up(err, waits.next()).await?,
        }
    };
    crash_point::pass("after_push");
    let evidence = AttemptEvidence { message, ..AttemptEvidence::default() };
    Ok(Done::with(evidence, StepOutcome::PushDone { branch: permit.branch().clone(), sha, request }))
}

/// What may be pushed now, for which request, and what is to be said about it.
async fn permission(work: &Work<'_>) -> Result<(PushPermit, Option<RequestId>, String), AppError> {
    match work.detail {
        Detail::OrderedPush { accepted_because } => {
            let run = still_ours(work)?;
            let permit = PushPermit::ordered(&run, work.actor)
                .ok_or_else(|| refused(&run.id, Some(&run), Rejection::NoChange))?;
            let message = accepted_because.as_ref().map(|why| format!("pushed on a person's word: {why}"));
            Ok((permit, None, message.unwrap_or_default()))
        }
        Detail::Unattended | Detail::Agent { .. } | Detail::Checks { .. } => {
            let approved = approved(work).await?;
            Ok((approved.push_permit(), Some(approved.request().id.clone()), String::new()))
        }
    }
}

pub(super) async fn open_pr(work: &Work<'_>) -> Result<Done, AppError> {
    let mut waits = BACKOFF.into_iter();
    let (request, opened) = loop {
        let approved = approved(work).await?;
        crash_point::pass("before_open_pr");
        match work.app.ports.forge.open_pr(&work.run.spec, &approved).await {
            Ok(opened) => break (approved.request().id.clone(), opened),
            Err(err) => wait_or_give_up(err, waits.next()).await?,
        }
    };
    crash_point::pass("after_open_pr");
    let message = if opened.found { "it was there already".to_owned() } else { String::new() };
    Ok(Done::with(
        AttemptEvidence { message, ..AttemptEvidence::default() },
        StepOutcome::PrOpened { number: opened.number, url: opened.url, request },
    ))
}

/// The run as it is now, if this attempt is still the one under way and nobody ended the run.
///
/// What is at the remote cannot be taken back, so a lease that was lost in a long sleep, or a person's word that came before
/// anything was sent, stops a push here.
fn still_ours(work: &Work<'_>) -> Result<Run, AppError> {
    let run = work.app.run(&work.run.id)?;
    if run.open.as_ref().is_none_or(|open| open.no != work.attempt) {
        return Err(refused(&run.id, Some(&run), Rejection::AttemptNotOpen { attempt: work.attempt }));
    }
    if run.state.is_terminal() {
        return Err(refused(&run.id, Some(&run), Rejection::Illegal { command: "push", state: run.state }));
    }
    Ok(run)
}

/// The proof, from facts computed now; an approval that does not hold any more is cancelled in the log first.
async fn approved(work: &Work<'_>) -> Result<Approved, AppError> {
    let refuse = |rejection| refused(&work.run.id, Some(work.run), rejection);
    let Gate::Approved { request, .. } = &work.run.gate else {
        return Err(refuse(Rejection::NoRequest));
    };
    let facts = work.app.facts_of(work.run, request).await?;
    // Asking the remote takes time, so the log is read after it.
    let run = still_ours(work)?;
    let (drift, rejection) = match Approved::verify(&run, &facts, &work.app.ports.clock.now()) {
        Ok(approved) => return Ok(approved),
        Err(NotApproved::NoConfirmation) => return Err(refuse(Rejection::NoRequest)),
        Err(NotApproved::Expired) => (Vec::new(), Rejection::Expired),
        Err(NotApproved::Stale { drift }) => (drift.clone(), Rejection::Stale { drift }),
    };
    let cancel = Command::CancelRequest { request: request.id.clone(), drift };
    work.app.execute(&work.run.id, &cancel, &work.hold.by(work.actor))?;
    Err(refuse(rejection))
}
