//! Carrying out one step: an intent in the log before it, an outcome after it, one file per kind of effect.

mod actions;
mod admission;
mod agent;
mod backoff;
mod checks;
mod plan;
mod prepare;
mod publish;
mod request;
mod turn;

/// The plan a phase of exploring may write.
pub(crate) const PLAN_FILE: &str = "PLAN.md";

use std::time::Duration;

use self::admission::Admission;
use super::execute::Executed;
use super::gate::Issued;
use super::hold::Hold;
use super::{App, AppError};
use crate::crash_point;
use crate::domain::actor::Actor;
use crate::domain::agent::budget::Allowance;
use crate::domain::agent::role::Role;
use crate::domain::command::{Command, Failure, Flow, StepOutcome};
use crate::domain::confine::SandboxMode;
use crate::domain::event::Event;
use crate::domain::evidence::{AttemptEvidence, AttemptOutcome, ProcessRef, Step};
use crate::domain::gate::Gate;
use crate::domain::guard::GuardReport;
use crate::domain::id::AttemptNo;
use crate::domain::run::Run;
use crate::domain::verdict::Grade;
use crate::ports::forge::ForgeError;
use crate::ports::workspace::{GuardOrder, Judged};

/// How long a run waits at first for a forge that cannot be reached; each time in a row it is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(15);

/// Doublings after which the wait grows no more: a quarter of an hour, as for the breaker of the client.
const LONGEST_DOUBLING: u32 = 6;

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
        /// The agent; `None` takes the run's for the role.
        agent: Option<String>,
        /// What it is used for.
        role: Role,
        /// Its model; `None` takes the run's for the role.
        model: Option<String>,
        /// What it is asked.
        prompt: String,
        /// Arguments after the agent's own.
        extra_args: Vec<String>,
        /// The sandbox; `None` takes the run's.
        sandbox: Option<SandboxMode>,
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
    /// What its agent may use.
    allowance: Allowance,
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
    /// Begins the guarded phase of this attempt. What was found in one that was cut off is recorded first.
    async fn begin_phase(&self, guard: &GuardOrder) -> Result<(), AppError> {
        let found = self.app.ports.workspace.begin_phase(guard).await?;
        self.note_guard(found).await
    }

    /// Records what the guard found, and lets the workspace forget it. A clean report leaves no trace.
    async fn note_guard(&self, found: Vec<Judged>) -> Result<(), AppError> {
        let has_any = !found.is_empty();
        for Judged { attempt, report } in found {
            let command = Command::NoteGuard { attempt, report };
            self.app.execute(&self.run.id, &command, &self.hold.by(self.actor))?;
        }
        if has_any {
            let (repo, run) = (&self.run.spec.repo, &self.run.id);
            self.app.ports.workspace.forget_judged(repo, run).await?;
        }
        Ok(())
    }

    /// What the forge does not take now is no failure, and neither is a forge that is down now and then: the step is due again later.
    /// `None` for any other error, and for steps that are not about the forge.
    fn parked(&self, err: &AppError, step: Step) -> Option<Done> {
        let AppError::Forge(cause) = err else { return None };
        let (until, reason) = match cause {
            ForgeError::Limited { until, why } => (*until, why.clone()),
            ForgeError::Unavailable(why) if self.app.ports.forge.is_waited_for(&self.run.spec) => {
                let times = self.run.forge_parked.map_or(0, |(_, times)| times).min(LONGEST_DOUBLING);
                (self.app.now().wall.plus(FIRST_WAIT * 2_u32.saturating_pow(times)), why.clone())
            }
            ForgeError::Unavailable(_)
            | ForgeError::NotFound(_)
            | ForgeError::Moved { .. }
            | ForgeError::Denied(_)
            | ForgeError::Refused(_) => return None,
        };
        let evidence = AttemptEvidence { message: err.to_string(), ..AttemptEvidence::default() };
        let is_about_forge = matches!(step, Step::PrRequest | Step::Push | Step::PrCreate);
        is_about_forge.then(|| Done::with(evidence, StepOutcome::Parked { until, reason }))
    }

    /// Records what the guard found in this attempt.
    async fn note_own(&self, report: GuardReport) -> Result<(), AppError> {
        let found = (!report.is_clean()).then_some(Judged { attempt: self.attempt, report });
        self.note_guard(found.into_iter().collect()).await
    }

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
        let admitted = match self.admit(hold, order)? {
            Admission::Admitted(admitted) => admitted,
            Admission::HeldBack(executed) => return Ok(*executed),
        };
        let reserved = admitted.reserved;
        let start = Command::StartAttempt { step: order.step, generation: hold.generation(), reserved };
        let started = self.execute(hold.run(), &start, &by)?;
        crash_point::pass("attempt_started");
        let allowance = self.confirmed(&started.run, &admitted)?;
        let work = Work {
            app: self,
            hold,
            run: &started.run,
            attempt: started.run.attempts,
            actor: &order.actor,
            detail: &order.detail,
            allowance: allowance.unwrap_or_default(),
        };
        let done = match order.step {
            // Another attempt took what was left between the question and the reservation: this one ends, and asks again.
            _ if allowance.is_none() => Ok(Done::new(StepOutcome::Stopped)),
            Step::Prepare => prepare::prepare(&work).await,
            Step::Plan => plan::plan(&work).await,
            Step::Agent => agent::agent(&work).await,
            Step::Actions => actions::actions(&work).await,
            Step::Checks => checks::checks(&work).await,
            Step::PrRequest => request::request(&work).await,
            Step::Push => publish::push(&work).await,
            Step::PrCreate => publish::open_pr(&work).await,
        };
        crash_point::pass("effect_done");
        // What is on its way to the remote is finished and recorded, whoever stopped the run.
        let stopped = hold.stop.is_cancelled() && !order.step.touches_the_world();
        let done = match done {
            Err(_) if stopped => Done::new(StepOutcome::Stopped),
            // What its agent used until then is used.
            Ok(Done {
                evidence,
                outcome:
                    StepOutcome::AgentEnded { outcome: AttemptOutcome::Stopped, .. } | StepOutcome::Failed(_),
                ..
            }) if stopped => Done::with(evidence, StepOutcome::Stopped),
            Ok(done) => done,
            Err(err) => work.parked(&err, order.step).unwrap_or_else(|| failed(&err)),
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
        self.keep_what_was_judged(hold, &work, &ended).await;
        let recorded = ended.events.iter().any(|recorded| matches!(recorded.event, Event::PrRequested(_)));
        // One that an earlier approval stands for needs no token.
        let waits = matches!(ended.run.gate, Gate::Open { .. });
        if let Some(issued) = done.issued.filter(|_| recorded && waits) {
            self.ports.notifier.token_issued(hold.run(), &issued.request, &issued.token);
        }
        Ok(ended)
    }
}

