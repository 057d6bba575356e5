//! The gate's commands: ask, confirm, cancel.

use subtle::ConstantTimeEq;

use super::{Ctx, Decision, Rejection};
use crate::domain::actor::Actor;
use crate::domain::command::Approval;
use crate::domain::event::{Event, PrApproved, PrRequestCancelled, PrRequested, TokenRefused};
use crate::domain::gate::{CancelReason, Drift, Gate, MAX_WRONG_TOKENS, PrRequest};
use crate::domain::id::{Digest, RequestId};
use crate::domain::policy::UpdatePush;
use crate::domain::run::Run;
use crate::domain::state::State;

pub(super) fn request(run: &Run, request: &PrRequest, ctx: &Ctx) -> Result<Decision, Rejection> {
    Ok(Decision::of(request_events(run, request, ctx.actor.is_person())?))
}

/// The events of a new request, the cancelling of an older one included.
pub(super) fn request_events(run: &Run, request: &PrRequest, person: bool) -> Result<Vec<Event>, Rejection> {
    if !matches!(run.state, State::NeedsHumanReview | State::Pushed) {
        return Err(Rejection::illegal(run, "ask for a pull request"));
    }
    if let Some(open) = run.open.as_ref().filter(|open| open.step.touches_the_world()) {
        return Err(Rejection::AttemptOpen { attempt: open.no, step: open.step });
    }
    if run.pr_is_over() {
        return Err(Rejection::PrOver);
    }
    let change = run.change.as_ref().ok_or(Rejection::NoChange)?;
    if request.binding.head_sha != change.head_sha {
        return Err(Rejection::NotTheChange);
    }
    let accepted = person && request.card.accepted_because.is_some();
    if !run.is_proven() && !accepted {
        return Err(Rejection::NoEvidence);
    }
    if request.card.blocking > 0 && !accepted {
        return Err(Rejection::Findings { count: request.card.blocking });
    }
    let mut events = Vec::new();
    if let Gate::Open { request: older, .. } | Gate::Approved { request: older, .. } = &run.gate {
        events.push(cancelled(&older.id, CancelReason::Superseded, Vec::new()));
    }
    events.push(PrRequested { request: request.clone() }.into());
    Ok(events)
}

/// The events of a request that the engine makes by itself, its confirmation included where an earlier one stands for it.
pub(super) fn asked_by_itself(run: &Run, request: &PrRequest) -> Result<Vec<Event>, Rejection> {
    let mut events = request_events(run, request, false)?;
    if let Some(by) = standing_approval(run, request) {
        events.push(PrApproved { request: request.id.clone(), by: by.clone(), standing: true }.into());
    }
    Ok(events)
}

/// Who confirmed what this request only updates; `None` where a person has to look again.
fn standing_approval<'a>(run: &'a Run, request: &PrRequest) -> Option<&'a Actor> {
    let card = &request.card;
    let is_plain = card.blocking == 0 && card.protected.is_empty() && card.accepted_because.is_none();
    let candidate = run.change.as_ref().map(|change| &change.head_sha);
    let is_ours_alone = run.forge.accepted_head.is_none() && run.forge.foreign_head(candidate).is_none();
    let is_update = run.pr.is_some()
        && is_ours_alone
        && run.pushed.as_ref().is_some_and(|pushed| pushed.branch == request.binding.head_branch);
    let stands = run.spec.policy.update_push == UpdatePush::AutoAfterFirstApproval && is_plain && is_update;
    run.first_approval.as_ref().filter(|_| stands)
}

