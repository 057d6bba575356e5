//! From a delivery to what follows: read, find the runs, decide, keep all of it at once.

use std::collections::BTreeMap;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{GITHUB, Incoming, Kept, Received, ToldRun};
use crate::app::clean::cleaned_facts;
use crate::app::execute::{fold_in, with_states};
use crate::app::{App, AppError};
use crate::crash_point;
use crate::domain::actor::{Actor, Channel};
use crate::domain::command::Command;
use crate::domain::decide::{Ctx, decide};
use crate::domain::forge::delivery::{Address, DeliveryId, DeliveryOrigin, DeliveryStatus};
use crate::domain::forge::fact::ForgeFact;
use crate::domain::id::{Digest, RunId};
use crate::domain::run::Run;
use crate::domain::time::Timestamp;
use crate::ports::inbox::{DeliveryRow, HookRow, Incident, Taken};
use crate::ports::payload::{Ping, Reading, Told};
use crate::ports::store::{Append, StoreError};

/// How long the same bytes under another name are taken for a replay (decision D5).
const REPLAY_WINDOW: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How often a delivery is decided again after another process appended first.
const ROUNDS: usize = 32;

/// The longest body that is kept after its work is done, in bytes; GitHub's usual ones have 10 to 30 KiB.
const LARGEST_KEPT: usize = 1024 * 1024;

/// Tries of a delivery that cannot be processed, the first included.
pub(super) const MOST_TRIES: u32 = 12;

/// What one try works with.
struct Try<'a> {
    incoming: &'a Incoming<'a>,
    digest: Digest,
    now: Timestamp,
    /// What is known of it already.
    before: Option<DeliveryRow>,
}

impl App {
    /// Takes a delivery in. Blocks for one disk flush, which it shares with others that come in at the same time.
    ///
    /// What is answered with [`Received::Kept`] is durable: the delivery, every event that follows from it and the mark that it was
    /// processed are there together, or none of them is.
    pub fn receive(&self, incoming: &Incoming<'_>) -> Received {
        let now = self.ports.clock.now().wall;
        let digest = match Digest::new(hex::encode(Sha256::digest(incoming.body))) {
            Ok(digest) => digest,
            Err(err) => return Received::Unavailable(err.to_string()),
        };
        let before = match self.ports.inbox.delivery(GITHUB, &incoming.id) {
            Ok(before) => before,
            Err(err) => return Received::Unavailable(err.to_string()),
        };
        if let Some(known) = &before {
            let both_sent =
                known.origin == DeliveryOrigin::Webhook && incoming.origin == DeliveryOrigin::Webhook;
            if both_sent && known.digest != digest {
                return self.other_body(incoming, now);
            }
            if known.status.is_settled() {
                return Received::Duplicate;
            }
        }
        self.work_on(&Try { incoming, digest, now, before })
    }

    /// Processes a stored delivery again that failed, was given up or waits; one that is settled is a duplicate, as for its sender.
    ///
    /// # Errors
    /// The store's, [`AppError::Invalid`] when it is not known or its bytes were not kept.
    pub fn replay_delivery(&self, id: &DeliveryId) -> Result<Received, AppError> {
        let known = self.ports.inbox.delivery(GITHUB, id)?;
        let known = known.ok_or_else(|| AppError::Invalid(format!("no delivery `{id}` is known")))?;
        if known.status.is_settled() {
            return Ok(Received::Duplicate);
        }
        let body = self.ports.inbox.body(GITHUB, id)?;
        let body =
            body.ok_or_else(|| AppError::Invalid(format!("the bytes of delivery `{id}` were not kept")))?;
        Ok(self.again(known, &body))
    }

    /// Works on a delivery that is kept, once more.
    pub(super) fn again(&self, known: DeliveryRow, body: &[u8]) -> Received {
        let (id, event) = (known.id.clone(), known.event.clone());
        let incoming = Incoming { id, origin: known.origin, event, hook: known.hook, body };
        let digest = known.digest.clone();
        let now = self.ports.clock.now().wall;
        let attempt = Try { incoming: &incoming, digest, now, before: Some(known) };
        match self.work_on(&attempt) {
            // It could be read when it was kept. Nobody is there to be refused, so it counts as a try.
            Received::Malformed(misfit) => self.put_off(&attempt, &AppError::Invalid(misfit.to_string())),
            received => received,
        }
    }

