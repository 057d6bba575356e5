//! Looking at the whole store: file, chain, versions, fold, projections. Reads one snapshot and changes nothing.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::error::Trouble;
use super::event_row::StoredEvent;
use super::ledger::{self, PoolWord};
use super::link;
use super::read;
use super::replay::each_event;
use super::rows::{self, Head};
use crate::adapters::store::chain::{GENESIS, Hash};
use crate::adapters::store::fold::Rows;
use crate::domain::agent::quota::Pool;
use crate::domain::event::Recorded;
use crate::domain::run::Run;
use crate::ports::store::VerifyReport;

/// Faults that are kept at most.
const KEPT: usize = 100;

pub(super) fn verify(db: &Connection) -> Result<VerifyReport, Trouble> {
    let snapshot = db.unchecked_transaction()?;
    let mut check = Check {
        db,
        report: VerifyReport::default(),
        current: None,
        pools: BTreeMap::new(),
        commits: Some(0),
    };
    check.file()?;
    each_event(db, |stored| check.event(stored))?;
    check.end_of_run()?;
    check.pools()?;
    check.commits()?;
    check.sequence()?;
    check.rows_without_events()?;
    snapshot.rollback()?;
    Ok(check.report)
}

struct Check<'a> {
    db: &'a Connection,
    report: VerifyReport,
    current: Option<Current>,
    /// The newest word about each pool, in the runs read so far.
    pools: BTreeMap<Pool, PoolWord>,
    /// Commits of the runs read so far; `None` once a run could not be folded, for then nothing can be counted.
    commits: Option<u64>,
}

/// The run that is being read.
struct Current {
    name: String,
    version: u64,
    hash: Hash,
    /// Its fold and its rows; `None` once an event of it made no sense, for then nothing can be compared.
    folded: Option<(Run, Rows)>,
}

