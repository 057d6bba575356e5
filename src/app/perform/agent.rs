//! Running the agent, and taking home what it did.

use super::turn::{self, Turn, Turned};
use super::{Detail, Done, Work};
use crate::app::AppError;
use crate::crash_point;
use crate::domain::action::{ActionsReport, ActionsRequest, needs_person};
use crate::domain::agent::class::OutcomeClass;
use crate::domain::agent::role::{Choice, Role};
use crate::domain::command::{ActionsFound, Flow, StepOutcome};
use crate::domain::confine::SandboxMode;
use crate::domain::evidence::{AttemptOutcome, Change};
use crate::domain::guard::Scope;
use crate::domain::run::Run;
use crate::domain::state::State;
use crate::ports::worker::WorkReport;
use crate::ports::workspace::CaptureOrder;

pub(super) async fn agent(work: &Work<'_>) -> Result<Done, AppError> {
    let (turn, flow) = ordered(work).await?;
    let Turned { mut report, trouble, was_pushed } = turn::turn(work, turn).await?;
    if let Some(err) = trouble {
        return Ok(unjudged(report, &err.into(), was_pushed, flow));
    }
    let taken = take_home(work, report.outcome).await;
    let (actions, change) = match taken {
        Ok(taken) => taken,
        // What the agent used is used, whatever became of its work.
        Err(err) => return Ok(unjudged(report, &err, was_pushed, flow)),
    };
    crash_point::pass("change_captured");
    // Only the tree can say that nothing was done.
    if let Some(record) = report.evidence.agent.as_deref_mut()
        && record.class == OutcomeClass::Succeeded
        && change.is_none()
    {
        record.class = OutcomeClass::NoOp;
    }
    let outcome = StepOutcome::AgentEnded { outcome: report.outcome, change, actions, flow };
    Ok(Done::with(report.evidence, outcome))
}

/// What the agent asks for, and what it changed when it ended well.
async fn take_home(
    work: &Work<'_>,
    outcome: AttemptOutcome,
) -> Result<(Option<ActionsFound>, Option<Change>), AppError> {
    let actions = take_actions(work).await?;
    let change = match outcome {
        AttemptOutcome::Succeeded => work.app.capture(work.run, &commit_message(work.run)).await?,
        AttemptOutcome::Failed
        | AttemptOutcome::TimedOut
        | AttemptOutcome::OverLimit
        | AttemptOutcome::CouldNotStart
        | AttemptOutcome::Interrupted
        | AttemptOutcome::Stopped => None,
    };
    Ok((actions, change))
}

/// What the agent is to do, and who moves the run on afterwards.
async fn ordered(work: &Work<'_>) -> Result<(Turn, Flow), AppError> {
    let run = work.run;
    let mut confinement = run.spec.policy.agent_confinement();
    let (role, choice, prompt, extra_args, flow) = match work.detail {
        Detail::Agent { agent, role, model, prompt, extra_args, sandbox, flow } => {
            confinement.mode = sandbox.unwrap_or(confinement.mode);
            let choice = match agent {
                Some(_) => Choice { agent: agent.clone(), model: model.clone() },
                None => {
                    let own = run.spec.choice(*role);
                    Choice { model: model.clone().or(own.model), ..own }
                }
            };
            let prompt = work.app.settings.prompts.guarded(run, prompt)?;
            (*role, choice, prompt, extra_args.clone(), *flow)
        }
        Detail::Unattended | Detail::Checks { .. } | Detail::OrderedPush { .. } => {
            let role = role_of(run);
            let plan = super::plan::plan_of(work);
            let news = work.app.feedback(run).await;
            let prompt = work.app.settings.prompts.for_attempt(run, plan.as_deref(), &news)?;
            (role, run.spec.choice(role), prompt, Vec::new(), Flow::Unattended)
        }
    };
    let agent = choice.agent.ok_or_else(|| {
        AppError::Invalid("no agent is named: neither this step nor the run says which one to use".to_owned())
    })?;
    let scope = if role.writes() { scope_of(run, confinement.mode) } else { Scope::Nothing };
    Ok((Turn { role, agent, model: choice.model, extra_args, prompt, confinement, scope }, flow))
}

