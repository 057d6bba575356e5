//! Carrying out one step: an intent in the log before it, an outcome after it, one file per kind of effect.

mod agent;
mod backoff;
mod checks;
mod plan;
mod prepare;
mod publish;
mod request;

use super::execute::Executed;
use super::gate::Issued;
use super::hold::Hold;
use super::{App, AppError};
use crate::crash_point;
use crate::domain::actor::Actor;
use crate::domain::command::{Command, Failure, Flow, StepOutcome};
use crate::domain::event::Event;
use crate::domain::evidence::{AttemptEvidence, AttemptOutcome, ProcessRef, Step};
use crate::domain::id::AttemptNo;
use crate::domain::run::Run;

/// One step that is due, or was ordered.
#[derive(Debug, Clone)]
pub struct Order {
    /// Which.
    pub step: Step,
    /// Who ordered it.
    pub actor: Actor,
    /// What a person may say about it.
    pub detail: Detail,
}

/// The part of an order that only a person's step has.
#[derive(Debug, Clone)]
pub enum Detail {
    /// Nothing: the run's own order says everything.
    Unattended,
    /// An agent step by hand.
    Agent {
        /// The agent; `None` takes the run's.
        agent: Option<String>,
        /// What it is asked.
        prompt: String,
        /// Arguments after the agent's own.
        extra_args: Vec<String>,
        /// Where a passed step leads.
        flow: Flow,
    },
    /// Checks by hand.
    Checks {
        /// Where passed checks lead.
        flow: Flow,
    },
    /// A push ordered before the gate.
    OrderedPush {
        /// Why it goes without passed checks, when it does.
        accepted_because: Option<String>,
    },
}

impl Order {
    /// A step as the engine takes it.
    pub fn unattended(step: Step) -> Self {
        Self { step, actor: Actor::engine(), detail: Detail::Unattended }
    }
}

/// What the performing of a step works with.
struct Work<'a> {
    app: &'a App,
    hold: &'a Hold,
    run: &'a Run,
    attempt: AttemptNo,
    actor: &'a Actor,
    detail: &'a Detail,
}

/// What came of it, with the token that must reach the operator once the outcome is recorded.
struct Done {
    evidence: AttemptEvidence,
    outcome: StepOutcome,
    issued: Option<Box<Issued>>,
}

impl Done {
    fn new(outcome: StepOutcome) -> Self {
        Self { evidence: AttemptEvidence::default(), outcome, issued: None }
    }

    fn with(evidence: AttemptEvidence, outcome: StepOutcome) -> Self {
        Self { evidence, outcome, issued: None }
    }
}

impl Work<'_> {
    /// Records a program as soon as it runs; when that fails, the program is stopped: what is not in the log cannot be
    /// found after a crash.
    fn note_process(&self, process: ProcessRef) {
        let command = Command::NoteProcess { attempt: self.attempt, process };
        if let Err(err) = self.app.execute(&self.run.id, &command, &self.hold.by(self.actor)) {
            tracing::error!(run = %self.run.id, error = %err, "a started program could not be recorded and is stopped");
            self.hold.stop.cancel();
        }
        crash_point::pass("process_started");
    }
}

impl App {
    /// Carries out one step under a hold. The attempt has ended in the log when this returns, whatever came of it.
    ///
    /// # Errors
    /// [`AppError::Refused`] when the step makes no sense now, or the store's; a step that fails is no error.
    pub async fn perform(&self, hold: &Hold, order: &Order) -> Result<Executed, AppError> {
        let by = hold.by(&order.actor);
        let start = Command::StartAttempt { step: order.step, generation: hold.generation() };
        let started = self.execute(hold.run(), &start, &by)?;
        crash_point::pass("attempt_started");
        let work = Work {
            app: self,
            hold,
            run: &started.run,
            attempt: started.run.attempts,
            actor: &order.actor,
            detail: &order.detail,
        };
        let done = match order.step {
            Step::Prepare => prepare::prepare(&work).await,
            Step::Plan => plan::plan(&work),
            Step::Agent => agent::agent(&work).await,
            Step::Checks => checks::checks(&work).await,
            Step::PrRequest => request::request(&work).await,
            Step::Push => publish::push(&work).await,
            Step::PrCreate => publish::open_pr(&work).await,
        };
        crash_point::pass("effect_done");
        // What is on its way to the remote is finished and recorded, whoever stopped the run.
        let stopped = hold.stop.is_cancelled() && !order.step.touches_the_world();
        let done = match done {
            Err(_)
            | Ok(Done {
                outcome: StepOutcome::AgentEnded { outcome: AttemptOutcome::Stopped, .. }, ..
            }) if stopped => Done::new(StepOutcome::Stopped),
            Ok(done) => done,
            Err(err) => failed(&err),
        };
        crash_point::pass("before_outcome");
        let end =
            Command::EndAttempt { attempt: work.attempt, evidence: done.evidence, outcome: done.outcome };
        let ended = match self.execute(hold.run(), &end, &by) {
            // A person moved the run meanwhile, so what came of it has no place any more; the attempt has ended.
            Err(AppError::Refused { .. }) => {
                return Ok(Executed { run: self.run(hold.run())?, events: Vec::new() });
            }
            other => other?,
        };
        crash_point::pass("after_outcome");
        let recorded = ended.events.iter().any(|recorded| matches!(recorded.event, Event::PrRequested(_)));
        if let Some(issued) = done.issued.filter(|_| recorded) {
            self.ports.notifier.token_issued(hold.run(), &issued.request, &issued.token);
        }
        Ok(ended)
    }
}

/// A step that could not be done, as an outcome: in the log it has a reason code and a sentence.
fn failed(err: &AppError) -> Done {
    let (reason_code, retryable) = match err {
        AppError::Workspace(err) => (err.code().to_owned(), true),
        AppError::Forge(err) => (err.code().to_owned(), err.is_transient()),
        AppError::Worker(_) => ("agent_unavailable".to_owned(), false),
        AppError::Checks(_) => ("checks_unavailable".to_owned(), true),
        AppError::Artifact(_) | AppError::Store(_) => ("storage".to_owned(), true),
        AppError::Refused { rejection, .. } => (rejection.code().to_owned(), false),
        _ => ("step_failed".to_owned(), false),
    };
    let message = err.to_string();
    let failure =
        Failure { outcome: AttemptOutcome::Failed, reason_code, message: message.clone(), retryable };
    let evidence = AttemptEvidence { message, ..AttemptEvidence::default() };
    Done::with(evidence, StepOutcome::Failed(failure))
}
