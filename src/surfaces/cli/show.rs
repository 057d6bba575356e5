//! `show` (`show-run`): where a run stands, why, and what moves it on.

use std::time::Duration;

use serde_json::Value;

use super::arg::RunArg;
use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use super::ui::{BAD, FAINT, NOTICE, PLAIN, STRONG, Ui};
use super::{Access, cost, pulse, runtime, show_json, words};
use crate::app::App;
use crate::app::usage::UsageTotal;
use crate::app::views::RunDetail;
use crate::domain::evidence::{AttemptOutcome, Step};
use crate::domain::gate::Gate;
use crate::domain::id::RunId;
use crate::domain::projection::{AttemptRow, UsageRow};
use crate::domain::run::Run;
use crate::domain::secret;
use crate::domain::time::Moment;

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    run: RunArg,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let app = session.open(Access::Read)?;
    show(session, &app, args.run.get()?)?;
    Ok(Exit::Ok)
}

/// Shows a run as it is now, with its pull request as a forge of this machine shows it.
pub(super) fn show(session: &Session<'_>, app: &App, run: &RunId) -> Result<(), CliError> {
    let detail = app.detail(run)?;
    let document = match detail.run.pr {
        None => None,
        // A forge that does not answer takes nothing away from what the log says.
        Some(_) => runtime::look(app.pr_document(&detail.run)).unwrap_or_else(|_| {
            session.ui.note("note: the forge did not show the pull request; all else is from the log");
            None
        }),
    };
    render(&session.ui, &detail, &app.now(), document.as_deref());
    Ok(())
}

/// Shows a run; `now` says how long a request is still open, `pr_document` is the forge's own JSON text.
pub(super) fn render(ui: &Ui, detail: &RunDetail, now: &Moment, pr_document: Option<&str>) {
    let pr = pr_document.and_then(|text| serde_json::from_str::<Value>(text).ok());
    if ui.is_json() {
        ui.document(&show_json::document(ui, detail, now, pr.as_ref()));
        return;
    }
    let run = &detail.run;
    ui.pieces(&[
        (STRONG, run.id.as_str().into()),
        (PLAIN, "  ".into()),
        (NOTICE, run.state.name().into()),
        (FAINT, format!("  phase {}", run.state.phase()).into()),
    ]);
    where_it_stands(ui, detail, now);
    if let Some(contract) = contract(detail) {
        ui.field("contract", contract);
    }
    facts(ui, run, now);
    if !detail.usage.is_empty() {
        ui.field("cost", cost::line(&UsageTotal::of(&detail.usage)));
    }
    if let Some(budgets) = cost::budgets(&run.spec.budgets) {
        ui.field("budgets", budgets);
    }
    if let Some(digest) = &detail.digest {
        ui.field(
            "log",
            format!("{} events, digest {}", run.version, digest.as_str().get(..16).unwrap_or_default()),
        );
    }
    if let Some(pr) = &pr {
        ui.styled(STRONG, "Pull request at the forge");
        ui.block(&format!("{pr:#}"));
    }
    if !detail.attempts.is_empty() {
        ui.styled(STRONG, "Attempts");
        ui.table(&["NO", "STEP", "STARTED", "OUTCOME", "EXIT", "TIME", "MESSAGE"], attempts(detail));
    }
    if !detail.usage.is_empty() {
        ui.styled(STRONG, "Agents");
        let heads = [&["NO", "AGENT", "VERSION", "MODEL", "ROLE", "ENDED"][..], &cost::HEADS].concat();
        ui.table(&heads, agents(detail));
    }
    if !detail.artifacts.is_empty() {
        ui.styled(STRONG, "Artifacts");
        ui.table(&["EVENT", "KIND", "WHERE", "SHA-256"], artifacts(detail));
    }
}

fn where_it_stands(ui: &Ui, detail: &RunDetail, now: &Moment) {
    let run = &detail.run;
    if let Some(line) = run.spec.task.lines().find(|line| !line.trim().is_empty()) {
        ui.field("task", words::short(line, 100));
    }
    ui.field("because", secret::redacted(&reason(run)));
    if let Some(error) = &run.last_error {
        ui.pieces(&[
            (FAINT, format!("  {:<14}", "last error").into()),
            (BAD, secret::redacted(&error.to_string())),
        ]);
    }
    ui.field("waits for", words::wait(&detail.advice, now.wall));
    if let Some(at_work) = &detail.at_work {
        ui.field("agent is", pulse::line(at_work));
    }
    for (index, command) in detail.advice.next.iter().enumerate() {
        ui.field(if index == 0 { "next" } else { "" }, ui.command(command));
    }
}

/// Where the contract is, and which agent's plan it was made of.
fn contract(detail: &RunDetail) -> Option<String> {
    let path = &detail.run.contract.as_ref()?.path;
    let is_plan =
        |row: &&AttemptRow| row.step == Step::Plan && row.outcome == Some(AttemptOutcome::Succeeded);
    let planned = detail.attempts.iter().rev().find(is_plan);
    let agent = planned.and_then(|plan| detail.usage.iter().find(|row| row.no == plan.no));
    Some(match agent {
        Some(row) => format!("{path}, from the plan of {} in attempt {}", row.agent, row.no),
        None => path.clone(),
    })
}

