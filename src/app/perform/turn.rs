//! One turn of an agent in the run's workspace: guarded, listened to, gone on with where the last one left off.

use std::time::Duration;

use super::Work;
use crate::app::AppError;
use crate::app::prompt::Prompt;
use crate::crash_point;
use crate::domain::agent::budget::Spent;
use crate::domain::agent::class::Trouble;
use crate::domain::agent::record::Session;
use crate::domain::agent::role::Role;
use crate::domain::agent::usage::Usage;
use crate::domain::command::Command;
use crate::domain::confine::Confinement;
use crate::domain::evidence::ProcessRef;
use crate::domain::guard::{Breach, GuardReport, Scope, Violation};
use crate::domain::id::CommitSha;
use crate::domain::run::Run;
use crate::domain::spec::agent_name;
use crate::ports::worker::{Listener, WorkOrder, WorkReport};
use crate::ports::workspace::{GuardOrder, WorkspaceError};

/// What an agent is asked to do.
pub(super) struct Turn {
    pub(super) role: Role,
    pub(super) agent: String,
    pub(super) model: Option<String>,
    pub(super) extra_args: Vec<String>,
    pub(super) prompt: Prompt,
    pub(super) confinement: Confinement,
    pub(super) scope: Scope,
}

/// What came of it.
pub(super) struct Turned {
    /// The agent's own ending, with the guard's and the transcript's findings on record.
    pub(super) report: WorkReport,
    /// Why the workspace cannot be judged, when it cannot.
    pub(super) trouble: Option<WorkspaceError>,
    /// Whether the run's branch moved at the remote meanwhile.
    pub(super) was_pushed: bool,
}

/// Hears what a working agent says of itself.
struct Ears<'a, 'w> {
    work: &'a Work<'w>,
    role: Role,
}

impl Listener for Ears<'_, '_> {
    fn started(&self, process: ProcessRef) {
        self.work.note_process(process);
    }

    fn session(&self, session: &Session) {
        let command =
            Command::NoteSession { attempt: self.work.attempt, role: self.role, session: session.clone() };
        let by = self.work.hold.by(self.work.actor);
        // Without it a crash costs the conversation and nothing else.
        if let Err(err) = self.work.app.execute(&self.work.run.id, &command, &by) {
            tracing::warn!(run = %self.work.run.id, error = %err, "an agent's conversation could not be recorded");
        }
    }
}

/// Has the agent do its turn; the workspace is judged and put right when this returns.
pub(super) async fn turn(work: &Work<'_>, turn: Turn) -> Result<Turned, AppError> {
    keep_prompt(work, &turn.prompt.text)?;
    make_sure_of_workspace(work).await?;
    let guard = guard_order(work, turn.scope);
    let ports = &work.app.ports;
    // Neither needs the other, and both are git programs that wait for a disk or a network.
    let (begun, before) = tokio::join!(begin(work, &guard), remote_head(work));
    begun?;
    let ran = run(work, &turn).await;
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
    report.evidence.worker = agent_name(&turn.agent).to_owned();
    if let Some(record) = report.evidence.agent.as_deref_mut() {
        record.prompt = turn.prompt.template.clone();
    }
    Ok(Turned { report, trouble, was_pushed })
}

/// Begins the guarded phase, in a workspace made again when something that is none is in its place, such as a link.
async fn begin(work: &Work<'_>, guard: &GuardOrder) -> Result<(), AppError> {
    match work.begin_phase(guard).await {
        Err(AppError::Workspace(WorkspaceError::Missing(_))) => {
            make_workspace_again(work).await?;
            work.begin_phase(guard).await
        }
        begun => begun,
    }
}

/// Runs the agent, a second time without its conversation when that is gone.
async fn run(work: &Work<'_>, turn: &Turn) -> Result<WorkReport, AppError> {
    let limits = work.run.spec.limits.of_attempt();
    let mut order = WorkOrder {
        run: work.run.id.clone(),
        attempt: work.attempt,
        role: turn.role,
        agent: turn.agent.clone(),
        model: turn.model.clone(),
        extra_args: turn.extra_args.clone(),
        workspace: work.app.ports.workspace.path(&work.run.spec.repo, &work.run.id),
        prompt: turn.prompt.text.clone(),
        output_schema: None,
        resume: conversation(work.run, turn.role, &turn.agent),
        confinement: turn.confinement,
        limits,
        allowance: work.allowance,
    };
    let ears = Ears { work, role: turn.role };
    let worker = &work.app.ports.worker;
    let report = worker.run(&order, &ears, &work.hold.stop).await?;
    let is_lost =
        report.evidence.agent.as_deref().and_then(|record| record.trouble) == Some(Trouble::SessionLost);
    if !is_lost || order.resume.is_none() {
        return Ok(report);
    }
    tracing::info!(run = %work.run.id, "the agent's conversation is gone; it begins a new one");
    order.resume = None;
    let (used, lasted) = used(&report);
    let mut spent = Spent::default();
    spent.add(&used, Duration::from_millis(lasted));
    order.allowance = order.allowance.after(&spent);
    let mut second = worker.run(&order, &ears, &work.hold.stop).await?;
    // Two starts, one attempt: it is charged for both.
    second.evidence.duration_ms = second.evidence.duration_ms.saturating_add(lasted);
    if let Some(record) = second.evidence.agent.as_deref_mut() {
        record.usage = record.usage.and(&used);
    }
    Ok(second)
}

/// What a start used, and how long it lasted in milliseconds.
fn used(report: &WorkReport) -> (Usage, u64) {
    let record = report.evidence.agent.as_deref();
    (record.map(|record| record.usage).unwrap_or_default(), report.evidence.duration_ms)
}

/// The conversation to go on with: the role's last one with this agent, unless that is what went wrong.
fn conversation(run: &Run, role: Role, agent: &str) -> Option<Session> {
    let last = run.agent.as_ref().and_then(|attempt| attempt.evidence.agent.as_deref());
    let is_spoilt =
        last.filter(|record| record.role == role).and_then(|record| record.trouble).is_some_and(|trouble| {
            matches!(
                trouble,
                Trouble::ContextOverflow
                    | Trouble::BadRequest
                    | Trouble::Loop
                    | Trouble::SessionLost
                    | Trouble::Protocol
            )
        });
    run.sessions.get(&role).filter(|session| !is_spoilt && session.agent == agent_name(agent)).cloned()
}

/// What the guard holds a phase to.
pub(super) fn guard_order(work: &Work<'_>, scope: Scope) -> GuardOrder {
    let policy = &work.run.spec.policy;
    GuardOrder {
        run: work.run.id.clone(),
        attempt: work.attempt,
        repo: work.run.spec.repo.clone(),
        scope,
        plan: super::PLAN_FILE.to_owned(),
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
