//! `decide`: what follows from a command, as events or as a refusal. Pure and synchronous.
//!
//! Three kinds of answer: events to append; no events and no refusal, which means that nothing would change; a refusal,
//! sometimes with events of its own (a wrong token leaves a trace). Who may do what is decided here too: persons move held
//! runs, the engine never does, except that it completes what a person approved.

mod attempt;
pub(super) mod forge;
mod gate;
mod quota;
mod rejection;
mod steer;
mod verification;
mod work;

pub use rejection::Rejection;

use super::actor::Actor;
use super::command::Command;
use super::event::{
    ArtifactRegistered, ChangeCaptured, CheckRecorded, Event, HumanReviewRequested, PrRequestCancelled,
    ReviewRecorded, RunCreated,
};
use super::gate::{CancelReason, Gate};
use super::run::Run;
use super::state::State;
use super::time::Moment;
use super::transition::{Move, Position, transition};

/// What deciding needs besides run and command.
#[derive(Debug, Clone)]
pub struct Ctx {
    /// Now.
    pub now: Moment,
    /// Who asks.
    pub actor: Actor,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// Events to append, in order, all or none; empty means that nothing would change.
    pub events: Vec<Event>,
    /// The refusal that is reported after those events are recorded.
    pub refusal: Option<Rejection>,
}

impl Decision {
    fn of(events: Vec<Event>) -> Self {
        Self { events, refusal: None }
    }

    fn nothing() -> Self {
        Self::default()
    }
}

/// Decides what follows from `command` for `run`, which is `None` while it does not exist.
///
/// # Errors
/// [`Rejection`] when the command makes no sense here; then nothing is recorded.
pub fn decide(run: Option<&Run>, command: &Command, ctx: &Ctx) -> Result<Decision, Rejection> {
    let Some(run) = run else {
        return match command {
            Command::Create { spec } => Ok(Decision::of(vec![RunCreated { spec: (**spec).clone() }.into()])),
            _ => Err(Rejection::NoSuchRun),
        };
    };
    match command {
        Command::Create { .. } => Err(Rejection::AlreadyExists),
        Command::StartDiscovery => steer::start_discovery(run, ctx),
        Command::MarkPlanReady { contract } => steer::mark_plan_ready(run, contract, ctx),
        Command::StartImplementation => steer::start_implementation(run, ctx),
        Command::MarkLocalValidated => steer::mark_local_validated(run, ctx),
        Command::StartAttempt { step, generation, reserved } => {
            attempt::start(run, *step, *generation, *reserved, ctx)
        }
        Command::NoteProcess { attempt, process } => attempt::note_process(run, *attempt, process),
        Command::NoteSession { attempt, role, session } => {
            attempt::note_session(run, *attempt, *role, session)
        }
        Command::Park { exhausted } => quota::park(run, exhausted, ctx),
        Command::LiftQuota { pool } => quota::lift(run, pool),
        Command::NoteGuard { attempt, report } => attempt::note_guard(run, *attempt, report),
        Command::EndAttempt { attempt, evidence, outcome } => {
            attempt::end(run, *attempt, evidence, outcome, ctx)
        }
        Command::NoteChange { change } => {
            if run.change.as_ref() == Some(change) {
                return Ok(Decision::nothing());
            }
            let mut events = withdraw(run);
            events.push(ChangeCaptured { change: change.clone() }.into());
            legal(run, events, "note change")
        }
        Command::PinVerifySpec { spec } => verification::pin(run, spec.as_ref(), ctx),
        Command::GrantAuth => verification::grant_auth(run, ctx),
        Command::FailPreflight { transient, failures } => {
            verification::fail_preflight(run, *transient, failures)
        }
        Command::DecideActions { granted } => verification::decide_actions(run, *granted, ctx),
        Command::Escalate { reason, message } => steer::escalate(run, reason, message, ctx),
        Command::RequestPr { request } => gate::request(run, request, ctx),
        Command::Approve(approval) => gate::approve(run, approval, ctx),
        Command::CancelRequest { request, drift } => gate::cancel(run, request, drift),
        Command::LinkPr { number, url } => steer::link_pr(run, *number, url.as_deref(), ctx),
        Command::RecordCheck { conclusion: word, head_sha, pr_number } => {
            let event: Event = CheckRecorded {
                conclusion: word.clone(),
                head_sha: head_sha.clone(),
                pr_number: *pr_number,
                check: None,
            }
            .into();
            let told = [&run.forge_checks, &run.last_check];
            let known = told.into_iter().flatten().any(|(sha, last)| sha == head_sha && last == word);
            observe(run, event, known)
        }
        Command::RecordReview { state, head_sha } => {
            let known = run.last_review.as_ref().is_some_and(|(sha, last)| sha == head_sha && last == state);
            let event = ReviewRecorded { state: state.clone(), head_sha: head_sha.clone(), review: None };
            observe(run, event.into(), known)
        }
        Command::Observe { facts } => forge::observe(run, facts),
        Command::Settle => Ok(forge::settled(run)),
        Command::MarkDone => steer::mark_done(run, ctx),
        Command::Pause => steer::pause(run, ctx),
        Command::Resume { target } => steer::resume(run, *target, ctx),
        Command::Retry { target } => steer::retry(run, *target, ctx),
        Command::Cancel { reason } => steer::cancel(run, reason, ctx),
        Command::Skip { reason } => steer::skip(run, reason, ctx),
        Command::RegisterArtifact { kind, path, sha256, bytes } => Ok(Decision::of(vec![
            ArtifactRegistered {
                kind: kind.clone(),
                path: path.clone(),
                sha256: sha256.clone(),
                bytes: *bytes,
            }
            .into(),
        ])),
    }
}