fn reason(run: &Run) -> String {
    match run.reason.message.as_str() {
        "" => format!("{} (event {})", run.reason.code, run.reason.seq),
        message => format!("{message} ({}, event {})", run.reason.code, run.reason.seq),
    }
}

fn facts(ui: &Ui, run: &Run, now: &Moment) {
    ui.field("repository", run.spec.repo.to_string());
    if let Some(prepared) = &run.prepared {
        ui.field("remote", &prepared.remote);
        ui.field("base", format!("{} at {}", prepared.base_branch, prepared.base_sha.short()));
        ui.field("workspace", &prepared.workspace);
    }
    ui.field("branch", run.spec.head_branch.as_str());
    if let Some(agent) = &run.spec.agent {
        ui.field("agent", agent);
    }
    if let Some(change) = &run.change {
        ui.field("change", format!("{}: {}", change.head_sha.short(), words::diffstat(&change.stat)));
    }
    if let Some(report) = &run.checks {
        let tier = report.tier.map(|tier| format!(", tier {} ({})", tier.number(), tier.name()));
        let outcome = report.outcome().name();
        let head = report.head_sha.short();
        ui.field("checks", format!("{outcome} on {head}{}", tier.unwrap_or_default()));
        if let Some(blocked) = &report.blocked {
            ui.field("", format!("{}: {}", blocked.code, blocked.detail));
        }
        for problem in report.metrics_errors.iter().chain(&report.warnings) {
            ui.field("", problem);
        }
        for result in &report.results {
            let how = match (result.passed(), result.timed_out, result.exit_code) {
                _ if result.known_failure.is_some() => "failed as known".to_owned(),
                _ if result.ran_nothing() => "found no tests".to_owned(),
                (true, ..) => "passed".to_owned(),
                (_, true, _) => "out of time".to_owned(),
                (_, _, Some(code)) => format!("failed with {code}"),
                (_, _, None) => "did not run to its end".to_owned(),
            };
            ui.field(
                "",
                format!(
                    "{how}: {} ({})",
                    result.command,
                    words::span(Duration::from_millis(result.duration_ms))
                ),
            );
        }
    }
    if let Some(verdict) = &run.verdict {
        ui.field(
            "verdict",
            format!("{} ({}): {}", show_json::word(&verdict.grade), verdict.reason_code, verdict.because),
        );
    }
    ui.judged(run);
    if let Some(gate) = gate(&run.gate, now) {
        ui.field("gate", gate);
    }
    if let Some(pushed) = &run.pushed {
        ui.field("pushed", format!("{} at {}", pushed.branch, pushed.sha.short()));
    }
    if let Some(pr) = &run.pr {
        ui.field("pull request", format!("#{} {}", pr.number, pr.url.as_deref().unwrap_or_default()));
    }
    ui.forge(run);
}

fn gate(gate: &Gate, now: &Moment) -> Option<String> {
    match gate {
        Gate::Closed => None,
        Gate::Open { request, wrong_tokens } => {
            let left = show_json::time_left(request, now);
            let expires = match left.is_zero() {
                true => "expired".to_owned(),
                false => format!("expires in {}", words::span(left)),
            };
            Some(format!("request {} is open, {expires}, {wrong_tokens} wrong tokens", request.id))
        }
        Gate::Approved { request, by } => Some(format!("request {} was approved by {by}", request.id)),
        Gate::Used { request } => Some(format!("request {request} led to the pull request")),
        Gate::Cancelled { request, reason } => {
            Some(format!("request {request} ended: {}", show_json::word(reason)))
        }
    }
}

fn attempts(detail: &RunDetail) -> Vec<Vec<String>> {
    detail
        .attempts
        .iter()
        .map(|row| {
            vec![
                row.no.to_string(),
                row.step.name().to_owned(),
                words::when(row.started_at),
                row.outcome.map_or_else(|| "under way".to_owned(), |outcome| show_json::word(&outcome)),
                row.exit_code.map(|code| code.to_string()).unwrap_or_default(),
                row.ended_at.map(|end| words::span(end.since(row.started_at))).unwrap_or_default(),
                words::short(&secret::redacted(&row.message), 60),
            ]
        })
        .collect()
}

fn agents(detail: &RunDetail) -> Vec<Vec<String>> {
    let cells = |row: &UsageRow| {
        let total = UsageTotal::of([row]);
        let label = vec![
            row.no.to_string(),
            row.agent.clone(),
            row.version.clone(),
            row.model.clone(),
            row.role.name().to_owned(),
            cost::class(row).to_owned(),
        ];
        [label, cost::cells(&total)].concat()
    };
    detail.usage.iter().map(cells).collect()
}

fn artifacts(detail: &RunDetail) -> Vec<Vec<String>> {
    detail
        .artifacts
        .iter()
        .map(|row| {
            let digest = row.sha256.as_ref().map(|digest| digest.as_str().chars().take(12).collect());
            vec![row.seq.to_string(), row.kind.clone(), row.uri.clone(), digest.unwrap_or_default()]
        })
        .collect()
}
