//! Planning: the engine writes down what the run promises to do, as a file the agent cannot reach.

use super::{Done, Work};
use crate::app::{AppError, prompt};
use crate::domain::command::StepOutcome;
use crate::domain::evidence::Contract;

pub(super) fn plan(work: &Work<'_>) -> Result<Done, AppError> {
    let text = prompt::contract(work.run)?;
    let file = work.app.ports.artifacts.write(&work.run.id, "contract.md", text.as_bytes())?;
    Ok(Done::new(StepOutcome::Planned(Contract { path: file.path, sha256: Some(file.sha256) })))
}
