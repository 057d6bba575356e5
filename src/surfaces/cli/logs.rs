//! `logs`: the end of what an attempt's program printed.

use serde_json::json;

use super::Access;
use super::arg::RunArg;
use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use crate::app::{App, AppError};
use crate::domain::id::RunId;
use crate::domain::projection::AttemptRow;

/// Arguments of `logs`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    run: RunArg,
    /// The attempt [default: the newest that printed something]
    #[arg(long, value_name = "N")]
    attempt: Option<u32>,
    /// Bytes to show from the end
    #[arg(long, value_name = "N", default_value_t = 65_536, value_parser = clap::value_parser!(u64).range(1..=104_857_600))]
    bytes: u64,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let run = args.run.get()?;
    let app = session.open(Access::Read)?;
    app.run(run)?;
    let attempts = app.store().attempts_of(run)?;
    let found = match args.attempt {
        Some(no) => named(&app, run, &attempts, no, args.bytes)?,
        None => newest(&app, run, &attempts, args.bytes)?,
    };
    let Found { row, path, text } = found;
    let raw = String::from_utf8_lossy(&text);
    let text = session.ui.masked(&raw);
    let ui = &session.ui;
    if ui.is_json() {
        ui.document(&json!({
            "run_id": run.as_str(),
            "attempt": row.no,
            "step": row.step,
            "outcome": row.outcome,
            "exit_code": row.exit_code,
            "path": app.artifacts().absolute(path),
            "log": text,
        }));
        return Ok(Exit::Ok);
    }
    ui.note(format!(
        "attempt {} ({}), {}",
        row.no,
        row.step.name(),
        app.artifacts().absolute(path).display()
    ));
    if text.is_empty() {
        ui.note("nothing was printed");
    }
    ui.block(&text);
    Ok(Exit::Ok)
}

/// An attempt with the end of its log.
struct Found<'a> {
    row: &'a AttemptRow,
    path: &'a str,
    text: Vec<u8>,
}

/// The log of one attempt.
fn named<'a>(
    app: &App,
    run: &RunId,
    attempts: &'a [AttemptRow],
    no: u32,
    bytes: u64,
) -> Result<Found<'a>, CliError> {
    let row = attempts.iter().find(|row| row.no.0 == no).ok_or_else(|| {
        CliError::absent(format!("run `{run}` has no attempt {no}"), format!("agentpr show {run}"))
    })?;
    let path = row.log.as_deref().ok_or_else(|| {
        CliError::absent(format!("attempt {no} of run `{run}` has no log"), format!("agentpr why {run}"))
    })?;
    Ok(Found { row, path, text: read(app, path, bytes)? })
}

/// The newest log with something in it, or the newest there is.
fn newest<'a>(app: &App, run: &RunId, attempts: &'a [AttemptRow], bytes: u64) -> Result<Found<'a>, CliError> {
    let mut empty = None;
    for row in attempts.iter().rev() {
        let Some(path) = row.log.as_deref() else { continue };
        let found = Found { row, path, text: read(app, path, bytes)? };
        if !found.text.is_empty() {
            return Ok(found);
        }
        empty = empty.or(Some(found));
    }
    empty.ok_or_else(|| {
        CliError::absent(format!("run `{run}` has no attempt with a log"), format!("agentpr show {run}"))
    })
}

fn read(app: &App, path: &str, bytes: u64) -> Result<Vec<u8>, AppError> {
    Ok(app.artifacts().read_tail(path, bytes)?)
}
