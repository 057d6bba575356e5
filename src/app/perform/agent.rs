//! Running the agent, and taking home what it did.

use super::{Detail, Done, Work};
use crate::app::{AppError, prompt};
use crate::crash_point;
use crate::domain::command::{Command, Flow, Seen, StepOutcome};
use crate::domain::evidence::{AttemptOutcome, Change};
use crate::domain::run::Run;
use crate::ports::worker::WorkOrder;
use crate::ports::workspace::CaptureOrder;

pub(super) async fn agent(work: &Work<'_>) -> Result<Done, AppError> {
    let (agent, text, extra_args, flow) = match work.detail {
        Detail::Agent { agent, prompt, extra_args, flow } => {
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
        agent,
        extra_args,
        workspace: work.app.ports.workspace.path(&work.run.spec.repo, &work.run.id),
        prompt: text,
        confinement: work.run.spec.policy.agent_confinement(),
        limits: work.run.spec.limits.of_attempt(),
    };
    let started = |process| work.note_process(process);
    let report = work.app.ports.worker.run(&order, &started, &work.hold.stop).await?;
    crash_point::pass("agent_ended");
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
    Ok(Done::with(
        report.evidence,
        StepOutcome::AgentEnded {
            outcome: report.outcome,
            change,
            seen: Box::new(Seen { signals: report.signals, ..Seen::default() }),
            flow,
        },
    ))
}

/// Makes a workspace that somebody deleted again, on the same base and with what was captured last in it.
async fn make_sure_of_workspace(work: &Work<'_>) -> Result<(), AppError> {
    let ports = &work.app.ports;
    let (run, Some(prepared)) = (work.run, &work.run.prepared) else { return Ok(()) };
    if ports.probe.exists(&ports.workspace.path(&run.spec.repo, &run.id)) {
        return Ok(());
    }
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
