//! `manager-tick` and `run-manager-loop`: the engine in this process, over all runs or one.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::error::Outcome;
use super::exit::Exit;
use super::session::Session;
use super::ui::BAD;
use super::watch::watched_log;
use super::{Access, runtime};
use crate::app::doctor::Profile;
use crate::app::engine::{Engine, EngineOptions, EngineReport};
use crate::domain::id::RunId;

/// Arguments of `manager-tick`.
#[derive(Debug, clap::Args)]
pub(super) struct TickArgs {
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Only this run
    #[arg(long, value_name = "RUN")]
    run_id: Option<RunId>,
}

/// Arguments of `run-manager-loop`.
#[derive(Debug, clap::Args)]
pub(super) struct LoopArgs {
    /// Only this run
    #[arg(long, value_name = "RUN")]
    run_id: Option<RunId>,
    /// Seconds between two passes when nothing happens
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    interval_sec: u64,
    /// Passes after which it ends [default: none]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_loops: Option<u64>,
}

pub(super) fn tick(session: &Session<'_>, args: &TickArgs) -> Outcome {
    if args.dry_run {
        return dry_run(session, args.run_id.as_ref());
    }
    let options = EngineOptions {
        only: args.run_id.clone(),
        max_parallel: session.config.max_parallel.value,
        interval: Duration::from_secs(1),
        max_loops: Some(1),
    };
    work(session, options)
}

pub(super) fn run_loop(session: &Session<'_>, args: &LoopArgs) -> Outcome {
    let options = EngineOptions {
        only: args.run_id.clone(),
        max_parallel: session.config.max_parallel.value,
        interval: Duration::from_secs(args.interval_sec),
        max_loops: args.max_loops,
    };
    work(session, options)
}

fn dry_run(session: &Session<'_>, only: Option<&RunId>) -> Outcome {
    let ui = &session.ui;
    let lines = Engine::dry_run(&session.open(Access::Read)?, only)?;
    if ui.is_json() {
        let due: Vec<_> = lines
            .iter()
            .map(|line| json!({ "run_id": line.run.as_str(), "state": line.state.name(), "due": line.due }))
            .collect();
        ui.document(&json!({ "ok": true, "dry_run": true, "due": due }));
    } else if lines.is_empty() {
        ui.line("Nothing is due.");
    } else {
        let rows =
            lines.iter().map(|line| vec![line.run.to_string(), line.state.to_string(), line.due.clone()]);
        ui.table(&["RUN", "STATE", "DUE"], rows.collect());
    }
    Ok(Exit::Ok)
}

fn work(session: &Session<'_>, options: EngineOptions) -> Outcome {
    let app = Arc::new(session.open_ready(Access::Write, Profile::Manager)?);
    if let Some(run) = &options.only {
        app.run(run)?;
    }
    let (only, after) = (options.only.clone(), app.store().last_seq()?);
    let engine = Engine::new(Arc::clone(&app), options);
    let report = runtime::block_on(async |stop| {
        watched_log(&session.ui, &app, only.as_ref(), after, engine.run(&stop)).await
    })?;
    say(session, &report);
    Ok(if report.failures.is_empty() { Exit::Ok } else { Exit::Failed })
}

fn say(session: &Session<'_>, report: &EngineReport) {
    let ui = &session.ui;
    if ui.is_json() {
        let driven: Vec<_> = report
            .driven
            .iter()
            .map(|(run, state)| json!({ "run_id": run.as_str(), "state": state.name(), "phase": state.phase().name() }))
            .collect();
        let failures: Vec<_> = report
            .failures
            .iter()
            .map(|(run, error)| json!({ "run_id": run.as_str(), "error": error }))
            .collect();
        ui.document(&json!({
            "ok": report.failures.is_empty(),
            "dry_run": false,
            "loops": report.loops,
            "driven": driven,
            "failures": failures,
        }));
        return;
    }
    for (run, state) in &report.driven {
        ui.line(format!("Run {run} came to rest as {state} (phase {}).", state.phase()));
    }
    for (run, error) in &report.failures {
        ui.styled(BAD, format!("Run {run} could not be worked on: {error}"));
    }
    if report.driven.is_empty() && report.failures.is_empty() {
        ui.line("Nothing was due.");
    }
}
