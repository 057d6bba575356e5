//! Projections as rows: runs, attempts, artifacts.

use rusqlite::{CachedStatement, Connection, Row, params};

use super::error::Trouble;
use super::values::{from_word, int, number, pull, state};
use crate::adapters::store::chain::Hash;
use crate::domain::evidence::AttemptOutcome;
use crate::domain::id::{AttemptNo, Digest, EventSeq, RunId, Version};
use crate::domain::projection::{ArtifactRow, AttemptRow, RunRow};
use crate::domain::time::Timestamp;

/// A run's row and the hash of its last event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) row: RunRow,
    pub(super) hash: Hash,
    /// Its newest attempt, where it was written or read lately; `None` says nothing.
    pub(super) attempt: Option<AttemptRow>,
}

/// The columns that [`head`] reads.
pub(super) const RUN_COLUMNS: &str = "run_id, repo, prompt_version, title, state, reason, last_error, pr_number, \
     version, last_seq, created_at, updated_at, head_hash";

pub(super) fn head_of(db: &Connection, run: &RunId) -> Result<Option<Head>, Trouble> {
    let mut statement = db.prepare_cached(&format!("SELECT {RUN_COLUMNS} FROM runs WHERE run_id = ?1"))?;
    let mut found = statement.query([run.as_str()])?;
    found.next()?.map(head).transpose()
}

/// As [`head_of`], for appending behind it: the second part says whether the event that the row takes for the run's last
/// one is in the log, with that hash.
pub(super) fn head_to_append(db: &Connection, run: &RunId) -> Result<Option<(Head, bool)>, Trouble> {
    let sql =
        "SELECT run_id, repo, prompt_version, title, state, reason, last_error, pr_number, version, last_seq,
                   created_at, updated_at, head_hash,
                   EXISTS (SELECT 1 FROM events WHERE seq = runs.last_seq AND run_id = runs.run_id
                           AND version = runs.version AND hash = runs.head_hash)
               FROM runs WHERE run_id = ?1";
    let mut statement = db.prepare_cached(sql)?;
    let mut found = statement.query([run.as_str()])?;
    let Some(row) = found.next()? else { return Ok(None) };
    Ok(Some((head(row)?, row.get(13)?)))
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
            pr_number: pr_number.map(pull).transpose()?,
            version: Version(number(row.get(8)?)?),
            last_seq: EventSeq(number(row.get(9)?)?),
            created_at: Timestamp(row.get(10)?),
            updated_at: Timestamp(row.get(11)?),
        })
    };
    let row_of_run = parse().map_err(|trouble: Trouble| trouble.at(&format!("row of run `{run}`")))?;
    Ok(Head { row: row_of_run, hash: row.get(12)?, attempt: None })
}

pub(super) fn insert_run(db: &Connection, head: &Head) -> Result<(), Trouble> {
    let Head { row, hash, .. } = head;
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

/// The statement for [`update_run`].
pub(super) fn update(db: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
    let sql = "UPDATE runs SET state = ?2, reason = ?3, last_error = ?4, pr_number = ?5, version = ?6, last_seq = ?7,
                   updated_at = ?8, head_hash = ?9
               WHERE run_id = ?1";
    db.prepare_cached(sql)
}

/// Writes the columns that events change; the others stay as they were at the run's birth.
pub(super) fn update_run(update: &mut CachedStatement<'_>, head: &Head) -> Result<(), Trouble> {
    let Head { row, hash, .. } = head;
    update.execute(params![
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

/// What [`attempt_row`] reads, of a run's attempts: found through the index of its events.
const ATTEMPTS: &str =
    "SELECT attempts.seq, attempts.run_id, no, step, started_at, ended_at, outcome, exit_code,
            duration_ms, log, message
     FROM events CROSS JOIN attempts ON attempts.seq = events.seq
     WHERE events.run_id = ?1";

pub(super) fn attempts_of(db: &Connection, run: &RunId) -> Result<Vec<AttemptRow>, Trouble> {
    let mut statement = db.prepare_cached(&format!("{ATTEMPTS} ORDER BY version"))?;
    let mut found = statement.query([run.as_str()])?;
    let mut attempts = Vec::new();
    while let Some(row) = found.next()? {
        attempts.push(attempt_row(row)?);
    }
    Ok(attempts)
}

/// A run's newest attempt of that number.
pub(super) fn attempt(db: &Connection, run: &RunId, no: AttemptNo) -> Result<Option<AttemptRow>, Trouble> {
    let sql = format!("{ATTEMPTS} AND no = ?2 ORDER BY version DESC LIMIT 1");
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = statement.query(params![run.as_str(), no.0])?;
    found.next()?.map(attempt_row).transpose()
}

/// A run's newest attempt.
pub(super) fn last_attempt(db: &Connection, run: &RunId) -> Result<Option<AttemptRow>, Trouble> {
    let sql = format!("{ATTEMPTS} ORDER BY version DESC LIMIT 1");
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = statement.query([run.as_str()])?;
    found.next()?.map(attempt_row).transpose()
}

fn attempt_row(row: &Row<'_>) -> Result<AttemptRow, Trouble> {
    let step: String = row.get(3)?;
    let outcome: Option<String> = row.get(6)?;
    let ended_at: Option<i64> = row.get(5)?;
    Ok(AttemptRow {
        seq: EventSeq(number(row.get(0)?)?),
        run: RunId::new(row.get::<_, String>(1)?)?,
        no: AttemptNo(row.get(2)?),
        step: from_word(&step)?,
        started_at: Timestamp(row.get(4)?),
        ended_at: ended_at.map(Timestamp),
        outcome: outcome.as_deref().map(from_word).transpose()?,
        exit_code: row.get(7)?,
        duration_ms: number(row.get(8)?)?,
        log: row.get(9)?,
        message: row.get(10)?,
    })
}

pub(super) fn insert_attempt(db: &Connection, attempt: &AttemptRow) -> Result<(), Trouble> {
    let sql = "INSERT INTO attempts (seq, run_id, no, step, started_at, ended_at, outcome, exit_code, duration_ms, log,
                   message)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    db.prepare_cached(sql)?.execute(params![
        int(attempt.seq.0),
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

/// Writes the columns that the end of an attempt changes.
pub(super) fn update_attempt(db: &Connection, attempt: &AttemptRow) -> Result<(), Trouble> {
    let sql = "UPDATE attempts SET ended_at = ?2, outcome = ?3, exit_code = ?4, duration_ms = ?5, log = ?6, message = ?7
               WHERE seq = ?1";
    db.prepare_cached(sql)?.execute(params![
        int(attempt.seq.0),
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

fn outcome_name(outcome: AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::Succeeded => "succeeded",
        AttemptOutcome::Failed => "failed",
        AttemptOutcome::TimedOut => "timed_out",
        AttemptOutcome::OverLimit => "over_limit",
        AttemptOutcome::CouldNotStart => "could_not_start",
        AttemptOutcome::Interrupted => "interrupted",
        AttemptOutcome::Stopped => "stopped",
    }
}
