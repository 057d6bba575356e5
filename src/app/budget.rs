//! Budgets: what an agent's attempt may use, decided before it begins and looked at again once its reservation is in the log.
//!
//! Three answers follow from one rule. What has ended is spent for good; when that uses a budget up, a person decides. What runs
//! under way have reserved may come back; when only that is in the way, the run is looked at again later. Else the attempt begins,
//! and may use what is left.

use super::{App, AppError};
use crate::domain::agent::budget::{Allowance, BudgetScope, Spent};
use crate::domain::id::EventSeq;
use crate::domain::run::Run;
use crate::ports::ledger::{UsagePart, UsageQuery};

/// The part of the tightest budget that an attempt reserves where no cap says what it may use.
const SHARE: u32 = 4;

/// What an attempt of an agent gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Granted {
    /// Whatever it needs: no budget is set.
    Free,
    /// So much.
    Limited {
        /// Where it is stopped, unit by unit: the tightest of the attempt's cap and of what is left of each budget.
        allowance: Allowance,
        /// What it reserves: the attempt's cap, or else a quarter of the tightest budget in that unit; never more than is left.
        reserved: Allowance,
    },
    /// Nothing for now: others have reserved what it would reserve. They settle when they end, so it is asked again later.
    Busy {
        /// The budget.
        scope: BudgetScope,
    },
    /// Nothing: what has ended used it up.
    UsedUp {
        /// The budget.
        scope: BudgetScope,
        /// The unit with both numbers, as [`Allowance::used_up`] says it.
        what: String,
    },
}

impl Granted {
    /// One sentence for people about a budget that is used up.
    pub fn used_up(scope: BudgetScope, what: &str) -> String {
        format!("the budget of {} is used up: {what}", scope.words())
    }
}

impl App {
    /// What the next attempt of an agent of `run` may use.
    ///
    /// Asked twice: with `before` empty to know what to reserve, and, once the reservation is in the log, with the event that made
    /// it. Of two runs that began at the same moment the one with the later event sees the other's reservation and yields. The
    /// second `allowance` is the one that holds.
    ///
    /// The budget of a run counts from its creation or from the last time a person sent it on, as its time does; the others count
    /// what began since midnight UTC, in all runs of this store.
    ///
    /// # Errors
    /// The store's.
    pub fn allowance_of(&self, run: &Run, before: Option<EventSeq>) -> Result<Granted, AppError> {
        let budgets = &run.spec.budgets;
        let today = Some(self.ports.clock.now().wall.day());
        let all = UsageQuery { before, ..UsageQuery::default() };
        if let Some(what) = budgets.attempt.used_up(&Spent::default()) {
            return Ok(Granted::UsedUp { scope: BudgetScope::Attempt, what });
        }
        let scopes = [
            (
                BudgetScope::Run,
                budgets.run,
                UsageQuery { run: Some(run.id.clone()), since: Some(run.clock_from), ..all.clone() },
            ),
            (
                BudgetScope::Repository,
                budgets.repository,
                UsageQuery { repository: Some(run.spec.repo.key()), since: today, ..all.clone() },
            ),
            (BudgetScope::Day, budgets.day, UsageQuery { since: today, ..all }),
        ];
        let mut tightest = Allowance::default();
        let mut left = budgets.attempt;
        // What is left of each budget if everybody under way uses what he reserved.
        let mut surely_left = Vec::new();
        for (scope, budget, query) in scopes {
            if budget.is_none() {
                continue;
            }
            let spent = self.ports.ledger.spent(&UsageQuery { part: UsagePart::Ended, ..query.clone() })?;
            if let Some(what) = budget.used_up(&spent) {
                return Ok(Granted::UsedUp { scope, what });
            }
            tightest = tightest.tighter(&budget);
            left = left.tighter(&budget.after(&spent));
            surely_left.push((scope, budget.after(&self.ports.ledger.spent(&query)?)));
        }
        if left.is_none() {
            return Ok(Granted::Free);
        }
        let reserved = budgets.attempt.or(&share(&tightest)).tighter(&left);
        let mut allowance = budgets.attempt;
        for (scope, surely) in surely_left {
            if reserved.tighter(&surely) != reserved {
                return Ok(Granted::Busy { scope });
            }
            allowance = allowance.tighter(&surely);
        }
        Ok(Granted::Limited { allowance, reserved })
    }
}

/// The part of budgets that one attempt reserves, at least 1 of each unit that has one.
fn share(budget: &Allowance) -> Allowance {
    let part = |limit: Option<u64>| limit.map(|limit| (limit / u64::from(SHARE)).max(1));
    Allowance {
        tokens: part(budget.tokens),
        micros: part(budget.micros),
        secs: part(budget.secs),
        turns: budget.turns.map(|limit| (limit / SHARE).max(1)),
    }
}