/// Repairs that did not help go to the role `debug`, where that is given to somebody.
pub(super) fn role_of(run: &Run) -> Role {
    if run.fix_rounds > 1 && run.spec.roles.contains_key(&Role::Debug) { Role::Debug } else { Role::Build }
}

/// What a phase of the run may write: while exploring the plan only, and nothing when the sandbox is to be read only.
pub(super) fn scope_of(run: &Run, mode: SandboxMode) -> Scope {
    match (mode, run.state) {
        (SandboxMode::ReadOnly, _) => Scope::Nothing,
        (_, State::Discovery) => Scope::Plan,
        _ => Scope::Build,
    }
}

/// What came of a phase that cannot be judged, such as one that left no workspace: nothing is taken from it, and what the agent
/// said and how it ended is kept. A push is judged all the same.
fn unjudged(report: WorkReport, err: &AppError, was_pushed: bool, flow: Flow) -> Done {
    let mut evidence = report.evidence;
    if was_pushed {
        let outcome = StepOutcome::AgentEnded { outcome: report.outcome, change: None, actions: None, flow };
        return Done::with(evidence, outcome);
    }
    let failed = super::failed(err);
    evidence.message = failed.evidence.message;
    Done::with(evidence, failed.outcome)
}

/// Takes a file with action requests out of the workspace, and keeps a copy whatever becomes of it.
///
/// Only a repair may ask; what an earlier phase left is put aside.
async fn take_actions(work: &Work<'_>) -> Result<Option<ActionsFound>, AppError> {
    let ports = &work.app.ports;
    let Some((bytes, fresh)) = ports.workspace.take_actions(&work.run.spec.repo, &work.run.id).await? else {
        return Ok(None);
    };
    let file = ports.artifacts.write(&work.run.id, &format!("actions-{}.yml", work.attempt), &bytes)?;
    let has_secret = work.app.refuse_secret("request for actions", &String::from_utf8_lossy(&bytes));
    let aside = |code: &str, detail: String| {
        let quarantined = Some(code.to_owned());
        Ok(Some(ActionsFound::PutAside(ActionsReport { quarantined, detail, results: Vec::new() })))
    };
    if let Err(err) = has_secret {
        return aside("secret", err.to_string());
    }
    if !fresh {
        return aside("stale", "the file is older than the agent's attempt".to_owned());
    }
    if work.run.fix_rounds == 0 {
        return aside("not_a_repair", "only a repair may ask for actions".to_owned());
    }
    match ports.actions.read(&bytes) {
        Err((code, detail)) => aside("invalid", format!("{code}: {detail}")),
        Ok(actions) => {
            let needs_person = needs_person(&actions);
            let request = ActionsRequest { copy: file.path, sha256: file.sha256, actions, needs_person };
            Ok(Some(ActionsFound::Request(request)))
        }
    }
}

/// The message with the operator's trailers as its last paragraph, which is where git looks for them (git-interpret-trailers(1)).
fn with_trailers(message: &str, trailers: &[String]) -> String {
    match trailers {
        [] => message.to_owned(),
        trailers => format!("{}\n\n{}\n", message.trim_end(), trailers.join("\n")),
    }
}

fn commit_message(run: &Run) -> String {
    format!("{}\n\nagentpr run {}\n", run.spec.pr_title(), run.id)
}

impl crate::app::App {
    /// Makes a commit of the workspace as it is; `None` when nothing differs from the base.
    pub(crate) async fn capture(&self, run: &Run, message: &str) -> Result<Option<Change>, AppError> {
        let prepared = run.prepared.as_ref().ok_or_else(|| AppError::NoWorkspace(run.id.clone()))?;
        let order = CaptureOrder {
            run: run.id.clone(),
            repo: run.spec.repo.clone(),
            base_sha: prepared.base_sha.clone(),
            parent_sha: run
                .pushed
                .as_ref()
                .map_or_else(|| prepared.base_sha.clone(), |pushed| pushed.sha.clone()),
            message: with_trailers(message, &self.settings.trailers),
            last: run.change.clone(),
        };
        Ok(self.ports.workspace.capture(&order).await?)
    }
}
