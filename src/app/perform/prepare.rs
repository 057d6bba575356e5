//! Preparing: control repository, base commit, the agent's clone.

use super::{Done, Work};
use crate::app::AppError;
use crate::domain::command::StepOutcome;

pub(super) async fn prepare(work: &Work<'_>) -> Result<Done, AppError> {
    let prepared = work.app.ports.workspace.prepare(&work.run.id, &work.run.spec).await?;
    let spec = match &work.run.verify_spec {
        // What a person pinned, or an earlier try found, stays.
        Some(_) => None,
        None => work.app.contract_at_base(work.run, &prepared).await?,
    };
    Ok(Done::new(StepOutcome::Prepared { prepared, spec }))
}
