//! What follows from what a forge says: facts that are news, and the move to where the pull request stands by them.

use std::borrow::Cow;

use super::{Decision, Rejection};
use crate::domain::event::{
    CheckRecorded, ChecksPassed, ChecksPending, CommentRecorded, Event, ForgeParked, HeadMoved, HeadSeen,
    PrClosed, PullChanged, RepositoryChanged, ReviewRecorded, SentBack,
};
use crate::domain::forge::fact::ForgeFact;
use crate::domain::forge::standing::{CiStatus, Standing};
use crate::domain::run::Run;
use crate::domain::state::State;
use crate::domain::time::Timestamp;

/// Names that one event lists at most.
const LISTED: usize = 50;

/// Facts that are known, older than what is known, or about commits of others leave no event. A finished run takes nothing in.
pub(super) fn observe(run: &Run, facts: &[ForgeFact]) -> Result<Decision, Rejection> {
    if run.state.is_terminal() {
        return Ok(Decision::nothing());
    }
    // Most of what comes is known already.
    let mut after = Cow::Borrowed(run);
    let candidate = run.change.as_ref().map(|change| &change.head_sha);
    let mut events = Vec::new();
    for fact in facts.iter().filter(|fact| is_of_run(run, fact)) {
        if after.forge.would_learn(fact, candidate) {
            after.to_mut().forge.learn(fact, candidate);
            events.push(event_of(run, fact));
        }
    }
    events.extend(withdrawn(&after));
    events.extend(settle(&after));
    Ok(Decision::of(events))
}

/// Anybody can open another pull request with a branch of the same name or with the same commit.
fn is_of_run(run: &Run, fact: &ForgeFact) -> bool {
    match (fact, &run.pr) {
        (ForgeFact::Pull(pull), Some(own)) => pull.number == own.number,
        _ => true,
    }
}

/// Goes where the pull request stands by what is known.
pub(super) fn settled(run: &Run) -> Decision {
    let mut events = withdrawn(run);
    events.extend(settle(run));
    Decision::of(events)
}

/// What was asked for a pull request that is over leads nowhere, also while a person holds the run.
fn withdrawn(run: &Run) -> Vec<Event> {
    if run.pr_is_over() { super::withdraw(run) } else { Vec::new() }
}

fn event_of(run: &Run, fact: &ForgeFact) -> Event {
    match fact {
        ForgeFact::Check(check) => CheckRecorded {
            conclusion: check.conclusion.clone().unwrap_or_else(|| "pending".to_owned()),
            head_sha: Some(check.head_sha.clone()),
            pr_number: run.pr.as_ref().map(|pr| pr.number),
            check: Some(Box::new(check.clone())),
        }
        .into(),
        ForgeFact::Review(review) => ReviewRecorded {
            state: review.state.clone(),
            head_sha: review.commit.clone(),
            review: Some(Box::new(review.clone())),
        }
        .into(),
        ForgeFact::Comment(comment) => CommentRecorded { comment: comment.clone() }.into(),
        ForgeFact::Pull(pull) => PullChanged { pull: pull.clone() }.into(),
        ForgeFact::Head(head) => HeadSeen { head: head.clone() }.into(),
        ForgeFact::Repository(repository) => RepositoryChanged { repository: repository.clone() }.into(),
    }
}

/// The move to where the pull request stands; `None` where the run is there, is held, or works on something else.
///
/// Held runs are moved by persons only, and finished ones by nothing.
pub(in crate::domain) fn settle(run: &Run) -> Option<Event> {
    use State::{CiWait, Implementing, Iterating, LocalValidating, Pushed, ReviewWait};
    let (pushed, _) = run.pushed.as_ref().zip(run.pr.as_ref())?;
    if !matches!(run.state, Pushed | CiWait | ReviewWait | Iterating | Implementing | LocalValidating) {
        return None;
    }
    let candidate = run.change.as_ref().map(|change| &change.head_sha);
    let head_sha = pushed.sha.clone();
    match run.forge.standing(&pushed.sha, candidate) {
        Standing::Over { merged, by } => Some(PrClosed { merged, by }.into()),
        Standing::Closed(reason) => {
            let message = "the repository takes nothing any more; cancel the run, or mark it done";
            Some(super::human(reason, message))
        }
        Standing::Moved(head) => {
            let sha = head.sha?;
            Some(HeadMoved { sha, by: head.by }.into())
        }
        Standing::SentBack { mut checks, mut reviewers } => {
            checks.truncate(LISTED);
            reviewers.truncate(LISTED);
            matches!(run.state, CiWait | ReviewWait)
                .then(|| sent_back(run, SentBack { head_sha, checks, reviewers }))
        }
        // Where a person sent the run on, it goes on, whatever the checks say.
        Standing::Passed | Standing::Waiting
            if matches!(run.reason.code.as_str(), "resumed" | "retried") && run.state != CiWait =>
        {
            None
        }
        Standing::Passed => matches!(run.state, CiWait | Iterating).then(|| ChecksPassed { head_sha }.into()),
        // No check says anything: a run that was sent back by a reviewer alone waits again once that is withdrawn.
        Standing::Waiting if run.ci() == Some(CiStatus::Silent) && run.state != Iterating => None,
        Standing::Waiting => {
            matches!(run.state, ReviewWait | Iterating).then(|| ChecksPending { head_sha }.into())
        }
    }
}

/// A commit of somebody else is nothing to build on: its repair is a person's.
fn sent_back(run: &Run, body: SentBack) -> Event {
    if run.forge.accepted().is_none() {
        return body.into();
    }
    let message = "the pull request was sent back, and its newest commit is not the run's: repair it by hand";
    super::human("foreign_head", message)
}

/// The step is due again later; an attempt that was parked is no failed one.
pub(super) fn parked(run: &Run, until: Timestamp, reason: &str) -> Vec<Event> {
    if run.state.is_terminal() {
        return Vec::new();
    }
    let times = run.forge_parked.map_or(0, |(_, times)| times).saturating_add(1);
    vec![ForgeParked { until, reason: reason.to_owned(), times }.into()]
}
