//! Asking for a pull request on the engine's own account, once a change has passed.

use super::backoff::{BACKOFF, wait_or_give_up};
use super::{Done, Work};
use crate::app::AppError;
use crate::app::gate::PrText;
use crate::domain::command::StepOutcome;

pub(super) async fn request(work: &Work<'_>) -> Result<Done, AppError> {
    let mut waits = BACKOFF.into_iter();
    let issued = loop {
        match work.app.make_request(work.run, &PrText::default(), work.actor).await {
            Ok(issued) => break issued,
            Err(AppError::Forge(err)) => wait_or_give_up(err, waits.next()).await?,
            Err(err) => return Err(err),
        }
    };
    let mut done = Done::new(StepOutcome::Requested(Box::new(issued.request.clone())));
    done.issued = Some(Box::new(issued));
    Ok(done)
}
