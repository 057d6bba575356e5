//! One agent step by hand (`run-agent-step`): the agent, the capture, the engine's own checks, the verdict.

use tokio_util::sync::CancellationToken;

use super::execute::{By, refused};
use super::perform::{Detail, Order};
use super::{App, AppError};
use crate::domain::actor::Actor;
use crate::domain::agent::role::Role;
use crate::domain::command::{Command, Flow};
use crate::domain::confine::SandboxMode;
use crate::domain::decide::Rejection;
use crate::domain::event::Event;
use crate::domain::evidence::{AttemptEvidence, AttemptOutcome, Step};
use crate::domain::id::RunId;
use crate::domain::run::Run;
use crate::domain::state::State;
use crate::domain::verdict::Grade;

/// The agent of a step for which nobody names one.
const FIRST: &str = "codex";

/// What an operator orders.
#[derive(Debug, Clone)]
pub struct AgentStep {
    /// What the agent is asked.
    pub prompt: String,
    /// What the agent is used for.
    pub role: Role,
    /// The agent; `None` takes what [`App::choice_of_step`] says.
    pub agent: Option<String>,
    /// The model; `None` takes the run's where the agent is the run's, then the agent's configured one.
    pub model: Option<String>,
    /// Arguments after the agent's own.
    pub extra_args: Vec<String>,
    /// The sandbox of this step; `None` takes the run's.
    pub sandbox: Option<SandboxMode>,
    /// Where a passed step leads; `None` leaves the state.
    pub success: Option<State>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct AgentStepReport {
    /// The run afterwards.
    pub run: Run,
    /// How the agent ended.
    pub outcome: AttemptOutcome,
    /// With what evidence.
    pub evidence: AttemptEvidence,
    /// Whether the step did what it is for: the agent succeeded, and what it changed passed.
    pub passed: bool,
}

impl App {
    /// Says whether a step of an agent fits where a run stands, before anything is looked at or started.
    ///
    /// # Errors
    /// [`AppError::Refused`] when state or target do not fit.
    pub fn check_agent_step(&self, run: &Run, success: Option<State>) -> Result<(), AppError> {
        // A queued run begins discovery with the step.
        if run.state == State::Queued { Ok(()) } else { check_target(run, success) }
    }

    /// The agent of a step by hand, with the model that goes with it: the one that is named, the run's for the role, the configured
    /// one for the role, the configured one, and at last codex, which was the only one of the first agentpr.
    pub fn choice_of_step(&self, run: &Run, role: Role, named: Option<&str>) -> (String, Option<String>) {
        let of_run = run.spec.choice(role);
        let configured = self.settings.roles.get(&role).cloned().unwrap_or_default();
        let known = [of_run, configured];
        let agent = named
            .or_else(|| known.iter().find_map(|choice| choice.agent.as_deref()))
            .or(self.settings.agent.as_deref())
            .unwrap_or(FIRST);
        // A model belongs to its agent.
        let model = known.iter().find(|choice| choice.agent.as_deref() == Some(agent));
        (agent.to_owned(), model.and_then(|choice| choice.model.clone()))
    }

    /// Performs one agent step by hand; everything about it is in the log when this returns.
    ///
    /// State and target are looked at before the agent starts, so that nothing is lost after an hour's work.
    ///
    /// # Errors
    /// [`AppError::Refused`] when state or target do not fit, [`AppError::Worker`] for an agent that cannot be run; a step
    /// that fails is in the report.
    pub async fn agent_step(
        &self,
        run_id: &RunId,
        step: &AgentStep,
        actor: &Actor,
        shutdown: &CancellationToken,
    ) -> Result<AgentStepReport, AppError> {
        let mut run = self.run(run_id)?;
        if run.state == State::Queued {
            run = self.execute(run_id, &Command::StartDiscovery, &By::actor(actor.clone()))?.run;
        }
        check_target(&run, step.success)?;
        if run.prepared.is_none() {
            return Err(AppError::NoWorkspace(run_id.clone()));
        }
        let (agent, model) = self.choice_of_step(&run, step.role, step.agent.as_deref());
        self.ports.worker.probe(&agent)?;

        let hold = self.hold(run_id, shutdown).await?;
        let flow = Flow::ByHand { success: step.success };
        let detail = Detail::Agent {
            agent: Some(agent),
            role: step.role,
            model: step.model.clone().or(model),
            prompt: step.prompt.clone(),
            extra_args: step.extra_args.clone(),
            sandbox: step.sandbox,
            flow,
        };
        let ended = self.perform(&hold, &Order { step: Step::Agent, actor: actor.clone(), detail }).await?;
        let (outcome, evidence) = ended
            .events
            .iter()
            .find_map(|recorded| match &recorded.event {
                Event::AttemptEnded(body) => Some((body.outcome, body.evidence.clone())),
                _ => None,
            })
            .unwrap_or((AttemptOutcome::Interrupted, AttemptEvidence::default()));
        let captured = ended.events.iter().any(|recorded| matches!(recorded.event, Event::ChangeCaptured(_)));
        let explored = outcome == AttemptOutcome::Succeeded && run.state == State::Discovery;
        if !captured || explored {
            return Ok(AgentStepReport { run: ended.run, outcome, evidence, passed: explored });
        }
        if matches!(ended.run.state, State::Paused | State::NeedsHumanReview) || ended.run.state.is_terminal()
        {
            return Ok(AgentStepReport { run: ended.run, outcome, evidence, passed: false });
        }
        let checks = Order { step: Step::Checks, actor: actor.clone(), detail: Detail::Checks { flow } };
        let checked = self.perform(&hold, &checks).await?;
        let passed = checked.run.verdict.as_ref().is_some_and(|verdict| verdict.grade == Grade::Pass);
        Ok(AgentStepReport { run: checked.run, outcome, evidence, passed })
    }
}

fn check_target(run: &Run, success: Option<State>) -> Result<(), AppError> {
    use State::{Discovery, Implementing, Iterating, LocalValidating, NeedsHumanReview};
    let illegal = |rejection| Err(refused(&run.id, Some(run), rejection));
    if !matches!(run.state, Discovery | Implementing | LocalValidating | Iterating) {
        return illegal(Rejection::Illegal { command: "run the agent", state: run.state });
    }
    match success {
        None | Some(NeedsHumanReview) => Ok(()),
        Some(LocalValidating) if run.state != Discovery => Ok(()),
        Some(target) => illegal(Rejection::TargetNotAllowed { state: run.state, target }),
    }
}
