//! Holding a run: one performer at a time, fenced, with a heartbeat, and stopped when a person says so.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::execute::By;
use super::{App, AppError};
use crate::domain::actor::Actor;
use crate::domain::command::{Command, StepOutcome};
use crate::domain::evidence::AttemptEvidence;
use crate::domain::id::RunId;
use crate::domain::state::State;
use crate::ports::store::{EventStore, LEASE_TTL, Lease, LeaseOwner, StoreError};

/// How often a performer looks whether a person paused or ended its run: soon enough for a person to see it stop.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The right to perform effects on one run, until it is dropped.
pub struct Hold {
    lease: Lease,
    store: Arc<dyn EventStore>,
    /// Triggered when the work must end: a person paused or ended the run, or the lease was lost.
    pub stop: CancellationToken,
    watch: AbortHandle,
}

impl Hold {
    /// The run.
    pub fn run(&self) -> &RunId {
        &self.lease.run
    }

    /// The lease's generation.
    pub fn generation(&self) -> u64 {
        self.lease.generation
    }

    /// An order of `actor` under this lease.
    pub fn by(&self, actor: &Actor) -> By {
        By::lease(actor.clone(), self.lease.fence())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.watch.abort();
        // A lease that cannot be given back expires by itself.
        if let Err(err) = self.store.release_lease(&self.lease) {
            tracing::warn!(run = %self.lease.run, error = %err, "the lease was not given back");
        }
    }
}

impl App {
    /// Takes hold of a run, and ends what an earlier performer left under way.
    ///
    /// `shutdown` is inherited by the hold's own stop.
    ///
    /// # Errors
    /// [`StoreError::LeaseHeld`] when somebody else works on it; then nothing was touched.
    pub async fn hold(&self, run: &RunId, shutdown: &CancellationToken) -> Result<Hold, AppError> {
        let owner = LeaseOwner { name: self.hold_name(), ..self.settings.owner.clone() };
        let lease = self.ports.store.take_lease(run, &owner, &self.ports.clock.now())?;
        let stop = shutdown.child_token();
        let watch = self.watch(&lease, &stop);
        let hold = Hold { lease, store: Arc::clone(&self.ports.store), stop, watch };
        self.end_interrupted(&hold).await?;
        Ok(hold)
    }

    /// A name no other hold of this process has: two performers in one process exclude each other too.
    fn hold_name(&self) -> String {
        format!("{}-{}", self.settings.owner.name, self.holds.fetch_add(1, Ordering::Relaxed))
    }

    /// Ends the attempt an earlier performer left open: whoever holds the lease knows that nobody performs it any more.
    async fn end_interrupted(&self, hold: &Hold) -> Result<(), AppError> {
        let run = self.run(hold.run())?;
        let Some(open) = &run.open else { return Ok(()) };
        if let Some(process) = &open.process {
            self.ports.worker.end_leftover(process).await;
        }
        let message = format!("the process that performed attempt {} went away", open.no);
        let end = Command::EndAttempt {
            attempt: open.no,
            evidence: AttemptEvidence { message, ..AttemptEvidence::default() },
            outcome: StepOutcome::Interrupted,
        };
        self.execute(hold.run(), &end, &hold.by(&Actor::engine()))?;
        Ok(())
    }

    fn watch(&self, lease: &Lease, stop: &CancellationToken) -> AbortHandle {
        let (store, clock) = (Arc::clone(&self.ports.store), Arc::clone(&self.ports.clock));
        let (lease, stop) = (lease.clone(), stop.clone());
        let mut beaten = clock.now();
        let task = async move {
            // Nothing was looked at yet: what a person appended while the lease was taken counts too.
            let mut mark = None;
            let mut ticks = tokio::time::interval(LOOK_EVERY);
            loop {
                ticks.tick().await;
                let now = clock.now();
                if now.has_passed_since(&beaten, LEASE_TTL / 3) {
                    match store.take_lease(&lease.run, &lease.owner, &now) {
                        Ok(renewed) if renewed.generation == lease.generation => beaten = now,
                        // Taken anew: somebody else held it meanwhile, or it was just given back. Nobody may wait for it.
                        Ok(renewed) => {
                            let _expires = store.release_lease(&renewed);
                            return stop.cancel();
                        }
                        Err(StoreError::LeaseHeld { .. }) => return stop.cancel(),
                        // A store that cannot be written now may be later; the lease lives three beats.
                        Err(_) => {}
                    }
                }
                let Ok(latest) = store.change_mark() else { continue };
                if mark != Some(latest) {
                    match store.run_row(&lease.run) {
                        Ok(Some(row)) if is_stopped(row.state) => return stop.cancel(),
                        Ok(_) => mark = Some(latest),
                        // Looked at again with the next tick.
                        Err(_) => {}
                    }
                }
            }
        };
        tokio::spawn(task).abort_handle()
    }
}

/// Whether work on a run in this state must end.
fn is_stopped(state: State) -> bool {
    state == State::Paused || state.is_terminal()
}
