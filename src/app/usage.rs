//! What agents used, added up for people: attempts, totals, what a pull request cost. And the allowances that runs wait for.

use std::collections::BTreeSet;

use super::execute::By;
use super::{App, AppError, StoreError};
use crate::domain::actor::Actor;
use crate::domain::agent::budget::Spent;
use crate::domain::agent::quota::{Parked, Pool, PoolRow};
use crate::domain::agent::usage::{MoneySource, Tokens};
use crate::domain::command::Command;
use crate::domain::id::RunId;
use crate::domain::projection::UsageRow;
use crate::domain::run::Run;
use crate::domain::state::State;
use crate::domain::time::Timestamp;
use crate::ports::ledger::UsageQuery;
use crate::ports::store::RunQuery;

/// The sum over some attempts of agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageTotal {
    /// Attempts.
    pub attempts: u64,
    /// Of these, under way.
    pub open: u64,
    /// Of these, ended without anybody reading what they used.
    pub unread: u64,
    /// Tokens of those that were read.
    pub tokens: Tokens,
    /// Money by the price table, in millionths of a dollar.
    pub by_table: u64,
    /// Money by the programs' own word, in millionths of a dollar.
    pub reported: u64,
    /// Attempts whose cost is known.
    pub priced: u64,
    /// Attempts that used tokens of which nobody knows the cost.
    pub without_cost: u64,
    /// Requests that were answered.
    pub turns: u64,
    /// Time of the programs, in milliseconds.
    pub duration_ms: u64,
    /// What those under way and those nobody read are charged instead.
    pub reserved: Spent,
}

impl UsageTotal {
    /// The sum over `rows`.
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a UsageRow>) -> Self {
        let mut total = Self::default();
        rows.into_iter().for_each(|row| total.add(row));
        total
    }

    /// Adds an attempt.
    pub fn add(&mut self, row: &UsageRow) {
        self.attempts += 1;
        self.duration_ms = self.duration_ms.saturating_add(row.duration_ms);
        let Some(usage) = &row.usage else {
            match row.ended_at {
                None => self.open += 1,
                Some(_) => self.unread += 1,
            }
            self.reserved.reserve(&row.reserved);
            return;
        };
        self.tokens += usage.tokens;
        self.turns = self.turns.saturating_add(usage.turns.into());
        self.priced += u64::from(usage.source != MoneySource::Unknown);
        match usage.source {
            MoneySource::Table => self.by_table = self.by_table.saturating_add(usage.micros),
            MoneySource::Reported => self.reported = self.reported.saturating_add(usage.micros),
            MoneySource::Unknown if usage.tokens.total() > 0 => self.without_cost += 1,
            MoneySource::Unknown => {}
        }
    }

    /// The money that is known, in millionths of a dollar.
    pub fn micros(&self) -> u64 {
        self.by_table.saturating_add(self.reported)
    }
}

/// An allowance that is used up, and who waits for it.
#[derive(Debug, Clone)]
pub struct PoolView {
    /// What is known of it.
    pub row: PoolRow,
    /// The runs that wait for it.
    pub waiting: Vec<Waiting>,
}

/// A run that waits for an allowance.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The run.
    pub run: RunId,
    /// Where it stands: one that is held waits for a person as well.
    pub state: State,
    /// Until when.
    pub until: Timestamp,
}

impl App {
    /// Attempts of agents, newest first; those that ended before an agent ran are left out.
    ///
    /// # Errors
    /// The store's.
    pub fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageRow>, AppError> {
        let mut rows = self.ports.ledger.usage_rows(query, usize::MAX)?;
        rows.retain(UsageRow::is_telling);
        Ok(rows)
    }

    /// Attempts of a run's agents, oldest first.
    ///
    /// # Errors
    /// The store's.
    pub fn usage_of(&self, run: &RunId) -> Result<Vec<UsageRow>, AppError> {
        let mut rows = self.usage(&UsageQuery { run: Some(run.clone()), ..UsageQuery::default() })?;
        rows.reverse();
        Ok(rows)
    }

