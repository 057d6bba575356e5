//! Columns and values: how events and projections lie in their tables.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::value::{Error as WordError, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};

use super::error::Trouble;
use crate::adapters::store::chain::{Hash, Link};
use crate::domain::event::{Event, Recorded};
use crate::domain::evidence::AttemptOutcome;
use crate::domain::id::{AttemptNo, Digest, EventSeq, IdempotencyKey, PrNumber, RunId, Version};
use crate::domain::projection::{ArtifactRow, AttemptRow, RunRow};
use crate::domain::state::State;
use crate::domain::time::Timestamp;

/// A run's row and the hash of its last event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) row: RunRow,
    pub(super) hash: Hash,
}

/// An event as its row holds it, before anything about it is believed.
pub(super) struct StoredEvent<'a> {
    pub(super) seq: i64,
    pub(super) link: Link<'a>,
    pub(super) prev_hash: Hash,
    pub(super) hash: Hash,
}

impl<'a> StoredEvent<'a> {
    pub(super) const COLUMNS: &'static str =
        "seq, run_id, version, name, schema, at, actor, cause, key, state, body, prev_hash, hash";

    /// Reads a row of [`Self::COLUMNS`] without copying its texts.
    pub(super) fn of(row: &'a Row<'_>) -> Result<Self, Trouble> {
        let text = |index: usize| row.get_ref(index)?.as_str().map_err(|err| Trouble::Row(err.to_string()));
        let seq: i64 = row.get(0)?;
        let cause: Option<i64> = row.get(7)?;
        let key = row.get_ref(8)?.as_str_or_null().map_err(|err| Trouble::Row(err.to_string()))?;
        let schema: i64 = row.get(4)?;
        let link = Link {
            run: text(1)?,
            version: number(row.get(2)?)?,
            name: text(3)?,
            schema: u32::try_from(schema).map_err(|_| Trouble::Row(format!("schema {schema}")))?,
            at: row.get(5)?,
            actor: text(6)?,
            cause: cause.map(number).transpose()?,
            key,
            state: text(9)?,
            body: text(10)?,
        };
        Ok(Self { seq, link, prev_hash: row.get(11)?, hash: row.get(12)? })
    }

    /// The event it tells of.
    pub(super) fn recorded(&self) -> Result<Recorded, Trouble> {
        self.parse().map_err(|trouble| trouble.at(&format!("event {}", self.seq)))
    }

    fn parse(&self) -> Result<Recorded, Trouble> {
        let link = &self.link;
        Ok(Recorded {
            seq: EventSeq(number(self.seq)?),
            run: RunId::new(link.run)?,
            version: Version(link.version),
            at: Timestamp(link.at),
            actor: link.actor.parse()?,
            cause: link.cause.map(EventSeq),
            key: link.key.map(IdempotencyKey::new).transpose()?,
            state: state(link.state)?,
            event: Event::read(link.name, link.schema, link.body)?,
        })
    }
}

pub(super) fn insert_event(
    db: &Connection,
    link: &Link<'_>,
    prev: &Hash,
    hash: &Hash,
) -> Result<u64, Trouble> {
    let sql = "INSERT INTO events (run_id, version, name, schema, at, actor, cause, key, state, body, prev_hash, hash)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let seq = db.prepare_cached(sql)?.insert(params![
        link.run,
        int(link.version),
        link.name,
        link.schema,
        link.at,
        link.actor,
        link.cause.map(int),
        link.key,
        link.state,
        link.body,
        prev,
        hash,
    ])?;
    number(seq)
}

/// Says whether the event that `head` takes for the run's last one is in the log, with that hash.
pub(super) fn is_last_event(db: &Connection, head: &Head) -> Result<bool, Trouble> {
    let sql = "SELECT run_id = ?2 AND version = ?3 AND hash = ?4 FROM events WHERE seq = ?1";
    let row = &head.row;
    let values = params![int(row.last_seq.0), row.run.as_str(), int(row.version.0), head.hash];
    Ok(db.prepare_cached(sql)?.query_row(values, |found| found.get(0)).optional()?.unwrap_or(false))
}

pub(super) fn has_key(db: &Connection, run: &RunId, key: &IdempotencyKey) -> Result<bool, Trouble> {
    let mut statement = db.prepare_cached("SELECT 1 FROM events WHERE run_id = ?1 AND key = ?2")?;
    Ok(statement.exists([run.as_str(), key.as_str()])?)
}