impl App {
    /// Keeps a commit that passed, and writes the report of a judged attempt. Both can be made again from log and objects,
    /// so a failure is no reason to undo what was judged.
    async fn keep_what_was_judged(&self, hold: &Hold, work: &Work<'_>, ended: &Executed) {
        let judged = ended.events.iter().find_map(|recorded| match &recorded.event {
            Event::VerdictRendered(body) => Some(&body.verdict),
            _ => None,
        });
        let Some(verdict) = judged else { return };
        if let (Grade::Pass, Some(change)) = (verdict.grade, &ended.run.change) {
            let (repo, run) = (&ended.run.spec.repo, &ended.run.id);
            if let Err(err) = self.ports.workspace.checkpoint(repo, run, work.attempt, &change.head_sha).await
            {
                tracing::warn!(%run, error = %err, "a commit that passed could not be kept as a checkpoint");
            }
        }
        if let Err(err) = self.write_runtime_report(&ended.run, work.attempt, verdict, &hold.by(work.actor)) {
            tracing::warn!(run = %ended.run.id, error = %err, "the report of an attempt could not be written");
        }
    }
}

/// A step that could not be done, as an outcome: in the log it has a reason code and a sentence.
fn failed(err: &AppError) -> Done {
    let (reason_code, retryable) = match err {
        AppError::Workspace(err) => (err.code().to_owned(), true),
        AppError::Forge(err) => (err.code().to_owned(), err.is_transient()),
        AppError::Worker(_) => ("agent_unavailable".to_owned(), false),
        AppError::Contract { .. } => ("invalid_contract".to_owned(), false),
        AppError::Secret { .. } => ("secret".to_owned(), false),
        AppError::Actions(_) => ("actions_unavailable".to_owned(), true),
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
