//! Decide, append, fold: the one way an event comes into being.

use super::clean::cleaned;
use super::{App, AppError};
use crate::crash_point;
use crate::domain::actor::Actor;
use crate::domain::command::Command;
use crate::domain::decide::{Ctx, Rejection, decide};
use crate::domain::event::{Event, Recorded};
use crate::domain::id::{EventSeq, IdempotencyKey, RunId, Version};
use crate::domain::run::Run;
use crate::domain::state::State;
use crate::domain::time::Timestamp;
use crate::ports::store::{Append, Fence, StoreError};

/// How often a command is decided again after somebody else appended first. Each round means that another append
/// succeeded, so this many in a row is a run that is hammered on, not bad luck.
const ROUNDS: usize = 32;

/// Who orders a command, and under which name and lease.
#[derive(Debug, Clone)]
pub struct By {
    /// Who.
    pub actor: Actor,
    /// The caller's name for the occurrence.
    pub key: Option<IdempotencyKey>,
    /// The lease it is done under.
    pub fence: Option<Fence>,
}

impl By {
    /// An order without key and lease.
    pub fn actor(actor: Actor) -> Self {
        Self { actor, key: None, fence: None }
    }

    /// An order of the engine under a lease.
    pub fn lease(actor: Actor, fence: Fence) -> Self {
        Self { actor, key: None, fence: Some(fence) }
    }
}

/// What a command did.
#[derive(Debug, Clone)]
pub struct Executed {
    /// The run afterwards.
    pub run: Run,
    /// What was recorded; empty for a duplicate.
    pub events: Vec<Recorded>,
}

impl Executed {
    /// Whether nothing was recorded because it was on record already.
    pub fn is_duplicate(&self) -> bool {
        self.events.is_empty()
    }
}

impl App {
    /// The run as it is now.
    ///
    /// # Errors
    /// [`AppError::NoSuchRun`], or the store's.
    pub fn run(&self, run: &RunId) -> Result<Run, AppError> {
        self.find(run)?.ok_or_else(|| AppError::NoSuchRun(run.clone()))
    }

    /// The run as it is now; `None` when there is none.
    ///
    /// # Errors
    /// The store's, or a damaged log.
    pub fn find(&self, run: &RunId) -> Result<Option<Run>, AppError> {
        let events = self.ports.store.events_of(run, Version(0))?;
        Ok(Run::fold(&events)?)
    }

    /// Carries out a command on a run: what it records is durable when this returns.
    ///
    /// A lost race is decided again on the newer state. A repeated key is answered as a duplicate when it names the same
    /// occurrence.
    ///
    /// # Errors
    /// [`AppError::Refused`] with the domain's reason (its trace, if any, is recorded then), [`AppError::KeyConflict`], or
    /// the store's.
    pub fn execute(&self, run_id: &RunId, command: &Command, by: &By) -> Result<Executed, AppError> {
        if let Some(key) = &by.key {
            self.refuse_secret("idempotency key", key.as_str())?;
        }
        for _ in 0..ROUNDS {
            let run = self.find(run_id)?;
            if let Some(executed) = self.repeated(run.as_ref(), run_id, command, by)? {
                return Ok(executed);
            }
            let now = self.ports.clock.now();
            let ctx = Ctx { now: now.clone(), actor: by.actor.clone() };
            let decision = decide(run.as_ref(), command, &ctx)
                .map_err(|rejection| refused(run_id, run.as_ref(), rejection))?;
            let decided = decision.events.into_iter();
            let events: Vec<Event> = decided
                .map(|event| cleaned(event, self.ports.redaction.as_ref()))
                .collect::<Result<_, _>>()?;
            if events.is_empty() {
                let run = run.ok_or_else(|| AppError::NoSuchRun(run_id.clone()))?;
                return Ok(Executed { run, events: Vec::new() });
            }
            let append = Append {
                run: run_id.clone(),
                expected: run.as_ref().map_or(Version(0), |run| run.version),
                fence: by.fence,
                actor: by.actor.clone(),
                at: now.wall,
                cause: run.as_ref().map(|run| run.last_seq),
                key: by.key.clone(),
                events: with_states(run.as_ref(), run_id, events, now.wall)?,
            };
            crash_point::pass("before_append");
            let events = match self.ports.store.append(&append) {
                Ok(events) => events,
                Err(StoreError::Conflict { .. } | StoreError::KeyTaken { .. }) => continue,
                Err(err) => return Err(err.into()),
            };
            crash_point::pass("after_append");
            let run = fold_in(run, &events)?.ok_or_else(|| AppError::NoSuchRun(run_id.clone()))?;
            if events.iter().any(|recorded| matches!(recorded.event, Event::PrLinked(_))) {
                self.was_linked(run_id);
            }
            return match decision.refusal {
                Some(rejection) => Err(refused(run_id, Some(&run), rejection)),
                None => Ok(Executed { run, events }),
            };
        }
        Err(AppError::Contended(run_id.clone()))
    }

    /// The answer to a key that was used before.
    fn repeated(
        &self,
        run: Option<&Run>,
        run_id: &RunId,
        command: &Command,
        by: &By,
    ) -> Result<Option<Executed>, AppError> {
        let (Some(run), Some(key)) = (run, &by.key) else { return Ok(None) };
        let Some(recorded) = self.ports.store.event_with_key(run_id, key)? else { return Ok(None) };
        if command.is_occurrence(&recorded.event) {
            return Ok(Some(Executed { run: run.clone(), events: Vec::new() }));
        }
        Err(AppError::KeyConflict { key: key.clone(), recorded: recorded.event.name() })
    }
}

pub(super) fn refused(run_id: &RunId, run: Option<&Run>, rejection: Rejection) -> AppError {
    match rejection {
        Rejection::NoSuchRun => AppError::NoSuchRun(run_id.clone()),
        rejection => AppError::Refused { run: run_id.clone(), state: run.map(|run| run.state), rejection },
    }
}

/// Pairs each event with the state of the run after it, by folding a copy.
pub(super) fn with_states(
    run: Option<&Run>,
    run_id: &RunId,
    events: Vec<Event>,
    at: Timestamp,
) -> Result<Vec<(Event, State)>, AppError> {
    let mut folded = run.cloned();
    let mut paired = Vec::with_capacity(events.len());
    for event in events {
        let version = folded.as_ref().map_or(Version(0), |run| run.version).next();
        let seq = EventSeq(folded.as_ref().map_or(0, |run| run.last_seq.0) + 1);
        let provisional = Recorded {
            seq,
            run: run_id.clone(),
            version,
            at,
            actor: Actor::engine(),
            cause: None,
            key: None,
            state: State::Queued,
            event,
        };
        let after = match folded.take() {
            None => Run::birth(&provisional)?,
            Some(mut run) => {
                run.evolve(&provisional)?;
                run
            }
        };
        paired.push((provisional.event, after.state));
        folded = Some(after);
    }
    Ok(paired)
}

pub(super) fn fold_in(run: Option<Run>, events: &[Recorded]) -> Result<Option<Run>, AppError> {
    match run {
        None => Ok(Run::fold(events)?),
        Some(mut run) => {
            for recorded in events {
                run.evolve(recorded)?;
            }
            Ok(Some(run))
        }
    }
}