    fn work_on(&self, attempt: &Try<'_>) -> Received {
        let incoming = attempt.incoming;
        let reading = match self.ports.payloads.read(&incoming.event, incoming.body) {
            Ok(reading) => reading,
            Err(misfit) => return Received::Malformed(misfit),
        };
        match self.process(attempt, reading) {
            Ok(received) => received,
            Err(AppError::Store(err @ StoreError::Unavailable { .. })) => {
                Received::Unavailable(err.to_string())
            }
            Err(err) => self.put_off(attempt, &err),
        }
    }

    fn process(&self, attempt: &Try<'_>, reading: Reading) -> Result<Received, AppError> {
        if let Some(twin) = self.twin(attempt)? {
            return self.replayed(attempt, &twin);
        }
        match reading {
            Reading::Nothing(why) => self.keep(attempt, DeliveryStatus::Ignored, why),
            Reading::Ping(ping) => {
                self.ports.inbox.put_hook(&hook_of(&ping, attempt.now))?;
                self.keep(attempt, DeliveryStatus::Processed, "the hook said who it is")
            }
            Reading::Facts(told) => self.tell(attempt, &told),
        }
    }

    /// The same bytes under another name: GitHub repeats a delivery under its own name, so this one is somebody else's, or of a second
    /// hook that says the same.
    fn twin(&self, attempt: &Try<'_>) -> Result<Option<DeliveryId>, AppError> {
        if attempt.before.is_some() || attempt.incoming.origin != DeliveryOrigin::Webhook {
            return Ok(None);
        }
        let since = Timestamp(
            attempt.now.0.saturating_sub(i64::try_from(REPLAY_WINDOW.as_millis()).unwrap_or(i64::MAX)),
        );
        Ok(self.ports.inbox.twin(GITHUB, &attempt.incoming.id, &attempt.digest, since)?)
    }

    fn replayed(&self, attempt: &Try<'_>, twin: &DeliveryId) -> Result<Received, AppError> {
        let detail = format!("the same bytes came as delivery {twin}");
        self.ports.inbox.note_incident(&Incident {
            at: attempt.now,
            kind: "suspected_replay".to_owned(),
            delivery: attempt.incoming.id.clone(),
            detail: detail.clone(),
        })?;
        self.keep(attempt, DeliveryStatus::Replayed, &detail)
    }

    fn other_body(&self, incoming: &Incoming<'_>, now: Timestamp) -> Received {
        let incident = Incident {
            at: now,
            kind: "other_body".to_owned(),
            delivery: incoming.id.clone(),
            detail: format!("delivery {} came again with other bytes", incoming.id),
        };
        tracing::warn!(delivery = %incoming.id, "a delivery came again with other bytes");
        match self.ports.inbox.note_incident(&incident) {
            Ok(()) => Received::OtherBody,
            Err(err) => Received::Unavailable(err.to_string()),
        }
    }