/// The columns that [`head`] reads.
pub(super) const RUN_COLUMNS: &str = "run_id, repo, prompt_version, title, state, reason, last_error, pr_number, \
     version, last_seq, created_at, updated_at, head_hash";

pub(super) fn head_of(db: &Connection, run: &RunId) -> Result<Option<Head>, Trouble> {
    let mut statement = db.prepare_cached(&format!("SELECT {RUN_COLUMNS} FROM runs WHERE run_id = ?1"))?;
    let mut found = statement.query([run.as_str()])?;
    found.next()?.map(head).transpose()
}

pub(super) fn head(row: &Row<'_>) -> Result<Head, Trouble> {
    let text = |index: usize| row.get::<_, String>(index);
    let run = text(0)?;
    let parse = || {
        let pr_number: Option<i64> = row.get(7)?;
        Ok(RunRow {
            run: RunId::new(run.as_str())?,
            repo: text(1)?.parse()?,
            prompt_version: text(2)?,
            title: text(3)?,
            state: state(row.get_ref(4)?.as_str().unwrap_or_default())?,
            reason: text(5)?,
            last_error: row.get(6)?,
            pr_number: pr_number.map(|stored| pr(stored)).transpose()?,
            version: Version(number(row.get(8)?)?),
            last_seq: EventSeq(number(row.get(9)?)?),
            created_at: Timestamp(row.get(10)?),
            updated_at: Timestamp(row.get(11)?),
        })
    };
    let row_of_run = parse().map_err(|trouble: Trouble| trouble.at(&format!("row of run `{run}`")))?;
    Ok(Head { row: row_of_run, hash: row.get(12)? })
}

pub(super) fn insert_run(db: &Connection, head: &Head) -> Result<(), Trouble> {
    let Head { row, hash } = head;
    let sql = "INSERT INTO runs (run_id, repo, prompt_version, title, state, reason, last_error, pr_number, version,
                   last_seq, created_at, updated_at, head_hash)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    db.prepare_cached(sql)?.execute(params![
        row.run.as_str(),
        row.repo.to_string(),
        row.prompt_version,
        row.title,
        row.state.name(),
        row.reason,
        row.last_error,
        row.pr_number.map(|pr| int(pr.get())),
        int(row.version.0),
        int(row.last_seq.0),
        row.created_at.0,
        row.updated_at.0,
        hash,
    ])?;
    Ok(())
}

/// Writes the columns that events change; the others stay as they were at the run's birth.
pub(super) fn update_run(db: &Connection, head: &Head) -> Result<(), Trouble> {
    let Head { row, hash } = head;
    let sql = "UPDATE runs SET state = ?2, reason = ?3, last_error = ?4, pr_number = ?5, version = ?6, last_seq = ?7,
                   updated_at = ?8, head_hash = ?9
               WHERE run_id = ?1";
    db.prepare_cached(sql)?.execute(params![
        row.run.as_str(),
        row.state.name(),
        row.reason,
        row.last_error,
        row.pr_number.map(|pr| int(pr.get())),
        int(row.version.0),
        int(row.last_seq.0),
        row.updated_at.0,
        hash,
    ])?;
    Ok(())
}

const ATTEMPT_COLUMNS: &str =
    "run_id, no, step, started_at, ended_at, outcome, exit_code, duration_ms, log, message";

pub(super) fn attempts_of(db: &Connection, run: &RunId) -> Result<Vec<AttemptRow>, Trouble> {
    let sql = format!("SELECT {ATTEMPT_COLUMNS} FROM attempts WHERE run_id = ?1 ORDER BY no");
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = statement.query([run.as_str()])?;
    let mut attempts = Vec::new();
    while let Some(row) = found.next()? {
        attempts.push(attempt_row(row)?);
    }
    Ok(attempts)
}

pub(super) fn attempt(db: &Connection, run: &RunId, no: AttemptNo) -> Result<Option<AttemptRow>, Trouble> {
    let sql = format!("SELECT {ATTEMPT_COLUMNS} FROM attempts WHERE run_id = ?1 AND no = ?2");
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = statement.query(params![run.as_str(), no.0])?;
    found.next()?.map(attempt_row).transpose()
}

