//! The two steps that touch the world: push and pull request. Both look first, so both may be repeated.

use std::time::Duration;

use super::{Detail, Done, Work};
use crate::app::AppError;
use crate::app::execute::refused;
use crate::crash_point;
use crate::domain::command::{Command, StepOutcome};
use crate::domain::decide::Rejection;
use crate::domain::evidence::AttemptEvidence;
use crate::domain::gate::{Approved, Gate, NotApproved, PushPermit};
use crate::ports::forge::ForgeError;

/// Waits between tries of a write that could not reach the remote: three tries in four seconds, then a person is told.
const BACKOFF: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

pub(super) async fn push(work: &Work<'_>) -> Result<Done, AppError> {
    let (permit, request, message) = match work.detail {
        Detail::OrderedPush { accepted_because } => {
            let permit = PushPermit::ordered(work.run, work.actor)
                .ok_or_else(|| refused(&work.run.id, Some(work.run), Rejection::NoChange))?;
            let message = accepted_because.as_ref().map(|why| format!("pushed without passed checks: {why}"));
            (permit, None, message.unwrap_or_default())
        }
        Detail::Unattended | Detail::Agent { .. } | Detail::Checks { .. } => {
            let approved = approved(work).await?;
            (approved.push_permit(), Some(approved.request().id.clone()), String::new())
        }
    };
    let expected = work.run.pushed.as_ref().filter(|pushed| pushed.branch == *permit.branch());
    crash_point::pass("before_push");
    let mut waits = BACKOFF.into_iter();
    let sha = loop {
        match work.app.ports.forge.push(&work.run.spec, &permit, expected.map(|pushed| &pushed.sha)).await {
            Ok(sha) => break sha,
            Err(err) => wait_or_give_up(err, waits.next()).await?,
        }
    };
    crash_point::pass("after_push");
    let evidence = AttemptEvidence { message, ..AttemptEvidence::default() };
    Ok(Done::with(evidence, StepOutcome::PushDone { branch: permit.branch().clone(), sha, request }))
}

pub(super) async fn open_pr(work: &Work<'_>) -> Result<Done, AppError> {
    let approved = approved(work).await?;
    crash_point::pass("before_open_pr");
    let mut waits = BACKOFF.into_iter();
    let opened = loop {
        match work.app.ports.forge.open_pr(&work.run.spec, &approved).await {
            Ok(opened) => break opened,
            Err(err) => wait_or_give_up(err, waits.next()).await?,
        }
    };
    crash_point::pass("after_open_pr");
    let message = if opened.found { "it was there already".to_owned() } else { String::new() };
    Ok(Done::with(
        AttemptEvidence { message, ..AttemptEvidence::default() },
        StepOutcome::PrOpened {
            number: opened.number,
            url: opened.url,
            request: approved.request().id.clone(),
        },
    ))
}

/// The proof, from facts computed now; an approval that does not hold any more is cancelled in the log first.
async fn approved(work: &Work<'_>) -> Result<Approved, AppError> {
    let refuse = |rejection| refused(&work.run.id, Some(work.run), rejection);
    let Gate::Approved { request, .. } = &work.run.gate else {
        return Err(refuse(Rejection::NoRequest));
    };
    let facts = work.app.facts_of(work.run, request).await?;
    let (drift, rejection) = match Approved::verify(work.run, &facts, &work.app.ports.clock.now()) {
        Ok(approved) => return Ok(approved),
        Err(NotApproved::NoConfirmation) => return Err(refuse(Rejection::NoRequest)),
        Err(NotApproved::Expired) => (Vec::new(), Rejection::Expired),
        Err(NotApproved::Stale { drift }) => (drift.clone(), Rejection::Stale { drift }),
    };
    let cancel = Command::CancelRequest { request: request.id.clone(), drift };
    work.app.execute(&work.run.id, &cancel, &work.hold.by(work.actor))?;
    Err(refuse(rejection))
}

async fn wait_or_give_up(err: ForgeError, wait: Option<Duration>) -> Result<(), ForgeError> {
    match wait {
        Some(wait) if err.is_transient() => {
            tokio::time::sleep(wait).await;
            Ok(())
        }
        _ => Err(err),
    }
}
