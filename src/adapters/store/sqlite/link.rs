//! What a forge knows runs by, as rows, and the runs that an address names.

use std::collections::BTreeSet;

use rusqlite::types::Value;
use rusqlite::{Connection, params};

use super::error::Trouble;
use super::values::{int, number, pull};
use crate::domain::forge::delivery::Address;
use crate::domain::id::{BranchName, CommitSha, RunId};
use crate::domain::projection::LinkRow;

pub(super) fn of_run(db: &Connection, run: &RunId) -> Result<Option<LinkRow>, Trouble> {
    let sql = "SELECT repo, repo_id, pr_number, branch FROM links WHERE run_id = ?1";
    let mut statement = db.prepare_cached(sql)?;
    let mut found = statement.query([run.as_str()])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let branch: Option<String> = row.get(3)?;
    Ok(Some(LinkRow {
        run: run.clone(),
        repo: row.get(0)?,
        repo_id: row.get::<_, Option<i64>>(1)?.map(number).transpose()?,
        pr_number: row.get::<_, Option<i64>>(2)?.map(pull).transpose()?,
        branch: branch.map(BranchName::new).transpose()?,
    }))
}

/// Writes a row, in the place of an older one of the run.
pub(super) fn put(db: &Connection, link: &LinkRow) -> Result<(), Trouble> {
    let sql =
        "INSERT OR REPLACE INTO links (run_id, repo, repo_id, pr_number, branch) VALUES (?1, ?2, ?3, ?4, ?5)";
    db.prepare_cached(sql)?.execute(params![
        link.run.as_str(),
        link.repo,
        link.repo_id.map(int),
        link.pr_number.map(|pr| int(pr.get())),
        link.branch.as_ref().map(BranchName::as_str),
    ])?;
    Ok(())
}

/// Writes that a commit is a run's; a commit that is pushed was captured before, so it is often known.
pub(super) fn put_commit(db: &Connection, run: &RunId, sha: &CommitSha) -> Result<(), Trouble> {
    let sql = "INSERT INTO forge_heads (sha, run_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    db.prepare_cached(sql)?.execute([sha.as_str(), run.as_str()])?;
    Ok(())
}

/// How many of `commits` have a row.
pub(super) fn count_commits(
    db: &Connection,
    run: &RunId,
    commits: &BTreeSet<CommitSha>,
) -> Result<usize, Trouble> {
    let mut statement = db.prepare_cached("SELECT 1 FROM forge_heads WHERE sha = ?1 AND run_id = ?2")?;
    let mut count = 0;
    for sha in commits {
        count += usize::from(statement.exists([sha.as_str(), run.as_str()])?);
    }
    Ok(count)
}

pub(super) fn count_all_commits(db: &Connection) -> Result<u64, Trouble> {
    number(db.query_row("SELECT count(*) FROM forge_heads", [], |row| row.get(0))?)
}

/// As [`Address::meets`] says, each way through an index of its own; a name that an address lacks is NULL and finds nothing.
pub(super) fn runs_at(db: &Connection, address: &Address) -> Result<Vec<RunId>, Trouble> {
    let sql = "SELECT run_id FROM (
                   SELECT run_id FROM forge_heads WHERE sha = ?1
                   UNION SELECT run_id FROM links WHERE branch = ?2
                   UNION SELECT run_id FROM links WHERE repo_id = ?3 AND pr_number = ?5
                   UNION SELECT run_id FROM links WHERE repo = ?4 AND pr_number = ?5 AND (repo_id IS NULL OR ?3 IS NULL)
                   UNION SELECT run_id FROM links WHERE ?6 AND repo_id = ?3
                   UNION SELECT run_id FROM links WHERE ?6 AND repo = ?4 AND (repo_id IS NULL OR ?3 IS NULL)
               ) JOIN runs USING (run_id)
               ORDER BY state IN ('DONE', 'SKIPPED', 'FAILED_TERMINAL'), last_seq DESC LIMIT 100";
    let mut statement = db.prepare_cached(sql)?;
    let mut found = statement.query(named(address))?;
    let mut runs = Vec::new();
    while let Some(row) = found.next()? {
        runs.push(RunId::new(row.get::<_, String>(0)?)?);
    }
    Ok(runs)
}

/// What an address names, as the parameters of a question: commit, branch, repository by number and by name, pull request, and
/// whether the whole repository is meant.
pub(super) fn named(address: &Address) -> [Value; 6] {
    let text = |text: &str| Value::Text(text.to_owned());
    let count = |number: u64| Value::Integer(int(number));
    [
        address.sha.as_ref().map_or(Value::Null, |sha| text(sha.as_str())),
        address.branch.as_ref().map_or(Value::Null, |branch| text(branch.as_str())),
        address.repo_id.map_or(Value::Null, count),
        address.repo.as_deref().map_or(Value::Null, text),
        address.pr.map_or(Value::Null, |pr| count(pr.get())),
        Value::Integer(i64::from(address.whole_repository)),
    ]
}