fn attempt_row(row: &Row<'_>) -> Result<AttemptRow, Trouble> {
    let step: String = row.get(2)?;
    let outcome: Option<String> = row.get(5)?;
    let ended_at: Option<i64> = row.get(4)?;
    Ok(AttemptRow {
        run: RunId::new(row.get::<_, String>(0)?)?,
        no: AttemptNo(row.get(1)?),
        step: from_word(&step)?,
        started_at: Timestamp(row.get(3)?),
        ended_at: ended_at.map(Timestamp),
        outcome: outcome.as_deref().map(from_word).transpose()?,
        exit_code: row.get(6)?,
        duration_ms: number(row.get(7)?)?,
        log: row.get(8)?,
        message: row.get(9)?,
    })
}

pub(super) fn insert_attempt(db: &Connection, attempt: &AttemptRow) -> Result<(), Trouble> {
    let sql =
        "INSERT INTO attempts (run_id, no, step, started_at, ended_at, outcome, exit_code, duration_ms, log,
                   message)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    write_attempt(db, sql, attempt)
}

pub(super) fn update_attempt(db: &Connection, attempt: &AttemptRow) -> Result<(), Trouble> {
    let sql = "UPDATE attempts SET step = ?3, started_at = ?4, ended_at = ?5, outcome = ?6, exit_code = ?7,
                   duration_ms = ?8, log = ?9, message = ?10
               WHERE run_id = ?1 AND no = ?2";
    write_attempt(db, sql, attempt)
}

fn write_attempt(db: &Connection, sql: &str, attempt: &AttemptRow) -> Result<(), Trouble> {
    db.prepare_cached(sql)?.execute(params![
        attempt.run.as_str(),
        attempt.no.0,
        attempt.step.name(),
        attempt.started_at.0,
        attempt.ended_at.map(|at| at.0),
        attempt.outcome.map(outcome_name),
        attempt.exit_code,
        int(attempt.duration_ms),
        attempt.log,
        attempt.message,
    ])?;
    Ok(())
}

pub(super) fn artifacts_of(db: &Connection, run: &RunId) -> Result<Vec<ArtifactRow>, Trouble> {
    let sql = "SELECT run_id, seq, kind, uri, sha256, at FROM artifacts WHERE run_id = ?1 ORDER BY seq";
    let mut statement = db.prepare_cached(sql)?;
    let mut found = statement.query([run.as_str()])?;
    let mut artifacts = Vec::new();
    while let Some(row) = found.next()? {
        let sha256: Option<String> = row.get(4)?;
        artifacts.push(ArtifactRow {
            run: RunId::new(row.get::<_, String>(0)?)?,
            seq: EventSeq(number(row.get(1)?)?),
            kind: row.get(2)?,
            uri: row.get(3)?,
            sha256: sha256.map(Digest::new).transpose()?,
            at: Timestamp(row.get(5)?),
        });
    }
    Ok(artifacts)
}

pub(super) fn insert_artifact(db: &Connection, artifact: &ArtifactRow) -> Result<(), Trouble> {
    let sql = "INSERT INTO artifacts (run_id, seq, kind, uri, sha256, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    db.prepare_cached(sql)?.execute(params![
        artifact.run.as_str(),
        int(artifact.seq.0),
        artifact.kind,
        artifact.uri,
        artifact.sha256.as_ref().map(Digest::as_str),
        artifact.at.0,
    ])?;
    Ok(())
}

/// A count as SQLite holds it; no log is long enough for the difference.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn number(int: i64) -> Result<u64, Trouble> {
    u64::try_from(int).map_err(|_| Trouble::Row(format!("{int} where a count should be")))
}

fn pr(stored: i64) -> Result<PrNumber, Trouble> {
    PrNumber::new(number(stored)?).ok_or_else(|| Trouble::Row("pull request 0".to_owned()))
}

fn state(name: &str) -> Result<State, Trouble> {
    let found = State::ALL.into_iter().find(|state| state.name() == name);
    found.ok_or_else(|| Trouble::Row(format!("unknown state `{name}`")))
}

fn outcome_name(outcome: AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::Succeeded => "succeeded",
        AttemptOutcome::Failed => "failed",
        AttemptOutcome::TimedOut => "timed_out",
        AttemptOutcome::CouldNotStart => "could_not_start",
        AttemptOutcome::Interrupted => "interrupted",
        AttemptOutcome::Stopped => "stopped",
    }
}

/// Reads a word as the domain spells it in event bodies.
fn from_word<T: DeserializeOwned>(word: &str) -> Result<T, Trouble> {
    let deserializer: StrDeserializer<'_, WordError> = word.into_deserializer();
    T::deserialize(deserializer).map_err(|err| Trouble::Row(err.to_string()))
}