    /// Tells every run what the delivery says.
    fn tell(&self, attempt: &Try<'_>, told: &[Told]) -> Result<Received, AppError> {
        let mut facts: BTreeMap<RunId, Vec<ForgeFact>> = BTreeMap::new();
        for one in told {
            let runs = self.ports.inbox.runs_at(&one.address)?;
            if runs.is_empty() {
                continue;
            }
            let clean = cleaned_facts(&one.facts, self.ports.redaction.as_ref())?;
            for run in runs {
                facts.entry(run).or_default().extend(clean.iter().cloned());
            }
        }
        if facts.is_empty() {
            return self.nobody_to_tell(attempt, told);
        }
        let _alone = self.known.alone_with(facts.keys());
        for _ in 0..ROUNDS {
            let mut parts = Vec::with_capacity(facts.len());
            let mut trouble = None;
            for (id, facts) in &facts {
                match self.part(id, facts) {
                    Ok(part) => parts.extend(part),
                    Err(err @ AppError::Store(StoreError::Unavailable { .. })) => return Err(err),
                    // The others are told now, and told nothing twice when this one is tried again.
                    Err(err) => trouble = trouble.or(Some(err)),
                }
            }
            let appends: Vec<Append> = parts.iter().filter_map(|part| part.append.clone()).collect();
            let runs = parts.iter().map(|part| part.run.id.clone());
            let status = DeliveryStatus::Processed;
            let row = match &trouble {
                None => row_of(attempt, status, String::new(), runs),
                Some(err) => self.failed_row(attempt, err, runs),
            };
            crash_point::pass("before_delivery");
            let recorded = match self.ports.inbox.take(&row, &appends) {
                Ok(Taken::Recorded(recorded)) => recorded,
                Ok(Taken::Duplicate) => return Ok(Received::Duplicate),
                Ok(Taken::OtherBody) => return Ok(self.other_body(attempt.incoming, attempt.now)),
                Err(StoreError::Conflict { .. } | StoreError::KeyTaken { .. }) => continue,
                Err(err) => return Err(err.into()),
            };
            crash_point::pass("after_delivery");
            let mut told = Vec::with_capacity(parts.len());
            for Part { run, .. } in parts {
                let before = run.state;
                let own: Vec<_> = recorded.iter().filter(|one| one.run == run.id).cloned().collect();
                let events = own.iter().map(|one| one.event.name()).collect();
                let Some(run) = fold_in(Some(run), &own)? else { continue };
                told.push(ToldRun { run: run.id.clone(), before, after: run.state, events });
                self.known.keep(run);
            }
            if trouble.is_some() {
                return Ok(self.put_off_as(row));
            }
            return Ok(Received::Kept(Kept { status, detail: String::new(), told }));
        }
        Err(AppError::Invalid("others appended first again and again".to_owned()))
    }

    /// What follows from clean facts for one run; `None` for one that is gone.
    fn part(&self, id: &RunId, facts: &[ForgeFact]) -> Result<Option<Part>, AppError> {
        let Some(run) = self.known_run(id)? else { return Ok(None) };
        let now = self.ports.clock.now();
        let actor = Actor { channel: Channel::Github, name: "webhook".to_owned() };
        let ctx = Ctx { now: now.clone(), actor: actor.clone() };
        let decision = decide(Some(&run), &Command::Observe { facts: facts.to_vec() }, &ctx)
            .map_err(|rejection| crate::app::execute::refused(id, Some(&run), rejection))?;
        // Made of clean facts, and of what the log has.
        let events = decision.events;
        if events.is_empty() {
            return Ok(Some(Part { run, append: None }));
        }
        let append = Append {
            run: id.clone(),
            expected: run.version,
            fence: None,
            actor,
            at: now.wall,
            cause: Some(run.last_seq),
            key: None,
            events: with_states(Some(&run), id, events, now.wall)?,
        };
        Ok(Some(Part { run, append: Some(append) }))
    }

    /// Facts of a repository that runs are known of wait for their run; those of others are nobody's.
    fn nobody_to_tell(&self, attempt: &Try<'_>, told: &[Told]) -> Result<Received, AppError> {
        let mut addresses: Vec<Address> = told.iter().map(|one| one.address.clone()).collect();
        addresses.retain(|address| address.pr.is_some() || address.sha.is_some() || address.branch.is_some());
        let mut is_ours = false;
        for address in &addresses {
            let repository = Address {
                repo_id: address.repo_id,
                repo: address.repo.clone(),
                whole_repository: true,
                ..Address::default()
            };
            // Runs that are over come last, and take nothing in.
            is_ours = is_ours || self.is_open(self.ports.inbox.runs_at(&repository)?.first())?;
        }
        if !is_ours {
            return self.keep(attempt, DeliveryStatus::Ignored, "no run under way knows this repository");
        }
        let why = "no run has this pull request yet".to_owned();
        let mut row = row_of(attempt, DeliveryStatus::Waiting, why, std::iter::empty());
        row.addresses = addresses;
        self.keep_row(attempt, &row)
    }

    fn is_open(&self, run: Option<&RunId>) -> Result<bool, AppError> {
        let Some(run) = run else { return Ok(false) };
        Ok(self.ports.store.run_row(run)?.is_some_and(|row| !row.state.is_terminal()))
    }

    fn keep(&self, attempt: &Try<'_>, status: DeliveryStatus, detail: &str) -> Result<Received, AppError> {
        self.keep_row(attempt, &row_of(attempt, status, detail.to_owned(), std::iter::empty()))
    }

