//! What `verify` and `auth` show: stage by stage as it goes, then the answer.

use std::path::Path;
use std::time::Duration;

use anstyle::Style;
use serde_json::{Value, json};

use super::exit::Exit;
use super::ui::{BAD, FAINT, GOOD, NOTICE, PLAIN, STRONG, Ui};
use super::words;
use crate::app::verify::{Progress, TreeReport};
use crate::domain::evidence::{CheckOutcome, CheckReport, CheckResult, CheckSource};
use crate::domain::pipeline::Problem;
use crate::domain::verification::Stage;

/// Says what is about to be done, and that it is done in place.
pub(super) fn begin(ui: &Ui, repo: &Path, contract: Option<&Path>) {
    ui.line(format!("verifying {} in place, changed files included", repo.display()));
    match contract {
        Some(path) => ui.field("contract", path.display().to_string()),
        None => ui.field("contract", "none"),
    }
}

/// Says that something went on.
pub(super) fn progress(ui: &Ui, progress: &Progress<'_>) {
    match progress {
        Progress::Stage(stage) => ui.styled(STRONG, stage.name()),
        Progress::Began { command, attempt: 1 } => ui.pieces(&[(FAINT, format!("  $ {command}").into())]),
        Progress::Began { attempt, .. } => ui.pieces(&[(NOTICE, format!("  try {attempt}").into())]),
        Progress::Ended(result) => ended(ui, result),
        Progress::Warning(text) => ui.pieces(&[(NOTICE, format!("  warning: {text}").into())]),
    }
}

fn ended(ui: &Ui, result: &CheckResult) {
    let took = words::span(Duration::from_millis(result.duration_ms));
    if result.passed() {
        ui.pieces(&[(GOOD, "  ok".into()), (FAINT, format!("  {took}").into())]);
        return;
    }
    let style = if result.ran_nothing() { NOTICE } else { BAD };
    ui.pieces(&[(style, format!("  {}", how(result)).into()), (FAINT, format!("  {took}").into())]);
    for line in result.excerpt.lines() {
        ui.pieces(&[(PLAIN, format!("    {line}").into())]);
    }
}

/// How a command ended, in a few words.
fn how(result: &CheckResult) -> String {
    if let Some(limit) = result.limit {
        return format!("failed: it {}", limit.words());
    }
    match (result.timed_out, result.exit_code) {
        (true, _) => "failed: its time was over".to_owned(),
        (false, Some(126)) => "refused, or not executable".to_owned(),
        (false, Some(_)) if result.ran_nothing() => "no tests were found".to_owned(),
        (false, Some(code)) => format!("failed with {code}"),
        (false, None) => "failed: a signal ended it, or it could not start".to_owned(),
    }
}

/// Says the answer, and what to do about it.
pub(super) fn answer(ui: &Ui, done: &TreeReport) {
    let report = &done.report;
    let (style, text): (Style, String) = match report.outcome() {
        CheckOutcome::Passed => (GOOD, "passed".to_owned()),
        CheckOutcome::Failed => {
            (BAD, format!("failed in stage {}", report.failed_stage().map_or("tests", Stage::name)))
        }
        CheckOutcome::NoEvidence => (NOTICE, "no evidence: nothing ran that proves anything".to_owned()),
        CheckOutcome::Blocked => (NOTICE, "blocked".to_owned()),
    };
    ui.styled(style, text);
    if let Some(blocked) = &report.blocked {
        ui.field("why", format!("{}: {}", blocked.code, blocked.detail));
    }
    for error in &report.metrics_errors {
        ui.field("metrics", error);
    }
    if report.outcome() == CheckOutcome::NoEvidence && report.source == CheckSource::Nothing {
        ui.field(
            "next",
            ui.command("name a command: `agentpr verify --test-cmd 'COMMAND'`, or write a pipeline.yml"),
        );
    }
    if let Some(tier) = report.tier {
        ui.field("sandbox", format!("tier {} ({})", tier.number(), tier.name()));
    }
    ui.field("artifacts", done.artifacts.display().to_string());
}

/// What is wrong with a contract, all of it.
pub(super) fn bad_contract(ui: &Ui, path: &Path, problems: &[Problem]) -> Exit {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    if ui.is_json() {
        ui.document(&json!({
            "ok": false,
            "error": format!("the contract `{}` makes no sense", path.display()),
            "code": "invalid_contract",
            "problems": lines,
            "hint": "correct every place that is named",
        }));
        return Exit::Usage;
    }
    let heading = format!("the contract `{}` makes no sense", path.display());
    ui.note_pieces(&[(BAD, "error: ".into()), (STRONG, heading.into())]);
    for line in lines {
        ui.note(format!("  {line}"));
    }
    ui.note_pieces(&[(FAINT, "hint: ".into()), (PLAIN, "correct every place that is named".into())]);
    Exit::Usage
}

/// What is allowed in a contract and probably not meant.
pub(super) fn warnings(ui: &Ui, path: &Path, warnings: &[Problem]) {
    for warning in warnings {
        ui.note_pieces(&[
            (NOTICE, "warning: ".into()),
            (PLAIN, format!("{}: {warning}", path.display()).into()),
        ]);
    }
}

/// The whole answer for machines.
pub(super) fn document(done: &TreeReport) -> Value {
    let report = &done.report;
    let mut document = report_document(report);
    if let Some(fields) = document.as_object_mut() {
        fields.insert("artifacts".to_owned(), json!(done.artifacts));
    }
    document
}

/// A report for machines.
pub(super) fn report_document(report: &CheckReport) -> Value {
    json!({
        "ok": report.outcome() == CheckOutcome::Passed,
        "outcome": report.outcome(),
        "failed_stage": report.failed_stage(),
        "source": report.source,
        "results": report.results,
        "metrics_errors": report.metrics_errors,
        "warnings": report.warnings,
        "blocked": report.blocked,
        "contract": report.contract,
        "tier": report.tier,
    })
}
