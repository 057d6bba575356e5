//! `export`: every event as one JSON document a line.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use super::{Access, event_line, export_fsm, words};
use crate::app::App;
use crate::domain::event::Recorded;
use crate::domain::id::{Digest, RunId};

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A new file, readable by its owner only [default: standard output]
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Only this run
    #[arg(long, value_name = "RUN", conflicts_with = "run")]
    run_id: Option<RunId>,
    /// Only this run
    run: Option<RunId>,
    /// Files as another program laid them out, instead of events
    #[arg(long, requires = "run", requires = "out", conflicts_with_all = ["output", "run_id"])]
    layout: Option<Layout>,
    /// The directory of those files
    #[arg(long, value_name = "DIR", requires = "layout")]
    out: Option<PathBuf>,
}

/// A layout of files.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Layout {
    /// `state.json` and `logs/run_<id>.jsonl` as the first loop kept them in `.aider_fsm`
    AiderFsm,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let app = session.open(Access::Read)?;
    let only = args.run_id.as_ref().or(args.run.as_ref());
    if let Some(run) = only {
        app.run(run)?;
    }
    match (&args.layout, &args.out, &args.output, only) {
        (Some(Layout::AiderFsm), Some(dir), _, Some(run)) => export_fsm::write(session, &app, run, dir),
        (_, _, Some(path), _) => to_file(session, &app, only, path),
        _ => to_stdout(session, &app, only),
    }
}

fn to_stdout(session: &Session<'_>, app: &App, run: Option<&RunId>) -> Outcome {
    let ui = &session.ui;
    app.read_chain(&mut |recorded, digest| {
        if run.is_none_or(|run| *run == recorded.run) {
            ui.document_line(&document(recorded, digest));
        }
        if ui.is_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(Exit::Ok)
}

fn to_file(session: &Session<'_>, app: &App, run: Option<&RunId>, path: &Path) -> Outcome {
    let cannot = |err: &std::io::Error| {
        CliError::usage(
            format!("cannot write `{}`: {err}", path.display()),
            "name a new file in a directory that can be written",
        )
    };
    // The log holds tasks and paths that are nobody else's business.
    let file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|err| cannot(&err))?;
    let mut out = BufWriter::new(file);
    let (mut written, mut failure) = (0_u64, None);
    app.read_chain(&mut |recorded, digest| {
        if run.is_some_and(|run| *run != recorded.run) {
            return ControlFlow::Continue(());
        }
        match writeln!(out, "{}", document(recorded, digest)) {
            Ok(()) => {
                written += 1;
                ControlFlow::Continue(())
            }
            Err(err) => {
                failure = Some(err);
                ControlFlow::Break(())
            }
        }
    })?;
    let flushed = match failure {
        Some(err) => Err(err),
        None => flush(out),
    };
    flushed.map_err(|err| cannot(&err))?;
    let ui = &session.ui;
    if ui.is_json() {
        ui.document(&json!({ "ok": true, "path": path, "events": written }));
    } else {
        ui.line(format!("{} written to {}.", words::count(written, "event"), path.display()));
    }
    Ok(Exit::Ok)
}

/// An event with its digest: whoever keeps the file can check the chain without this program.
fn document(recorded: &Recorded, digest: Option<&Digest>) -> Value {
    let mut document = event_line::document(recorded);
    if let Some(fields) = document.as_object_mut() {
        fields.insert("hash".to_owned(), json!(digest));
    }
    document
}

fn flush(out: BufWriter<File>) -> std::io::Result<()> {
    out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()
}
