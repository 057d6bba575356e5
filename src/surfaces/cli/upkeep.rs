//! `verify-log`, `rebuild-projections`, `backup`: care for the store as a whole.

use std::path::PathBuf;

use serde_json::json;

use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use super::ui::{BAD, GOOD, NOTICE};
use super::{Access, words};

/// Arguments of `backup`.
#[derive(Debug, clap::Args)]
pub(super) struct BackupArgs {
    /// The new file; it must not be there yet
    #[arg(value_name = "PATH")]
    to: PathBuf,
}

/// Reads the whole log and says whether it is sound.
pub(super) fn verify(session: &Session<'_>) -> Outcome {
    let ui = &session.ui;
    let app = session.open(Access::Read)?;
    let spinner = ui.spinner("reading the log");
    let report = app.upkeep().verify()?;
    drop(spinner);
    let sound = report.faults.is_empty();
    if ui.is_json() {
        ui.document(
            &json!({ "ok": sound, "runs": report.runs, "events": report.events, "faults": report.faults }),
        );
    } else {
        for fault in &report.faults {
            ui.styled(BAD, fault);
        }
        let (style, word) = if sound { (GOOD, "sound") } else { (BAD, "damaged") };
        ui.styled(
            style,
            format!(
                "The log is {word}: {} of {} read.",
                words::count(report.events, "event"),
                words::count(report.runs, "run")
            ),
        );
        if !sound {
            ui.note("hint: a copy made by `agentpr backup` can take its place; `agentpr rebuild-projections` mends rows, never events");
        }
    }
    Ok(if sound { Exit::Ok } else { Exit::Failed })
}

/// Makes every projection again from the events, and says what was wrong with the old ones.
pub(super) fn rebuild(session: &Session<'_>) -> Outcome {
    let ui = &session.ui;
    let app = session.open(Access::Write)?;
    let spinner = ui.spinner("making the projections again");
    let report = app.upkeep().rebuild()?;
    drop(spinner);
    if ui.is_json() {
        ui.document(&json!({
            "ok": true,
            "runs": report.runs,
            "events": report.events,
            "differences": report.differences,
        }));
        return Ok(Exit::Ok);
    }
    for difference in &report.differences {
        ui.styled(NOTICE, difference);
    }
    let was = if report.differences.is_empty() {
        "They were right before."
    } else {
        "They were wrong as said above."
    };
    let (runs, events) = (words::count(report.runs, "run"), words::count(report.events, "event"));
    ui.line(format!("The rows of {runs} were made again from {events}. {was}"));
    Ok(Exit::Ok)
}

/// Copies the store while it is in use.
pub(super) fn backup(session: &Session<'_>, args: &BackupArgs) -> Outcome {
    let ui = &session.ui;
    let app = session.open(Access::Read)?;
    if args.to.symlink_metadata().is_ok() {
        return Err(CliError::usage(
            format!("`{}` is there already", args.to.display()),
            "name a new file: a backup never replaces anything",
        ));
    }
    let spinner = ui.spinner("copying the store");
    app.upkeep().backup(&args.to)?;
    drop(spinner);
    if ui.is_json() {
        ui.document(&json!({ "ok": true, "path": args.to }));
    } else {
        ui.line(format!("The store was copied to {} and the copy verified.", args.to.display()));
    }
    Ok(Exit::Ok)
}
