//! `config show` and `config path`: what is in force, and why.

use serde_json::{Map, Value, json};

use super::error::Outcome;
use super::exit::Exit;
use super::session::Session;

/// What is asked about the settings.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show every setting
    Show {
        /// Say where each came from
        #[arg(long)]
        origin: bool,
    },
    /// Show where the settings file is looked for
    Path,
}

pub(super) fn execute(session: &Session<'_>, command: &Command) -> Outcome {
    match command {
        Command::Show { origin } => show(session, *origin),
        Command::Path => path(session),
    }
    Ok(Exit::Ok)
}

fn show(session: &Session<'_>, origin: bool) {
    let (ui, rows) = (&session.ui, session.config.rows());
    if ui.is_json() {
        let settings: Map<String, Value> = rows
            .into_iter()
            .map(|(name, value, from)| {
                let value =
                    if origin { json!({ "value": value, "origin": from.to_string() }) } else { json!(value) };
                (name, value)
            })
            .collect();
        ui.document(&Value::Object(settings));
    } else if origin {
        let rows = rows.into_iter().map(|(name, value, from)| vec![name, value, from.to_string()]).collect();
        ui.table(&["SETTING", "VALUE", "FROM"], rows);
    } else {
        ui.table(&["SETTING", "VALUE"], rows.into_iter().map(|(name, value, _)| vec![name, value]).collect());
    }
}

fn path(session: &Session<'_>) {
    let (ui, file) = (&session.ui, &session.config.file);
    if ui.is_json() {
        ui.document(
            &json!({ "path": file.value, "origin": file.origin.to_string(), "exists": file.value.is_file() }),
        );
    } else {
        ui.line(file.value.display().to_string());
    }
}
