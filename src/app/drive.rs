//! Moving one run on until it waits for somebody or something.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::perform::Order;
use super::{App, AppError, StoreError};
use crate::domain::actor::Actor;
use crate::domain::id::RunId;
use crate::domain::next::{Due, Wait, next};
use crate::domain::run::Run;

/// Where a driven run came to rest.
#[derive(Debug, Clone)]
pub struct Driven {
    /// The run.
    pub run: Run,
    /// What it waits for.
    pub wait: Wait,
}

/// How often a run that another process drives is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How often a run asks again that found the rest of a budget reserved by others.
const ASK_EVERY: Duration = Duration::from_secs(2);

impl App {
    /// As [`Self::drive`], or waiting while another process drives the run or others have reserved what is left of a budget, until
    /// it waits for somebody or something else.
    ///
    /// # Errors
    /// What stopped it.
    pub async fn drive_or_wait(
        &self,
        run_id: &RunId,
        shutdown: &CancellationToken,
    ) -> Result<Driven, AppError> {
        loop {
            let wait = match self.drive(run_id, shutdown).await {
                Err(AppError::Store(StoreError::LeaseHeld { .. })) => LOOK_EVERY,
                // The attempts under way give it back within minutes, so whoever sits here is not sent away.
                Ok(Driven { wait: Wait::Budget, .. }) => ASK_EVERY,
                other => return other,
            };
            let run = self.run(run_id)?;
            match next(&run, &self.ports.clock.now()) {
                Due::Wait(wait) if !matches!(wait, Wait::Attempt(_)) => return Ok(Driven { run, wait }),
                Due::Wait(_) | Due::Command(_) | Due::Perform(_) => {}
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(Driven { run, wait: Wait::Person }),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Does whatever is due for a run, one thing after the other, until it waits or `shutdown` is triggered.
    ///
    /// # Errors
    /// [`crate::ports::store::StoreError::LeaseHeld`] when somebody else works on it, or what stopped it; what was done until
    /// then is in the log.
    pub async fn drive(&self, run_id: &RunId, shutdown: &CancellationToken) -> Result<Driven, AppError> {
        let hold = self.hold(run_id, shutdown).await?;
        loop {
            let run = self.run(run_id)?;
            let wait = match next(&run, &self.ports.clock.now()) {
                Due::Wait(wait) => Some(wait),
                Due::Command(_) | Due::Perform(_) if hold.stop.is_cancelled() => Some(Wait::Person),
                Due::Command(command) => {
                    let by = hold.by(&Actor::engine());
                    // Nothing recorded means that the run and what is due disagree; going on would be going in circles.
                    self.execute(run_id, &command, &by)?.is_duplicate().then_some(Wait::Person)
                }
                Due::Perform(step) => {
                    let done = self.perform(&hold, &Order::unattended(step)).await?;
                    // Held back without a word in the log: asked again at once, it would be held back again.
                    (done.is_duplicate() && done.run.version == run.version).then_some(Wait::Budget)
                }
            };
            if let Some(wait) = wait {
                return Ok(Driven { run: self.run(run_id)?, wait });
            }
        }
    }
}
