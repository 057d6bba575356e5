//! `logs`: the end of what an attempt's program printed.

use serde_json::json;

use super::Access;
use super::arg::RunArg;
use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
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
    let row = chosen(&attempts, args.attempt).ok_or_else(|| {
        let what =
            args.attempt.map_or_else(|| "no attempt with a log".to_owned(), |no| format!("no attempt {no}"));
        CliError::absent(format!("run `{run}` has {what}"), format!("agentpr show {run}"))
    })?;
    let path = row.log.as_ref().ok_or_else(|| {
        CliError::absent(
            format!("attempt {} of run `{run}` has no log", row.no),
            format!("agentpr why {run}"),
        )
    })?;
    let text = app.artifacts().read_tail(path, args.bytes).map_err(crate::app::AppError::from)?;
    let text = String::from_utf8_lossy(&text);
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
    } else {
        ui.note(format!(
            "attempt {} ({}), {}",
            row.no,
            row.step.name(),
            app.artifacts().absolute(path).display()
        ));
        ui.block(&text);
    }
    Ok(Exit::Ok)
}

fn chosen(attempts: &[AttemptRow], no: Option<u32>) -> Option<&AttemptRow> {
    match no {
        Some(no) => attempts.iter().find(|row| row.no.0 == no),
        None => attempts.iter().rev().find(|row| row.log.is_some()),
    }
}
