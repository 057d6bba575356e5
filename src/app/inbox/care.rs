//! Later care for deliveries: another try, a pull request that was linked meanwhile, those that never came, and old ones.

use std::time::Duration;

use super::{GITHUB, Incoming, Received};
use crate::app::{App, AppError, ForgeError};
use crate::domain::forge::delivery::{Address, DeliveryId, DeliveryOrigin, DeliveryStatus};
use crate::domain::id::{RepoSlug, RunId};
use crate::domain::run::Run;
use crate::domain::state::State;
use crate::domain::time::Timestamp;
pub use crate::ports::inbox::{DeliveryQuery, DeliveryRow, HookRow, Incident};
pub use crate::ports::payload::HookInfo;
use crate::ports::store::RunQuery;

/// Deliveries that one look takes up.
const AT_ONCE: usize = 1_000;

/// How long GitHub can still show what it sent (`reliability`: three days; a Server seven).
const SHOWN_FOR: Duration = Duration::from_secs(3 * 24 * 3_600);

/// The shortest time deliveries are kept, so that one that comes late is known again.
pub const KEPT_AT_LEAST: Duration = Duration::from_secs(7 * 24 * 3_600);

/// What became of deliveries that were taken up again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retried {
    /// Taken up.
    pub tried: u64,
    /// Settled now.
    pub settled: u64,
}

/// What a look at a hook's own list found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Deliveries the forge lists.
    pub listed: u64,
    /// Those that had not come, or could not be processed.
    pub missed: u64,
    /// Those of them that were taken in now.
    pub taken: u64,
    /// Those that could not be, with the reason.
    pub failures: Vec<(DeliveryId, String)>,
}

impl App {
    /// Tries every delivery again whose time has come.
    ///
    /// # Errors
    /// The store's.
    pub fn retry_deliveries(&self) -> Result<Retried, AppError> {
        let query = DeliveryQuery {
            source: GITHUB.to_owned(),
            statuses: vec![DeliveryStatus::Failed],
            due_by: Some(self.ports.clock.now().wall),
            limit: Some(AT_ONCE),
            ..DeliveryQuery::default()
        };
        self.take_up(self.ports.inbox.deliveries(&query)?)
    }

    /// Looks again at deliveries that came before their run had its pull request. It is asked what waits for each open run and not
    /// whom each delivery is for, because of a busy repository thousands wait for pull requests that are nobody's here.
    ///
    /// # Errors
    /// The store's. A run that cannot be read is left out.
    pub fn apply_waiting(&self) -> Result<Retried, AppError> {
        let mut all = Retried::default();
        let waiting = DeliveryQuery {
            source: GITHUB.to_owned(),
            statuses: vec![DeliveryStatus::Waiting],
            limit: Some(1),
            ..DeliveryQuery::default()
        };
        if self.ports.inbox.deliveries(&waiting)?.is_empty() {
            return Ok(all);
        }
        let states = State::ALL.into_iter().filter(|state| !state.is_terminal()).collect();
        let rows = self.ports.store.run_rows(&RunQuery { states, limit: None })?;
        for row in rows.iter().filter(|row| row.pr_number.is_some()) {
            let run = match self.known_run(&row.run) {
                Ok(Some(run)) => run,
                Ok(None) => continue,
                Err(err) => {
                    tracing::debug!(run = %row.run, error = %err, "what waits for a run cannot be looked for");
                    continue;
                }
            };
            let applied = self.apply_waiting_for(&run);
            self.known.keep(run);
            let Retried { tried, settled } = applied?;
            all = Retried { tried: all.tried + tried, settled: all.settled + settled };
        }
        Ok(all)
    }

