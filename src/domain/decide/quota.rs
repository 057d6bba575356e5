//! Waiting for an allowance: how long, how often, and when a person is asked instead.

use std::time::Duration;

use super::{Ctx, Decision, Rejection, human};
use crate::domain::agent::quota::{Exhausted, MOST_WAITS, Pool, until};
use crate::domain::agent::record::AgentRecord;
use crate::domain::event::{Event, QuotaLifted, QuotaParked};
use crate::domain::run::Run;

/// Another run, or another attempt, learned that the allowance this run needs is used up. Waiting for it already is nothing new.
pub(super) fn park(run: &Run, exhausted: &Exhausted, ctx: &Ctx) -> Result<Decision, Rejection> {
    if run.state.is_terminal() || run.state.is_held() {
        return Err(Rejection::illegal(run, "wait for an allowance"));
    }
    let waits = run
        .parked
        .as_ref()
        .is_some_and(|parked| parked.pool == exhausted.pool && parked.until > ctx.now.wall);
    if waits {
        return Ok(Decision::nothing());
    }
    Ok(Decision::of(wait(run, exhausted, ctx)))
}

/// A person knows better than the clock.
pub(super) fn lift(run: &Run, pool: &Pool) -> Result<Decision, Rejection> {
    if run.state.is_terminal() {
        return Err(Rejection::illegal(run, "lift an allowance"));
    }
    Ok(Decision::of(vec![QuotaLifted { pool: pool.clone() }.into()]))
}

/// The allowance an ended attempt used up.
pub(super) fn met(record: Option<&AgentRecord>) -> Option<&Exhausted> {
    record?.exhausted.as_ref()
}

/// What follows when an allowance is used up: the run waits, or a person is asked. The pool is on record either way, so that
/// other runs hear of it.
pub(super) fn wait(run: &Run, exhausted: &Exhausted, ctx: &Ctx) -> Vec<Event> {
    let now = ctx.now.wall;
    let before = match &run.parked {
        Some(parked) if parked.pool == exhausted.pool => parked.times,
        Some(_) | None => 0,
    };
    let until = until(exhausted, &run.id, before, now);
    let parked = QuotaParked {
        pool: exhausted.pool.clone(),
        reset_at: exhausted.reset(now),
        until,
        times: before + 1,
    };
    let mut events: Vec<Event> = vec![parked.into()];
    let most = run.spec.limits.quota_wait_minutes;
    let pool = &exhausted.pool;
    let ask = if most == 0 {
        Some(format!("the allowance of `{pool}` is used up, and this run does not wait by itself"))
    } else if until.since(now) > Duration::from_secs(most.saturating_mul(60)) {
        Some(format!("the allowance of `{pool}` is not back within {most} minutes"))
    } else if before >= MOST_WAITS {
        Some(format!("the allowance of `{pool}` was used up {} times in a row", before + 1))
    } else {
        None
    };
    if let Some(message) = ask {
        events.push(human("quota_exhausted", &message));
    }
    events
}
