//! Reading the log as it grows.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{App, AppError};
use crate::domain::event::Recorded;
use crate::domain::id::{Digest, EventSeq, RunId};

/// Events read at once: enough to be quick, few enough to keep memory flat on a log of any length.
const PAGE: usize = 500;

/// How often the log is looked at for new events (decision D4).
const LOOK_EVERY: Duration = Duration::from_millis(200);

impl App {
    /// Hands every event after `after` to `visit`, oldest first, until it breaks or the log ends; says where it ended.
    ///
    /// # Errors
    /// The store's.
    pub fn read_log(
        &self,
        after: EventSeq,
        run: Option<&RunId>,
        visit: &mut dyn FnMut(&Recorded) -> ControlFlow<()>,
    ) -> Result<(EventSeq, ControlFlow<()>), AppError> {
        let mut at = after;
        loop {
            let page = self.ports.store.events_after(at, PAGE)?;
            for recorded in &page {
                at = recorded.seq;
                if run.is_none_or(|run| *run == recorded.run) && visit(recorded).is_break() {
                    return Ok((at, ControlFlow::Break(())));
                }
            }
            if page.len() < PAGE {
                return Ok((at, ControlFlow::Continue(())));
            }
        }
    }

    /// As [`Self::read_log`] over all runs, each event with its digest where the store has a chain.
    ///
    /// # Errors
    /// The store's.
    pub fn read_chain(
        &self,
        visit: &mut dyn FnMut(&Recorded, Option<&Digest>) -> ControlFlow<()>,
    ) -> Result<(), AppError> {
        let mut at = EventSeq(0);
        loop {
            let page = self.ports.store.events_after(at, PAGE)?;
            let digests: BTreeMap<EventSeq, Digest> =
                self.ports.store.digests_after(at, PAGE)?.into_iter().collect();
            for recorded in &page {
                at = recorded.seq;
                if visit(recorded, digests.get(&recorded.seq)).is_break() {
                    return Ok(());
                }
            }
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }

    /// As [`Self::read_log`], and goes on with what is appended, by anybody, until `visit` breaks or `stop` is triggered.
    ///
    /// # Errors
    /// The store's.
    pub async fn follow_log(
        &self,
        after: EventSeq,
        run: Option<&RunId>,
        visit: &mut (dyn FnMut(&Recorded) -> ControlFlow<()> + Send),
        stop: &CancellationToken,
    ) -> Result<EventSeq, AppError> {
        let mut at = after;
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(self.read_log(at, run, visit)?.0),
                _ = ticks.tick() => {}
            }
            let (reached, flow) = self.read_log(at, run, visit)?;
            at = reached;
            if flow.is_break() {
                return Ok(at);
            }
        }
    }
}