    fn keep_row(&self, attempt: &Try<'_>, row: &DeliveryRow) -> Result<Received, AppError> {
        let (status, detail) = (row.status, row.detail.clone());
        Ok(match self.ports.inbox.take(row, &[])? {
            Taken::Recorded(_) => Received::Kept(Kept { status, detail, told: Vec::new() }),
            Taken::Duplicate => Received::Duplicate,
            Taken::OtherBody => self.other_body(attempt.incoming, attempt.now),
        })
    }

    /// Keeps a delivery that could not be processed, for another try.
    fn put_off(&self, attempt: &Try<'_>, err: &AppError) -> Received {
        let row = self.failed_row(attempt, err, std::iter::empty());
        match self.ports.inbox.take(&row, &[]) {
            Ok(Taken::Recorded(_)) => self.put_off_as(row),
            Ok(Taken::Duplicate) => Received::Duplicate,
            Ok(Taken::OtherBody) => Received::OtherBody,
            Err(err) => Received::Unavailable(err.to_string()),
        }
    }

    /// The row of a delivery that is tried again, or was tried for the last time.
    fn failed_row(
        &self,
        attempt: &Try<'_>,
        err: &AppError,
        runs: impl Iterator<Item = RunId>,
    ) -> DeliveryRow {
        let why = self.ports.redaction.masked(&err.to_string()).into_owned();
        let tries = attempt.before.as_ref().map_or(0, |before| before.tries) + 1;
        let is_last = tries >= MOST_TRIES;
        let status = if is_last { DeliveryStatus::Dead } else { DeliveryStatus::Failed };
        let mut row = row_of(attempt, status, why, runs);
        row.tries = tries;
        row.next_at = (!is_last).then(|| attempt.now.plus(wait_after(tries)));
        row
    }

    /// The answer to a delivery that is kept as failed. A person is told of one that is not tried any more.
    fn put_off_as(&self, row: DeliveryRow) -> Received {
        let DeliveryRow { id, status, detail: why, tries, .. } = row;
        tracing::error!(delivery = %id, tries, error = %why, "a delivery could not be processed");
        if status == DeliveryStatus::Dead {
            let detail = format!(
                "delivery {id} could not be processed {tries} times; mend what it says, then `agentpr webhook replay {id}`: {why}"
            );
            let at = self.ports.clock.now().wall;
            let incident = Incident { at, kind: "given_up".to_owned(), delivery: id, detail };
            if let Err(err) = self.ports.inbox.note_incident(&incident) {
                tracing::error!(error = %err, "that a delivery was given up could not be noted");
            }
        }
        Received::Failed(why)
    }
}

/// A run, and what is to be appended to it.
struct Part {
    run: Run,
    append: Option<Append>,
}

/// From one second, doubling, to one hour.
fn wait_after(tries: u32) -> Duration {
    Duration::from_secs(1_u64.checked_shl(tries.saturating_sub(1)).unwrap_or(u64::MAX).min(3_600))
}

fn row_of(
    attempt: &Try<'_>,
    status: DeliveryStatus,
    detail: String,
    runs: impl Iterator<Item = RunId>,
) -> DeliveryRow {
    let incoming = attempt.incoming;
    DeliveryRow {
        source: GITHUB.to_owned(),
        id: incoming.id.clone(),
        origin: incoming.origin,
        event: incoming.event.clone(),
        hook: incoming.hook,
        digest: attempt.digest.clone(),
        body: is_kept(status, incoming.body).then(|| incoming.body.to_vec()),
        received_at: attempt.before.as_ref().map_or(attempt.now, |before| before.received_at),
        status,
        detail,
        addresses: Vec::new(),
        runs: runs.collect(),
        tries: attempt.before.as_ref().map_or(0, |before| before.tries),
        next_at: None,
    }
}

/// Whether the bytes are kept beside their name and digest, which are enough to know a delivery again: not those that concern nothing
/// here, nor very many whose work is done.
fn is_kept(status: DeliveryStatus, body: &[u8]) -> bool {
    status != DeliveryStatus::Ignored && (!status.is_settled() || body.len() <= LARGEST_KEPT)
}

fn hook_of(ping: &Ping, now: Timestamp) -> HookRow {
    HookRow {
        id: ping.hook,
        repo: ping.repo.as_ref().map(ToString::to_string),
        events: ping.events.clone(),
        seen_at: now,
    }
}