    /// As [`Self::apply_waiting`], for the run that was just linked.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn apply_waiting_for(&self, run: &Run) -> Result<Retried, AppError> {
        let Some(pr) = &run.pr else { return Ok(Retried::default()) };
        let address = Address {
            repo_id: run.forge.repository.as_ref().map(|repository| repository.id),
            repo: Some(run.spec.repo.key()),
            pr: Some(pr.number),
            sha: run.pushed.as_ref().map(|pushed| pushed.sha.clone()),
            branch: run.pushed.as_ref().map(|pushed| pushed.branch.clone()),
            whole_repository: false,
        };
        let query = DeliveryQuery {
            source: GITHUB.to_owned(),
            statuses: vec![DeliveryStatus::Waiting],
            waiting_for: Some(address),
            limit: Some(AT_ONCE),
            ..DeliveryQuery::default()
        };
        self.take_up(self.ports.inbox.deliveries(&query)?)
    }

    fn take_up(&self, mut rows: Vec<DeliveryRow>) -> Result<Retried, AppError> {
        // As they came: a reader of the log sees the story in its order.
        rows.sort_by_key(|row| row.received_at);
        let mut retried = Retried::default();
        for row in rows {
            let Some(body) = self.ports.inbox.body(GITHUB, &row.id)? else { continue };
            retried.tried += 1;
            match self.again(row, &body) {
                Received::Kept(kept) if kept.status.is_settled() => retried.settled += 1,
                Received::Duplicate => retried.settled += 1,
                Received::Kept(_)
                | Received::OtherBody
                | Received::Malformed(_)
                | Received::Failed(_)
                | Received::Unavailable(_) => {}
            }
        }
        Ok(retried)
    }

    /// Asks the forge what it sent to a hook, and takes in what did not come, oldest first, by the same way.
    ///
    /// # Errors
    /// The forge's when the list cannot be had, the store's; one delivery that cannot be had is in the report.
    pub async fn reconcile_hook(&self, repo: &RepoSlug, hook: u64) -> Result<Reconciled, AppError> {
        let now = self.ports.clock.now().wall;
        let since = Timestamp(now.0.saturating_sub(i64::try_from(SHOWN_FOR.as_millis()).unwrap_or(i64::MAX)));
        let mut report = Reconciled::default();
        for sent in self.ports.hooks.sent(repo, hook, since).await? {
            report.listed += 1;
            let known = self.ports.inbox.delivery(GITHUB, &sent.id)?;
            if known.is_some_and(|known| known.status.is_settled() || known.status == DeliveryStatus::Waiting)
            {
                continue;
            }
            report.missed += 1;
            let body = match self.ports.hooks.payload(repo, hook, sent.attempt).await {
                Ok(body) => body,
                Err(err @ ForgeError::Limited { .. }) => return Err(err.into()),
                Err(err) => {
                    report.failures.push((sent.id, err.to_string()));
                    continue;
                }
            };
            let (id, origin) = (sent.id.clone(), DeliveryOrigin::Reconciled);
            let incoming = Incoming { id, origin, event: sent.event, hook: Some(hook), body: &body };
            match self.receive(&incoming) {
                Received::Kept(_) | Received::Duplicate => report.taken += 1,
                Received::OtherBody => report.failures.push((sent.id, "it came with other bytes".to_owned())),
                Received::Malformed(misfit) => report.failures.push((sent.id, misfit.to_string())),
                Received::Failed(why) | Received::Unavailable(why) => report.failures.push((sent.id, why)),
            }
        }
        Ok(report)
    }

    /// The hooks of a repository, as the forge has them.
    ///
    /// # Errors
    /// The forge's.
    pub async fn hooks_of(&self, repo: &RepoSlug) -> Result<Vec<HookInfo>, AppError> {
        Ok(self.ports.hooks.hooks(repo).await?)
    }

    /// Removes deliveries from before so many days, at least seven.
    ///
    /// # Errors
    /// The store's.
    pub fn forget_deliveries(&self, source: &str, keep: Duration) -> Result<u64, AppError> {
        let keep = i64::try_from(keep.max(KEPT_AT_LEAST).as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp(self.ports.clock.now().wall.0.saturating_sub(keep));
        Ok(self.ports.inbox.forget_before(source, before)?)
    }

    /// What is known of deliveries and hooks, for people.
    ///
    /// # Errors
    /// The store's.
    pub fn inbox_status(&self) -> Result<InboxStatus, AppError> {
        let inbox = &self.ports.inbox;
        let newest = DeliveryQuery { source: GITHUB.to_owned(), limit: Some(1), ..DeliveryQuery::default() };
        Ok(InboxStatus {
            counts: inbox.counts(GITHUB)?,
            newest: inbox.deliveries(&newest)?.pop(),
            hooks: inbox.hooks()?,
            incidents: inbox.incidents(20)?,
        })
    }

    /// A delivery, without its bytes; `None` when it is not known.
    ///
    /// # Errors
    /// The store's.
    pub fn delivery(&self, id: &DeliveryId) -> Result<Option<DeliveryRow>, AppError> {
        Ok(self.ports.inbox.delivery(GITHUB, id)?)
    }

    /// The bytes of a delivery; `None` where they were not kept.
    ///
    /// # Errors
    /// The store's.
    pub fn delivery_body(&self, id: &DeliveryId) -> Result<Option<Vec<u8>>, AppError> {
        Ok(self.ports.inbox.body(GITHUB, id)?)
    }

    /// Deliveries, newest first.
    ///
    /// # Errors
    /// The store's.
    pub fn deliveries(&self, query: &DeliveryQuery) -> Result<Vec<DeliveryRow>, AppError> {
        Ok(self.ports.inbox.deliveries(query)?)
    }

    /// The run's hook on being linked: what waited for it is applied; a failure is told to the operator's log, because the next look
    /// at waiting deliveries makes it good.
    pub(crate) fn was_linked(&self, run: &RunId) {
        let applied = self.run(run).and_then(|run| self.apply_waiting_for(&run));
        if let Err(err) = applied {
            tracing::warn!(%run, error = %err, "deliveries that waited for a run were not applied yet");
        }
    }
}

/// What is known of deliveries and hooks.
#[derive(Debug, Clone)]
pub struct InboxStatus {
    /// Deliveries by what became of them.
    pub counts: Vec<(DeliveryStatus, u64)>,
    /// The newest one.
    pub newest: Option<DeliveryRow>,
    /// Hooks that have said who they are.
    pub hooks: Vec<HookRow>,
    /// What a person should look into, newest first.
    pub incidents: Vec<Incident>,
}
