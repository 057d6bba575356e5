//! What a look found.

use serde_json::{Map, Value, json};

/// How much a failing check matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Work is possible, and something is not as it should be.
    Warning,
    /// Work is not possible.
    Error,
}

impl Severity {
    /// The name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One check and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, such as `cmd.git`.
    pub name: String,
    /// How much it matters when it is not as it should be.
    pub severity: Severity,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// The command that mends it; empty when there is nothing to mend.
    pub remedy: String,
    /// Whether a failure may be gone at the next look, as one of the network may.
    pub transient: bool,
}

impl Finding {
    /// A check that passed.
    pub fn good(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            severity: Severity::Error,
            ok: true,
            detail: detail.into(),
            remedy: String::new(),
            transient: false,
        }
    }

    /// Something good to know that cannot fail.
    pub fn info(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { severity: Severity::Info, ..Self::good(name, detail) }
    }

    /// A check that failed.
    pub fn bad(
        severity: Severity,
        name: impl Into<String>,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { severity, ok: false, remedy: remedy.into(), ..Self::good(name, detail) }
    }

    /// Whether work is not possible because of it.
    pub fn is_failure(&self) -> bool {
        !self.ok && self.severity == Severity::Error
    }

    fn line(&self) -> String {
        format!("{}: {}", self.name, self.detail)
    }
}

/// Everything a look found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order they were looked at.
    pub findings: Vec<Finding>,
    /// What could not be looked at, and why it matters.
    pub notes: Vec<String>,
    /// What was looked at, and how: repeated in documents.
    pub context: Map<String, Value>,
    /// How long the look took, in milliseconds.
    pub duration_ms: u64,
}

impl Report {
    /// Whether work is possible: no check of severity `error` failed.
    pub fn is_ok(&self) -> bool {
        !self.findings.iter().any(Finding::is_failure)
    }

    /// Whether everything that is in the way may be gone at the next look; `false` when nothing is in the way.
    pub fn is_transient_failure(&self) -> bool {
        !self.is_ok() && self.failing().all(|finding| finding.transient)
    }

    /// The checks that make work impossible.
    pub fn failing(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.is_failure())
    }

    /// Each failure as `name: detail`.
    pub fn failures(&self) -> Vec<String> {
        self.failing().map(Finding::line).collect()
    }

    /// Each failed check of severity `warning` as `name: detail`, then what could not be looked at.
    pub fn warnings(&self) -> Vec<String> {
        let failed = |finding: &&Finding| !finding.ok && finding.severity == Severity::Warning;
        let lines = self.findings.iter().filter(failed).map(Finding::line);
        lines.chain(self.notes.iter().cloned()).collect()
    }

    /// The report for machines: the fields of the first agentpr, with severity, remedy and transience added to each check.
    pub fn document(&self) -> Value {
        let check = |finding: &Finding| {
            json!({
                "name": finding.name,
                "ok": finding.ok,
                "detail": finding.detail,
                "severity": finding.severity.name(),
                "remedy": finding.remedy,
                "transient": finding.transient,
            })
        };
        json!({
            "ok": self.is_ok(),
            "failures": self.failures(),
            "warnings": self.warnings(),
            "duration_ms": self.duration_ms,
            "context": self.context,
            "checks": self.findings.iter().map(check).collect::<Vec<_>>(),
        })
    }

    pub(super) fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    pub(super) fn know(&mut self, name: &str, value: impl Into<Value>) {
        self.context.insert(name.to_owned(), value.into());
    }
}

/// A path as it is typed in a shell.
pub(super) fn quoted(path: &std::path::Path) -> String {
    shell_words::quote(&path.display().to_string()).into_owned()
}
