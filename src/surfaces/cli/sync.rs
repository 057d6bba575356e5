//! `sync-github`: asks where pull requests stand and records what is news.

use std::time::Duration;

use serde_json::{Value, json};

use super::error::Outcome;
use super::exit::Exit;
use super::runtime::{self, Asked};
use super::session::Session;
use super::ui::BAD;
use super::{Access, words};
use crate::app::doctor::Profile;
use crate::app::sync::{SyncFailure, SyncOptions, SyncReport, Synced};
use crate::app::{App, AppError, StoreError};
use crate::domain::forge::standing::{CiStatus, ReviewStatus};
use crate::domain::id::RunId;

/// Arguments of `sync-github`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this run
    #[arg(long, value_name = "RUN")]
    run_id: Option<RunId>,
    /// At most so many runs in one pass; with --loop, passes take turns
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Record nothing
    #[arg(long)]
    dry_run: bool,
    /// Ask again and again
    #[arg(long = "loop")]
    repeat: bool,
    /// Seconds between two passes [default: github.poll_seconds, 120]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    interval_sec: Option<u64>,
    /// Passes after which --loop ends [default: none]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_loops: Option<u64>,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let access = if args.dry_run { Access::Read } else { Access::Write };
    let app = session.open(access)?;
    session.ready(&app, Profile::Github, args.run_id.as_ref())?;
    let (ended, asked) = runtime::serve(async |stop| {
        let passes = if args.repeat { args.max_loops } else { Some(1) };
        let interval = args.interval_sec.map_or(session.config.github.poll, Duration::from_secs);
        let mut worst = Exit::Ok;
        // Whoever asks for one pass at a time, as cron does, begins somewhere else each time too: no run is always left out.
        let first = app.now().wall.0.unsigned_abs();
        for pass in 0_u64.. {
            let options = SyncOptions {
                only: args.run_id.clone(),
                limit: usize::try_from(args.limit).ok(),
                dry_run: args.dry_run,
                pass: first.wrapping_add(pass),
            };
            let report = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                report = app.sync(&options) => report,
            };
            match report {
                Ok(report) => {
                    worst = worse(worst, exit_of(&report));
                    say(session, &app, args, &report);
                }
                // A loop outlives a store that is locked for a while.
                Err(err @ AppError::Store(StoreError::Unavailable { .. })) if args.repeat => {
                    worst = Exit::Failed;
                    session.ui.note(format!("This pass was left out: {err}"));
                }
                Err(err) => return Err(err),
            }
            let was_last = passes.is_some_and(|passes| pass + 1 >= passes);
            if was_last || session.ui.is_closed() {
                break;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = tokio::time::sleep(interval) => {}
            }
        }
        Ok(worst)
    })?;
    let worst = ended?;
    Ok(match asked {
        Some(Asked::Interrupt) => Exit::Interrupted,
        // A loop that is asked to end has done what it is for; each pass said what failed.
        Some(Asked::Terminate) => Exit::Ok,
        None => worst,
    })
}

/// Failures that are limits only are for later.
fn exit_of(report: &SyncReport) -> Exit {
    match report.failures.as_slice() {
        [] => Exit::Ok,
        failures if failures.iter().all(|failure| failure.until.is_some()) => Exit::Later,
        _ => Exit::Failed,
    }
}

fn worse(one: Exit, other: Exit) -> Exit {
    match (one, other) {
        (Exit::Failed, _) | (_, Exit::Failed) => Exit::Failed,
        (Exit::Later, _) | (_, Exit::Later) => Exit::Later,
        _ => Exit::Ok,
    }
}

fn say(session: &Session<'_>, app: &App, args: &Args, report: &SyncReport) {
    let ui = &session.ui;
    if ui.is_json() {
        ui.document(&document(args, report));
        return;
    }
    if report.open == 0 {
        ui.line("No run has an open pull request.");
    } else if args.repeat {
        let time = words::time_of_day(app.now().wall);
        ui.line(format!(
            "{time}: {} of {} open pull requests were asked about.",
            report.scanned, report.open
        ));
    }
    if !report.results.is_empty() {
        ui.table(
            &["RUN", "PR", "CHECKS", "REVIEW", "BEFORE", "NOW", "NEWS"],
            report.results.iter().map(cells).collect(),
        );
    }
    for failure in &report.failures {
        let SyncFailure { run, pr, error, .. } = failure;
        ui.styled(BAD, format!("Run {run} (pull request #{pr}) could not be asked about: {error}"));
    }
    if !args.repeat && report.scanned < report.open {
        ui.line(format!(
            "{} more were not asked about: --limit {}.",
            report.open - report.scanned,
            args.limit
        ));
    }
}

fn cells(one: &Synced) -> Vec<String> {
    vec![
        one.run.to_string(),
        format!("#{}", one.pr),
        one.ci.name().to_owned(),
        review(one.review).unwrap_or("none").to_owned(),
        one.before.name().to_owned(),
        one.after.name().to_owned(),
        one.events.join(", "),
    ]
}

/// The document of a pass, with the fields of the first agentpr; a pass leaves no file behind.
fn document(args: &Args, report: &SyncReport) -> Value {
    let result = |one: &Synced| {
        json!({
            "run_id": one.run.as_str(),
            "repo": one.repo.to_string(),
            "state_before": one.before.name(),
            "state": one.after.name(),
            "pr_number": one.pr,
            "decision": {
                "check_conclusion": conclusion(one.ci),
                "review_state": review(one.review),
                "checks": one.ci.name(),
            },
            "events": one.events,
        })
    };
    let failure = |failure: &SyncFailure| {
        json!({
            "run_id": failure.run.as_str(),
            "pr_number": failure.pr,
            "error": failure.error,
            "retry_at": failure.until.map(words::when),
        })
    };
    json!({
        "ok": report.failures.is_empty(),
        "dry_run": args.dry_run,
        "open": report.open,
        "scanned": report.scanned,
        "synced": report.results.len(),
        "results": report.results.iter().map(result).collect::<Vec<_>>(),
        "failures": report.failures.iter().map(failure).collect::<Vec<_>>(),
        "report_path": null,
    })
}

/// What the first agentpr would have recorded; nothing while checks are not through.
fn conclusion(ci: CiStatus) -> Option<&'static str> {
    match ci {
        CiStatus::Green => Some("success"),
        CiStatus::Red => Some("failure"),
        CiStatus::Silent | CiStatus::Running | CiStatus::Held => None,
    }
}

fn review(review: ReviewStatus) -> Option<&'static str> {
    match review {
        ReviewStatus::Open => None,
        ReviewStatus::Approved => Some("approved"),
        ReviewStatus::ChangesRequested => Some("changes_requested"),
    }
}
