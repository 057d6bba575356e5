//! What a run is judged by and what was found, for `show`: contract, sandbox, guard, findings, requested actions.

use super::ui::{BAD, FAINT, NOTICE, PLAIN, Ui};
use super::words;
use crate::domain::policy::{Finding, Severity};
use crate::domain::run::Run;

/// Findings printed before the rest is counted.
const SHOWN: usize = 10;

impl Ui {
    /// Prints what a run is judged by; prints nothing where there is nothing to say.
    pub(super) fn judged(&self, run: &Run) {
        if let Some(spec) = &run.verify_spec {
            let digest = spec.sha256.as_str().get(..12).unwrap_or_default();
            self.field("contract", format!("{} ({digest})", spec.origin));
        }
        if let Some(tier) = run.agent.as_ref().and_then(|agent| agent.evidence.tier) {
            self.field("sandbox", format!("tier {} ({}) for the agent", tier.number(), tier.name()));
        }
        if run.guard_violations > 0 {
            let most = run.spec.policy.max_guard_violations;
            let times = words::count(u64::from(run.guard_violations), "attempt");
            self.field("put back", format!("in {times}, {most} are the most"));
        }
        if let Some((_, report)) = run.guard.as_ref().filter(|_| run.guard_violations > 0) {
            for violation in report.violations.iter().take(SHOWN) {
                self.field("", format!("{} {}", violation.path, violation.breach.words()));
            }
        }
        if let Some(scan) = &run.scan {
            self.findings(&scan.findings, scan.blocking);
        }
        if let Some(pending) = &run.actions {
            let says = match (pending.granted, pending.request.needs_person) {
                (None, true) => "wait for a person",
                (None, false) | (Some(true), _) => "are due",
                (Some(false), _) => "were denied",
            };
            self.field("actions", format!("{} {says}", pending.request.actions.len()));
        }
    }

    /// Prints findings, each on its line, blocking ones marked.
    pub(super) fn findings(&self, findings: &[Finding], blocking: u32) {
        for (index, finding) in findings.iter().take(SHOWN).enumerate() {
            let name = if index == 0 { "findings" } else { "" };
            let (style, mark) = match finding.severity {
                Severity::Blocking => (BAD, "! "),
                Severity::Note => (NOTICE, "  "),
            };
            self.pieces(&[
                (FAINT, format!("  {name:<14}").into()),
                (style, mark.into()),
                (PLAIN, finding.words().into()),
            ]);
        }
        if findings.len() > SHOWN {
            self.field("", format!("and {} more", findings.len() - SHOWN));
        }
        if blocking > 0 {
            self.field("", format!("{blocking} of them need your word before anything leaves"));
        }
    }
}
