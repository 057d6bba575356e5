//! Running the agent, and taking home what it did.

use super::{Detail, Done, Work};
use crate::app::{AppError, prompt};
use crate::crash_point;
use crate::domain::action::{ActionsReport, ActionsRequest, needs_person};
use crate::domain::agent::budget::Allowance;
use crate::domain::agent::role::Role;
use crate::domain::command::{ActionsFound, Command, Flow, StepOutcome};
use crate::domain::confine::SandboxMode;
use crate::domain::evidence::{AttemptOutcome, Change};
use crate::domain::guard::{Breach, GuardReport, Scope, Violation};
use crate::domain::id::{AttemptNo, CommitSha};
use crate::domain::run::Run;
use crate::domain::spec::agent_name;
use crate::domain::state::State;
use crate::ports::worker::{WorkOrder, WorkReport};
use crate::ports::workspace::{CaptureOrder, GuardOrder, WorkspaceError};

/// The plan a phase of exploring may write.
pub(crate) const PLAN_FILE: &str = "PLAN.md";

pub(super) async fn agent(work: &Work<'_>) -> Result<Done, AppError> {
    let mut confinement = work.run.spec.policy.agent_confinement();
    let (agent, text, extra_args, flow) = match work.detail {
        Detail::Agent { agent, prompt, extra_args, sandbox, flow, .. } => {
            confinement.mode = sandbox.unwrap_or(confinement.mode);
            (agent.clone(), prompt::guarded(work.run, prompt)?, extra_args.clone(), *flow)
        }
        Detail::Unattended | Detail::Checks { .. } | Detail::OrderedPush { .. } => {
            (None, prompt::for_attempt(work.run)?, Vec::new(), Flow::Unattended)
        }
    };
    let agent = agent.or_else(|| work.run.spec.agent.clone()).ok_or_else(|| {
        AppError::Invalid("no agent is named: neither this step nor the run says which one to use".to_owned())
    })?;
    keep_prompt(work, &text)?;
    make_sure_of_workspace(work).await?;
    let order = WorkOrder {
        run: work.run.id.clone(),
        attempt: work.attempt,
        role: Role::Build,
        agent,
        model: None,
        extra_args,
        workspace: work.app.ports.workspace.path(&work.run.spec.repo, &work.run.id),
        prompt: text,
        output_schema: None,
        resume: None,
        confinement,
        limits: work.run.spec.limits.of_attempt(),
        allowance: Allowance::default(),
    };
    let guard = guard_order(work.run, work.attempt, confinement.mode);
    let ports = &work.app.ports;
    match work.begin_phase(&guard).await {
        // Something is in its place that is no workspace, such as a link.
        Err(AppError::Workspace(WorkspaceError::Missing(_))) => {
            make_workspace_again(work).await?;
            work.begin_phase(&guard).await?;
        }
        begun => begun?,
    }
    let before = remote_head(work).await;
    let started = |process| work.note_process(process);
    let ran = ports.worker.run(&order, &started, &work.hold.stop).await;
    crash_point::pass("agent_ended");
    let judged = ports.workspace.end_phase(&guard).await;
    crash_point::pass("phase_judged");
    let pushed = pushed_meanwhile(work, before, remote_head(work).await);
    let was_pushed = pushed.is_some();
    let (mut found, trouble) = match judged {
        Ok(found) => (found, None),
        Err(err) => (GuardReport::clean(guard.scope), Some(err)),
    };
    if let Some(pushed) = pushed {
        found = GuardReport::of(found.scope, found.violations.into_iter().chain([pushed]).collect());
    }
    work.note_own(found).await?;
    crash_point::pass("phase_ended");
    let mut report = ran?;
    report.evidence.signals = Some(Box::new(std::mem::take(&mut report.signals)));
    report.evidence.worker = agent_name(&order.agent).to_owned();
    if let Some(err) = trouble {
        return Ok(unjudged(report, &err.into(), was_pushed, flow));
    }
    let actions = take_actions(work).await?;
    let change = match report.outcome {
        AttemptOutcome::Succeeded => work.app.capture(work.run, &commit_message(work.run)).await?,
        AttemptOutcome::Failed
        | AttemptOutcome::TimedOut
        | AttemptOutcome::OverLimit
        | AttemptOutcome::CouldNotStart
        | AttemptOutcome::Interrupted
        | AttemptOutcome::Stopped => None,
    };
    crash_point::pass("change_captured");
    let outcome = StepOutcome::AgentEnded { outcome: report.outcome, change, actions, flow };
    Ok(Done::with(report.evidence, outcome))
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

/// What the phase of a run may write: while exploring the plan only, and nothing when the sandbox is to be read only.
pub(super) fn guard_order(run: &Run, attempt: AttemptNo, mode: SandboxMode) -> GuardOrder {
    let policy = &run.spec.policy;
    let scope = match (mode, run.state) {
        (SandboxMode::ReadOnly, _) => Scope::Nothing,
        (_, State::Discovery) => Scope::Plan,
        _ => Scope::Build,
    };
    GuardOrder {
        run: run.id.clone(),
        attempt,
        repo: run.spec.repo.clone(),
        scope,
        plan: PLAN_FILE.to_owned(),
        contract: policy.pipeline.clone(),
        protect: policy.protect.clone(),
        unprotect: policy.unprotect.clone(),
    }
}

/// Where the run's branch stands at the remote; the outer `None` when the remote does not answer.
async fn remote_head(work: &Work<'_>) -> Option<Option<CommitSha>> {
    let spec = &work.run.spec;
    match work.app.ports.forge.branch_head(spec, &spec.head_branch).await {
        Ok(head) => Some(head),
        Err(err) => {
            tracing::debug!(run = %work.run.id, error = %err, "the remote was not asked about pushes");
            None
        }
    }
}

/// The engine alone pushes, and never while an agent works: what moved the branch meanwhile had the agent's hands on it.
fn pushed_meanwhile(
    work: &Work<'_>,
    before: Option<Option<CommitSha>>,
    after: Option<Option<CommitSha>>,
) -> Option<Violation> {
    let (before, after) = (before?, after?);
    (before != after)
        .then(|| Violation { path: work.run.spec.head_branch.to_string(), breach: Breach::Pushed })
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

/// Makes a workspace that somebody deleted again, on the same base and with what was captured last in it.
async fn make_sure_of_workspace(work: &Work<'_>) -> Result<(), AppError> {
    let ports = &work.app.ports;
    if ports.probe.exists(&ports.workspace.path(&work.run.spec.repo, &work.run.id)) {
        return Ok(());
    }
    make_workspace_again(work).await
}

async fn make_workspace_again(work: &Work<'_>) -> Result<(), AppError> {
    let ports = &work.app.ports;
    let (run, Some(prepared)) = (work.run, &work.run.prepared) else { return Ok(()) };
    tracing::warn!(run = %run.id, "the workspace is gone and is made again");
    let again = ports.workspace.prepare(&run.id, &run.spec).await?;
    if again.base_sha == prepared.base_sha {
        return Ok(());
    }
    Err(AppError::Invalid(format!(
        "the workspace was deleted, and what it was built on ({}) is not known here any more",
        prepared.base_sha.short()
    )))
}

fn keep_prompt(work: &Work<'_>, text: &str) -> Result<(), AppError> {
    let name = format!("attempt-{}-prompt.md", work.attempt);
    let file = work.app.ports.artifacts.write(&work.run.id, &name, text.as_bytes())?;
    let command = Command::RegisterArtifact {
        kind: "prompt".to_owned(),
        path: file.path,
        sha256: file.sha256,
        bytes: file.bytes,
    };
    work.app.execute(&work.run.id, &command, &work.hold.by(work.actor))?;
    Ok(())
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
            message: message.to_owned(),
            last: run.change.clone(),
        };
        Ok(self.ports.workspace.capture(&order).await?)
    }
}
