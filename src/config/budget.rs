//! The tables `[budget.attempt]`, `[budget.run]`, `[budget.repository]` and `[budget.day]`: what agents may use.

use serde::Deserialize;

use super::ConfigError;
use super::layer::{Layers, Origin};
use super::prices::{Dollars, shown};
use crate::domain::agent::budget::{Allowance, Budgets};

/// The four tables.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileBudgets {
    attempt: FileAllowance,
    run: FileAllowance,
    repository: FileAllowance,
    day: FileAllowance,
}

/// One of them; what is left out is no limit.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FileAllowance {
    tokens: Option<u64>,
    dollars: Option<Dollars>,
    minutes: Option<u64>,
    turns: Option<u32>,
}

impl FileAllowance {
    fn allowance(&self) -> Allowance {
        Allowance {
            tokens: self.tokens,
            micros: self.dollars.map(|dollars| dollars.0),
            secs: self.minutes.map(|minutes| minutes.saturating_mul(60)),
            turns: self.turns,
        }
    }
}

/// Checks the numbers, and puts the budgets together.
pub(super) fn read(layers: &Layers<'_>, tables: &FileBudgets) -> Result<Budgets, ConfigError> {
    let budgets = Budgets {
        attempt: tables.attempt.allowance(),
        run: tables.run.allowance(),
        repository: tables.repository.allowance(),
        day: tables.day.allowance(),
    };
    for (table, allowance) in scopes(&budgets) {
        let Allowance { tokens, micros, secs, turns } = allowance;
        let numbers =
            [("tokens", tokens), ("dollars", micros), ("minutes", secs), ("turns", turns.map(u64::from))];
        if let Some((unit, _)) = numbers.iter().find(|(_, limit)| *limit == Some(0)) {
            return Err(ConfigError::Value {
                name: format!("budget.{table}.{unit}"),
                origin: layers.in_file(),
                why: "more than 0; leave it out for no limit".to_owned(),
            });
        }
    }
    Ok(budgets)
}

/// Each limit that is set, as name, shown value and origin.
pub(super) fn rows(budgets: &Budgets, origin: &Origin) -> Vec<(String, String, Origin)> {
    let of_scope = |(table, allowance): (&str, Allowance)| {
        [
            ("tokens", allowance.tokens.map(|limit| limit.to_string())),
            ("dollars", allowance.micros.map(shown)),
            ("minutes", allowance.secs.map(|secs| (secs / 60).to_string())),
            ("turns", allowance.turns.map(|limit| limit.to_string())),
        ]
        .into_iter()
        .filter_map(|(unit, limit)| Some((format!("budget.{table}.{unit}"), limit?, origin.clone())))
        .collect::<Vec<_>>()
    };
    scopes(budgets).into_iter().flat_map(of_scope).collect()
}

fn scopes(budgets: &Budgets) -> [(&'static str, Allowance); 4] {
    [
        ("attempt", budgets.attempt),
        ("run", budgets.run),
        ("repository", budgets.repository),
        ("day", budgets.day),
    ]
}