pub(super) fn approve(run: &Run, approval: &Approval, ctx: &Ctx) -> Result<Decision, Rejection> {
    if !ctx.actor.is_person() {
        return Err(Rejection::NotAPerson { command: "approve" });
    }
    let (request, wrong_tokens) = open_request(run, approval)?;
    if !matches!(run.state, State::NeedsHumanReview | State::Pushed) {
        return Err(Rejection::illegal(run, "approve"));
    }
    if request.is_expired(&ctx.now) {
        return Ok(Decision {
            events: vec![cancelled(&request.id, CancelReason::Expired, Vec::new())],
            refusal: Some(Rejection::Expired),
        });
    }
    if !same(&approval.token_hash, &request.token_hash) {
        return Ok(wrong_token(request, wrong_tokens + 1));
    }
    if !approval.confirmed {
        return Err(Rejection::NotConfirmed);
    }
    let facts = approval.facts.as_ref().ok_or(Rejection::FactsNeeded)?;
    let drift = request.binding.drift(facts);
    if !drift.is_empty() {
        return Ok(Decision {
            events: vec![cancelled(&request.id, CancelReason::Stale, drift.clone())],
            refusal: Some(Rejection::Stale { drift }),
        });
    }
    Ok(Decision::of(vec![
        PrApproved { request: request.id.clone(), by: ctx.actor.clone(), standing: false }.into(),
    ]))
}

/// The open request a confirmation can be about, or the reason there is none.
fn open_request<'a>(run: &'a Run, approval: &Approval) -> Result<(&'a PrRequest, u32), Rejection> {
    let current = match &run.gate {
        Gate::Closed => None,
        Gate::Open { request, .. } | Gate::Approved { request, .. } => Some(&request.id),
        Gate::Used { request } | Gate::Cancelled { request, .. } => Some(request),
    };
    if let (Some(named), Some(current)) = (&approval.request, current)
        && named != current
    {
        return Err(if run.requests.contains(named) {
            Rejection::Superseded { request: current.clone() }
        } else {
            Rejection::ForeignToken
        });
    }
    match &run.gate {
        Gate::Closed => Err(Rejection::NoRequest),
        Gate::Open { request, wrong_tokens } => Ok((request, *wrong_tokens)),
        Gate::Approved { .. } | Gate::Used { .. } => Err(Rejection::TokenUsed),
        Gate::Cancelled { request, reason } => Err(match reason {
            CancelReason::Superseded => Rejection::Superseded { request: request.clone() },
            CancelReason::WrongTokens => Rejection::TooManyWrongTokens,
            CancelReason::Stale => Rejection::Stale { drift: Vec::new() },
            CancelReason::Expired => Rejection::Expired,
            CancelReason::Withdrawn => Rejection::Withdrawn,
        }),
    }
}

fn wrong_token(request: &PrRequest, wrong_tokens: u32) -> Decision {
    let mut events: Vec<Event> = vec![TokenRefused { request: request.id.clone(), wrong_tokens }.into()];
    if wrong_tokens >= MAX_WRONG_TOKENS {
        events.push(cancelled(&request.id, CancelReason::WrongTokens, Vec::new()));
        return Decision { events, refusal: Some(Rejection::TooManyWrongTokens) };
    }
    Decision { events, refusal: Some(Rejection::WrongToken { tries_left: MAX_WRONG_TOKENS - wrong_tokens }) }
}

pub(super) fn cancel(run: &Run, request: &RequestId, drift: &[Drift]) -> Result<Decision, Rejection> {
    match &run.gate {
        Gate::Open { request: open, .. } | Gate::Approved { request: open, .. } if open.id == *request => {
            let reason = if drift.is_empty() { CancelReason::Expired } else { CancelReason::Stale };
            Ok(Decision::of(vec![cancelled(request, reason, drift.to_vec())]))
        }
        Gate::Closed
        | Gate::Open { .. }
        | Gate::Approved { .. }
        | Gate::Used { .. }
        | Gate::Cancelled { .. } => Ok(Decision::nothing()),
    }
}

fn cancelled(request: &RequestId, reason: CancelReason, drift: Vec<Drift>) -> Event {
    PrRequestCancelled { request: request.clone(), reason, drift }.into()
}

/// Compares two digests in time that does not depend on where they differ.
fn same(left: &Digest, right: &Digest) -> bool {
    left.as_str().as_bytes().ct_eq(right.as_str().as_bytes()).into()
}