    /// How many of the runs these attempts belong to have a pull request.
    ///
    /// # Errors
    /// The store's.
    pub fn pull_requests_of(&self, rows: &[UsageRow]) -> Result<u64, AppError> {
        let runs: BTreeSet<&RunId> = rows.iter().map(|row| &row.run).collect();
        let mut with_one = 0;
        for run in runs {
            let row = self.ports.store.run_row(run)?;
            with_one += u64::from(row.is_some_and(|row| row.pr_number.is_some()));
        }
        Ok(with_one)
    }

    /// The allowances that are used up, and the runs that wait for them. Once its time is over, one is told only while somebody
    /// waits for it.
    ///
    /// # Errors
    /// The store's.
    pub fn quota(&self) -> Result<Vec<PoolView>, AppError> {
        let now = self.ports.clock.now().wall;
        let rows = self.ports.ledger.pools()?;
        // Nobody can wait for an allowance that the log says nothing of.
        let parked = if rows.is_empty() { Vec::new() } else { self.parked()? };
        let mut views = Vec::new();
        for row in rows {
            let waits = |(run, parked): &(Run, Parked)| {
                let waiting = parked.pool == row.pool && parked.until > now;
                waiting.then(|| Waiting { run: run.id.clone(), state: run.state, until: parked.until })
            };
            let waiting: Vec<Waiting> = parked.iter().filter_map(waits).collect();
            if row.until > now || !waiting.is_empty() {
                views.push(PoolView { row, waiting });
            }
        }
        Ok(views)
    }

    /// Records a person's word that an allowance is there again, with every run that waits for it and with the run that met it.
    /// Answers those runs; `None` for an allowance that is not used up.
    ///
    /// Where all of them have ended, the word goes to the log of the run that was worked on last: the next runs ask the log.
    ///
    /// # Errors
    /// [`AppError::Refused`] when every run has ended, or the store's.
    pub fn lift_quota(&self, pool: &Pool, actor: &Actor) -> Result<Option<Vec<RunId>>, AppError> {
        let Some(row) = self.ports.ledger.pool(pool)? else { return Ok(None) };
        let parked = self.parked()?;
        let waits = parked.iter().filter(|(_, parked)| parked.pool == *pool).map(|(run, _)| run.id.clone());
        let mut concerned: Vec<RunId> = waits.collect();
        if !concerned.contains(&row.run) {
            concerned.push(row.run);
        }
        let others = self.ports.store.run_rows(&RunQuery { states: living(), limit: None })?;
        let others = others.into_iter().map(|row| (row.run, false));
        let command = Command::LiftQuota { pool: pool.clone() };
        let mut told: Vec<RunId> = Vec::new();
        let mut refused = None;
        for (run, is_concerned) in concerned.into_iter().map(|run| (run, true)).chain(others) {
            if !is_concerned && !told.is_empty() {
                break;
            }
            match self.execute(&run, &command, &By::actor(actor.clone())) {
                Ok(_) => told.push(run),
                // It has ended, and needs no allowance any more.
                Err(err @ AppError::Refused { .. }) => refused = Some(err),
                Err(err) => return Err(err),
            }
        }
        match refused {
            Some(err) if told.is_empty() => Err(err),
            Some(_) | None => Ok(Some(told)),
        }
    }

    /// The living runs that met an allowance that was used up, or were told of one, and no other ending since.
    fn parked(&self) -> Result<Vec<(Run, Parked)>, AppError> {
        let mut parked = Vec::new();
        for row in self.ports.store.run_rows(&RunQuery { states: living(), limit: None })? {
            match self.run(&row.run) {
                Ok(run) => {
                    if let Some(waits) = run.parked.clone() {
                        parked.push((run, waits));
                    }
                }
                // A damaged log hides no other run.
                Err(AppError::Unfoldable(_) | AppError::Store(StoreError::Damaged { .. })) => {}
                Err(err) => return Err(err),
            }
        }
        Ok(parked)
    }
}

fn living() -> Vec<State> {
    State::ALL.into_iter().filter(|state| !state.is_terminal()).collect()
}
