//! `export RUN --layout aider-fsm`: the files of the first loop, for tools that read them.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use serde_json::json;

use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use crate::app::App;
use crate::domain::id::RunId;

pub(super) fn write(session: &Session<'_>, app: &App, run: &RunId, dir: &Path) -> Outcome {
    let layout = app.fsm_layout(run)?;
    let logs = dir.join("logs");
    let state = (dir.join("state.json"), format!("{:#}\n", layout.state));
    let lines = layout.lines.iter().map(|line| format!("{line}\n")).collect();
    let log = (logs.join(format!("run_{run}.jsonl")), lines);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&logs);
    let written = made.and_then(|()| [&state, &log].into_iter().try_for_each(|(path, text)| put(path, text)));
    written.map_err(|err| {
        CliError::usage(
            format!("cannot write below `{}`: {err}", dir.display()),
            "name a directory that can be written and has no such files yet",
        )
    })?;
    let ui = &session.ui;
    if ui.is_json() {
        ui.document(&json!({ "ok": true, "state": state.0, "log": log.0, "events": layout.lines.len() }));
    } else {
        ui.line(format!("{} and {} written.", state.0.display(), log.0.display()));
    }
    Ok(Exit::Ok)
}

/// A new file for its owner only: the log holds tasks and paths that are nobody else's business.
fn put(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
