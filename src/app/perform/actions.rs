//! Carrying out the actions an agent asked for, once nobody has to grant them or a person did.

use super::{Done, Work};
use crate::app::AppError;
use crate::domain::action::ActionsReport;
use crate::domain::command::StepOutcome;
use crate::domain::evidence::AttemptEvidence;
use crate::ports::action::ActionOrder;

pub(super) async fn actions(work: &Work<'_>) -> Result<Done, AppError> {
    let Some(pending) = &work.run.actions else {
        return Err(AppError::Invalid("no actions were asked for".to_owned()));
    };
    let spec = &work.run.spec;
    let order = ActionOrder {
        run: work.run.id.clone(),
        attempt: work.attempt,
        workspace: work.app.ports.workspace.path(&spec.repo, &work.run.id),
        copy: pending.request.copy.clone(),
        sha256: pending.request.sha256.clone(),
        protected: vec![super::PLAN_FILE.to_owned(), spec.policy.pipeline.clone()],
        command_mode: spec.policy.command_mode,
        confinement: spec.policy.agent_confinement(),
        limits: spec.limits.of_check(),
    };
    // Whatever an action writes is judged like what the agent writes.
    let guard = super::turn::guard_order(work, super::agent::scope_of(work.run, spec.policy.sandbox));
    work.begin_phase(&guard).await?;
    let started = |process| work.note_process(process);
    let ran = work.app.ports.actions.run(&order, &started, &work.hold.stop).await;
    work.note_own(work.app.ports.workspace.end_phase(&guard).await?).await?;
    let results = ran.map_err(AppError::Actions)?;
    let message = match results.iter().find(|result| !result.error.is_empty()) {
        Some(failed) => format!("the action `{}` failed: {}", failed.id, failed.error),
        None => format!("{} actions were carried out", results.len()),
    };
    let evidence = AttemptEvidence { message, ..AttemptEvidence::default() };
    let report = ActionsReport { quarantined: None, detail: String::new(), results };
    Ok(Done::with(evidence, StepOutcome::Acted(report)))
}
