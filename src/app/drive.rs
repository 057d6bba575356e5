//! Moving one run on until it waits for somebody or something.

use tokio_util::sync::CancellationToken;

use super::perform::Order;
use super::{App, AppError};
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

impl App {
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
                    self.perform(&hold, &Order::unattended(step)).await?;
                    None
                }
            };
            if let Some(wait) = wait {
                return Ok(Driven { run: self.run(run_id)?, wait });
            }
        }
    }
}