/// A fact of the forge: recorded unless it is known and moves nothing; it never moves a held run.
fn observe(run: &Run, event: Event, known: bool) -> Result<Decision, Rejection> {
    match transition(Position::of(run), &event) {
        Move::Illegal => Err(Rejection::illegal(run, event.name())),
        Move::Stay if known => Ok(Decision::nothing()),
        Move::Stay | Move::To(_) | Move::Behind(_) => Ok(Decision::of(vec![event])),
    }
}

/// Accepts `events` if each can follow the one before, and a held run is left only on a person's word.
fn legal(run: &Run, events: Vec<Event>, what: &'static str) -> Result<Decision, Rejection> {
    if events.iter().any(|event| matches!(transition(Position::of(run), event), Move::Illegal)) {
        return Err(Rejection::illegal(run, what));
    }
    Ok(Decision::of(events))
}

/// Moves the run by `event`, ending an open request when the run leaves its gate; nothing when it is already there.
fn moved(run: &Run, event: Event, what: &'static str, ctx: &Ctx) -> Result<Decision, Rejection> {
    let to = match transition(Position::of(run), &event) {
        Move::Illegal => return Err(Rejection::illegal(run, what)),
        Move::Stay | Move::Behind(_) => run.state,
        Move::To(state) => state,
    };
    if run.state.is_held() && to != run.state && !ctx.actor.is_person() {
        return Err(Rejection::Held { state: run.state });
    }
    let stays_at_gate = matches!(to, State::NeedsHumanReview | State::Pushed | State::Paused);
    let mut events = if stays_at_gate { Vec::new() } else { withdraw(run) };
    events.push(event);
    Ok(Decision::of(events))
}

/// The event that ends an open request whose change is replaced or whose run leaves the gate.
fn withdraw(run: &Run) -> Vec<Event> {
    match &run.gate {
        Gate::Open { request, .. } | Gate::Approved { request, .. } => vec![
            PrRequestCancelled {
                request: request.id.clone(),
                reason: CancelReason::Withdrawn,
                drift: Vec::new(),
            }
            .into(),
        ],
        Gate::Closed | Gate::Used { .. } | Gate::Cancelled { .. } => Vec::new(),
    }
}

/// Whether the run still stands where a step of work moves it on.
fn is_working(run: &Run) -> bool {
    use State::{Discovery, Implementing, Iterating, LocalValidating, PlanReady};
    matches!(run.state, Discovery | PlanReady | Implementing | Iterating | LocalValidating)
}

fn human(reason: &str, message: &str) -> Event {
    HumanReviewRequested { reason: reason.to_owned(), message: message.to_owned() }.into()
}
