//! Planning: what the run promises to do is written down, as a file the agent cannot reach.
//!
//! Where the role `plan` is given to an agent, it reads the repository first, and its last words are the plan. What it wrote besides
//! is put back: planning changes nothing.

use super::turn::{self, Turn, Turned};
use super::{Done, Work};
use crate::app::AppError;
use crate::domain::agent::role::Role;
use crate::domain::command::{Failure, StepOutcome};
use crate::domain::confine::SandboxMode;
use crate::domain::evidence::{AttemptEvidence, AttemptOutcome, Contract};
use crate::domain::guard::Scope;
use crate::domain::verdict::{Evidence, NextAction, against_agent};

/// The agent's plan, among the run's files.
const PLAN: &str = "plan.md";

/// Bytes of a plan that are read again; the agent's last words have no more.
const MAX_PLAN: u64 = 64 * 1024;

pub(super) async fn plan(work: &Work<'_>) -> Result<Done, AppError> {
    let mut evidence = AttemptEvidence::default();
    let mut plan = None;
    if work.run.spec.is_planned_by_agent() {
        match explore(work).await? {
            Ok((seen, words)) => {
                evidence = seen;
                work.app.ports.artifacts.write(&work.run.id, PLAN, words.as_bytes())?;
                plan = Some(words);
            }
            Err(failed) => return Ok(*failed),
        }
    }
    let text = work.app.settings.prompts.contract(work.run, plan.as_deref())?;
    let file = work.app.ports.artifacts.write(&work.run.id, "contract.md", text.as_bytes())?;
    let contract = Contract { path: file.path, sha256: Some(file.sha256) };
    Ok(Done::with(evidence, StepOutcome::Planned(contract)))
}

/// The plan an agent made for this run; `None` when none did.
pub(super) fn plan_of(work: &Work<'_>) -> Option<String> {
    if !work.run.spec.is_planned_by_agent() {
        return None;
    }
    let path = format!("{}/{PLAN}", work.run.id);
    let bytes = work.app.ports.artifacts.read_tail(&path, MAX_PLAN).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Has an agent read the repository: its evidence and its plan, or how it failed.
async fn explore(work: &Work<'_>) -> Result<Result<(AttemptEvidence, String), Box<Done>>, AppError> {
    let spec = &work.run.spec;
    let choice = spec.choice(Role::Plan);
    let agent =
        choice.agent.ok_or_else(|| AppError::Invalid("no agent is named for the role `plan`".to_owned()))?;
    let mut confinement = spec.policy.agent_confinement();
    // Where the operator asked for a wall at all, this one may be closed.
    if confinement.mode == SandboxMode::WorkspaceWrite {
        confinement.mode = SandboxMode::ReadOnly;
    }
    let prompt = work.app.settings.prompts.discovery(work.run)?;
    let turn = Turn {
        role: Role::Plan,
        agent,
        model: choice.model,
        extra_args: Vec::new(),
        prompt,
        confinement,
        scope: Scope::Nothing,
    };
    let Turned { report, trouble, .. } = turn::turn(work, turn).await?;
    if let Some(err) = trouble {
        return Ok(Err(Box::new(super::failed(&err.into()))));
    }
    let record = report.evidence.agent.as_deref();
    // What it wrote was put back; what cannot be is a person's to look at, as after any other turn.
    let now = work.app.run(&work.run.id)?;
    let found = Evidence {
        guard: now.guard_of(work.attempt),
        guard_violations: now.guard_violations,
        limit: report.evidence.limit,
        trouble: record.and_then(|record| record.trouble),
        signals: report.evidence.signals.as_deref(),
        ..Evidence::of(report.outcome, true, &spec.policy)
    };
    let failure = match against_agent(&found) {
        Some(graded) => Failure {
            outcome: report.outcome,
            reason_code: graded.reason_code,
            message: graded.because,
            retryable: graded.next_action == NextAction::Retry,
        },
        None if report.last_message.trim().is_empty() => Failure {
            outcome: AttemptOutcome::Failed,
            reason_code: "no_plan".to_owned(),
            message: "the agent ended without a plan".to_owned(),
            retryable: false,
        },
        None => return Ok(Ok((report.evidence, report.last_message))),
    };
    Ok(Err(Box::new(Done::with(report.evidence, StepOutcome::Failed(failure)))))
}