impl Check<'_> {
    fn fault(&mut self, fault: String) {
        if self.report.faults.len() < KEPT {
            self.report.faults.push(fault);
        }
    }

    /// What SQLite itself finds wrong with pages, indexes and constraints.
    fn file(&mut self) -> Result<(), Trouble> {
        let mut statement = self.db.prepare("PRAGMA integrity_check(100)")?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let line: String = row.get(0)?;
            if line != "ok" {
                self.fault(format!("file: {line}"));
            }
        }
        Ok(())
    }

    fn event(&mut self, stored: &StoredEvent<'_>) -> Result<(), Trouble> {
        self.report.events += 1;
        let link = &stored.link;
        if self.current.as_ref().is_none_or(|current| current.name != link.run) {
            self.end_of_run()?;
            self.report.runs += 1;
            let current = Current { name: link.run.to_owned(), version: 0, hash: GENESIS, folded: None };
            self.current = Some(current);
        }
        let Some(current) = &mut self.current else { return Ok(()) };
        let place = format_args!("event {} (run `{}`, version {})", stored.seq, link.run, link.version);
        let mut faults = Vec::new();
        if link.version != current.version + 1 {
            faults.push(format!("{place}: it follows version {}", current.version));
        }
        if stored.prev_hash != current.hash {
            faults.push(format!("{place}: the chain is broken before it"));
        }
        if link.hash(&stored.prev_hash) != stored.hash {
            faults.push(format!("{place}: its hash does not fit its contents"));
        }
        current.folded = match (stored.recorded(), current.folded.take()) {
            (Err(Trouble::Row(why)), _) => {
                faults.push(format!("{place}: {why}"));
                None
            }
            (Err(trouble), _) => return Err(trouble),
            (Ok(recorded), before) if before.is_some() || current.version == 0 => {
                let (folded, fault) = fold(before, &recorded);
                faults.extend(fault.map(|fault| format!("{place}: {fault}")));
                folded
            }
            (Ok(_), _) => None,
        };
        current.version = link.version;
        current.hash = stored.hash;
        for fault in faults {
            self.fault(fault);
        }
        Ok(())
    }

    /// Compares the rows of a run that has been read to its end with its fold.
    fn end_of_run(&mut self) -> Result<(), Trouble> {
        let Some(Current { hash, folded, .. }) = self.current.take() else { return Ok(()) };
        let Some((_, expected)) = folded else {
            self.commits = None;
            return Ok(());
        };
        let run = &expected.run.run;
        let name = run.as_str();
        let head = Some(Head { row: expected.run.clone(), hash, attempt: None });
        self.compare(&head, rows::head_of(self.db, run), &format!("runs `{name}`"))?;
        self.compare(&expected.attempts, rows::attempts_of(self.db, run), &format!("attempts of `{name}`"))?;
        self.compare(
            &expected.artifacts,
            rows::artifacts_of(self.db, run),
            &format!("artifacts of `{name}`"),
        )?;
        self.compare(&expected.usage, ledger::usage_of(self.db, run), &format!("usage of `{name}`"))?;
        self.compare(&expected.link, link::of_run(self.db, run), &format!("links `{name}`"))?;
        let found = link::count_commits(self.db, run, &expected.commits);
        self.compare(&expected.commits.len(), found, &format!("commits of `{name}`"))?;
        self.commits = self.commits.map(|count| count + u64::try_from(expected.commits.len()).unwrap_or(0));
        for (seq, news) in &expected.pools {
            let (pool, word) = ledger::pool_word(news, run, *seq);
            if self.pools.get(&pool).is_none_or(|(_, _, known)| known < seq) {
                self.pools.insert(pool, word);
            }
        }
        Ok(())
    }

    /// Compares what is known of pools with the newest words about them in all runs.
    fn pools(&mut self) -> Result<(), Trouble> {
        let expected: Vec<(Pool, PoolWord)> = std::mem::take(&mut self.pools).into_iter().collect();
        self.compare(&expected, ledger::pool_words(self.db), "pools")
    }

    /// The commits of each run are there; as many rows as that means that there are no others.
    fn commits(&mut self) -> Result<(), Trouble> {
        match self.commits {
            Some(expected) => self.compare(&expected, link::count_all_commits(self.db), "forge_heads"),
            None => Ok(()),
        }
    }

    fn compare<T: PartialEq>(
        &mut self,
        expected: &T,
        found: Result<T, Trouble>,
        place: &str,
    ) -> Result<(), Trouble> {
        match found {
            Ok(found) if found == *expected => Ok(()),
            Ok(_) => {
                self.fault(format!("{place}: not what the events say"));
                Ok(())
            }
            Err(Trouble::Row(why)) => {
                self.fault(format!("{place}: {why}"));
                Ok(())
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// The log as a whole has no gap either: an event taken from the end of a run leaves one.
    fn sequence(&mut self) -> Result<(), Trouble> {
        if read::last_seq(self.db)?.0 == self.report.events {
            return Ok(());
        }
        let sql = "SELECT (coalesce((SELECT max(seq) FROM events WHERE seq < later.seq), 0) + 1) || ' to ' || (seq - 1)
                   FROM events AS later
                   WHERE seq > 1 AND NOT EXISTS (SELECT 1 FROM events WHERE seq = later.seq - 1) LIMIT 100";
        self.each(sql, |gap| format!("events {gap}: missing"))
    }

    fn rows_without_events(&mut self) -> Result<(), Trouble> {
        let tables = [
            ("runs", ""),
            ("attempts", "AND events.seq = attempts.seq"),
            ("artifacts", ""),
            ("usage", "AND events.seq = usage.seq"),
            ("links", ""),
            ("forge_heads", ""),
        ];
        for (table, same) in tables {
            let sql = format!(
                "SELECT DISTINCT run_id FROM {table}
                 WHERE NOT EXISTS (SELECT 1 FROM events WHERE events.run_id = {table}.run_id {same}) LIMIT 100"
            );
            self.each(&sql, |run| format!("{table} `{run}`: there is no event of this run"))?;
        }
        Ok(())
    }

    fn each(&mut self, sql: &str, fault: impl Fn(String) -> String) -> Result<(), Trouble> {
        let mut statement = self.db.prepare(sql)?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            self.fault(fault(row.get(0)?));
        }
        Ok(())
    }
}

/// Folds one more event in; the second part says what is wrong with it.
fn fold(before: Option<(Run, Rows)>, recorded: &Recorded) -> (Option<(Run, Rows)>, Option<String>) {
    let folded = match before {
        None => Run::birth(recorded).and_then(|run| Ok((run, Rows::birth(recorded)?))),
        Some((mut run, mut rows)) => run.evolve(recorded).map(|()| {
            rows.apply(recorded);
            (run, rows)
        }),
    };
    match folded {
        Err(err) => (None, Some(err.to_string())),
        Ok((run, rows)) if run.state == recorded.state => (Some((run, rows)), None),
        Ok((run, rows)) => {
            let fault = format!("it says {}, and its events lead to {}", recorded.state, run.state);
            (Some((run, rows)), Some(fault))
        }
    }
}
