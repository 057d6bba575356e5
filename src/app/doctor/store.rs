//! The look at the store: its library, its settings, its pages.

use super::machine::Look;
use super::report::{Finding, Severity};
use crate::domain::agent::known::numbers;

/// The oldest SQLite that is used: 3.51.3 mended a fault by which a reset of the write-ahead log could lose committed pages
/// when two processes wrote.
const SQLITE_FLOOR: [u64; 3] = [3, 51, 3];

impl Look<'_> {
    /// What the store is kept with.
    pub(super) fn store(&mut self) {
        let facts = match self.app.ports.upkeep.facts() {
            Ok(facts) => facts,
            Err(err) => {
                self.report.add(Finding::bad(
                    Severity::Error,
                    "store",
                    err.to_string(),
                    "agentpr verify-log",
                ));
                return;
            }
        };
        self.report.add(Finding::good("store", format!("schema {}", facts.schema)));
        let floor = SQLITE_FLOOR.map(|part| part.to_string()).join(".");
        let is_new = numbers(&facts.library).is_some_and(|found| found.as_slice() >= SQLITE_FLOOR.as_slice());
        self.report.add(if is_new {
            Finding::good("store.sqlite", facts.library)
        } else {
            let why = format!("{} is older than {floor}, which cannot lose a commit", facts.library);
            Finding::bad(Severity::Error, "store.sqlite", why, "cargo install --locked --force --path .")
        });
        self.report.add(match (facts.journal_mode.as_str(), facts.flushes) {
            ("wal", Some(true)) => Finding::good("store.journal", "write-ahead log, every commit flushed"),
            ("wal", None) => Finding::good(
                "store.journal",
                "write-ahead log; a command that writes refuses to begin without full flushes",
            ),
            ("wal", Some(false)) => {
                let why = "commits do not wait for the disk: a power cut may take events back";
                Finding::bad(Severity::Error, "store.journal", why, "agentpr verify-log")
            }
            (mode, _) => {
                // The next command that writes sets it again.
                let why = format!("the journal mode is `{mode}`, not `wal`");
                Finding::bad(Severity::Warning, "store.journal", why, "agentpr rebuild-projections")
            }
        });
        match facts.pages {
            Some(Ok(())) => self.report.add(Finding::good("store.pages", "whole")),
            Some(Err(said)) => self.report.add(Finding::bad(
                Severity::Error,
                "store.pages",
                format!("the file is damaged: {said}"),
                "agentpr export > events-saved.jsonl && agentpr verify-log",
            )),
            None => self.report.add(Finding::info(
                "store.pages",
                "too many to read in passing: `agentpr verify-log` reads them all",
            )),
        }
    }
}
