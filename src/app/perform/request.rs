//! Asking for a pull request on the engine's own account, once a change has passed.

use super::{Done, Work};
use crate::app::AppError;
use crate::app::gate::PrText;
use crate::domain::command::StepOutcome;

pub(super) async fn request(work: &Work<'_>) -> Result<Done, AppError> {
    let issued = work.app.make_request(work.run, &PrText::default(), work.actor).await?;
    let mut done = Done::new(StepOutcome::Requested(Box::new(issued.request.clone())));
    done.issued = Some(Box::new(issued));
    Ok(done)
}
