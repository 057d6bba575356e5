//! Making the projections again from the events, and telling where they had been wrong.

use rusqlite::Connection;

use super::error::Trouble;
use super::ledger;
use super::link;
use super::replay::each_event;
use super::rows::{self, Head};
use crate::adapters::store::chain::Hash;
use crate::adapters::store::fold::Rows;
use crate::ports::store::RebuildReport;

/// The tables that are folds of events, each with the text that names one of its rows.
const PROJECTIONS: [(&str, &str); 7] = [
    ("runs", "run_id"),
    ("attempts", "run_id || ' ' || no"),
    ("artifacts", "run_id || ' ' || seq"),
    ("usage", "run_id || ' ' || no"),
    ("pools", "pool"),
    ("links", "run_id"),
    ("forge_heads", "run_id || ' ' || sha"),
];

/// Differences that are reported at most.
const REPORTED: usize = 100;

/// Drops the projections, fills them again and compares; runs within the caller's transaction.
pub(super) fn rebuild(db: &Connection) -> Result<RebuildReport, Trouble> {
    for (table, _) in PROJECTIONS {
        db.execute_batch(&format!("CREATE TEMP TABLE before_{table} AS SELECT * FROM main.{table}"))?;
    }
    drop_rows(db)?;
    let (runs, events) = fill(db)?;
    let mut differences = Vec::new();
    for (table, name) in PROJECTIONS {
        let sql = format!(
            "SELECT {name} FROM (SELECT * FROM main.{table} EXCEPT SELECT * FROM temp.before_{table})
             UNION SELECT {name} FROM (SELECT * FROM temp.before_{table} EXCEPT SELECT * FROM main.{table})
             ORDER BY 1 LIMIT {REPORTED}"
        );
        let mut statement = db.prepare(&sql)?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            differences.push(format!("{table} `{}`", row.get::<_, String>(0)?));
        }
    }
    for (table, _) in PROJECTIONS {
        db.execute_batch(&format!("DROP TABLE temp.before_{table}"))?;
    }
    differences.truncate(REPORTED);
    Ok(RebuildReport { runs, events, differences })
}

/// Empties the projections.
pub(super) fn drop_rows(db: &Connection) -> Result<(), Trouble> {
    for (table, _) in PROJECTIONS {
        db.execute_batch(&format!("DELETE FROM main.{table}"))?;
    }
    Ok(())
}

/// Fills empty projections from the events; returns how many runs and events there are.
pub(super) fn fill(db: &Connection) -> Result<(u64, u64), Trouble> {
    let (mut runs, mut events) = (0, 0);
    let mut current: Option<(Rows, Hash)> = None;
    each_event(db, |stored| {
        events += 1;
        let recorded = stored.recorded()?;
        match &mut current {
            Some((rows, hash)) if rows.run.run == recorded.run => {
                rows.apply(&recorded);
                *hash = stored.hash;
            }
            _ => {
                runs += 1;
                let born = (Rows::birth(&recorded)?, stored.hash);
                write(db, current.replace(born))?;
            }
        }
        Ok(())
    })?;
    write(db, current)?;
    Ok((runs, events))
}

fn write(db: &Connection, finished: Option<(Rows, Hash)>) -> Result<(), Trouble> {
    let Some((Rows { run, attempts, artifacts, usage, pools, link, commits }, hash)) = finished else {
        return Ok(());
    };
    if let Some(row) = &link {
        link::put(db, row)?;
    }
    for sha in &commits {
        link::put_commit(db, &run.run, sha)?;
    }
    for row in &usage {
        ledger::put_usage(db, row)?;
    }
    for (seq, news) in &pools {
        ledger::put_pool(db, news, &run.run, *seq)?;
    }
    rows::insert_run(db, &Head { row: run, hash, attempt: None })?;
    for attempt in &attempts {
        rows::insert_attempt(db, attempt)?;
    }
    for artifact in &artifacts {
        rows::insert_artifact(db, artifact)?;
    }
    Ok(())
}
