//! `list` (`list-runs`): the runs, the latest first.

use serde_json::{Value, json};

use super::Access;
use super::error::Outcome;
use super::exit::Exit;
use super::session::Session;
use super::words;
use crate::app::RunQuery;
use crate::domain::projection::RunRow;
use crate::domain::state::State;

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// At most so many; a negative number means all
    #[arg(long, value_name = "N", default_value_t = 50, allow_negative_numbers = true)]
    limit: i64,
    /// Only runs in this state; may be repeated
    #[arg(long = "state", value_name = "STATE")]
    states: Vec<State>,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let app = session.open(Access::Read)?;
    let query = RunQuery { states: args.states.clone(), limit: usize::try_from(args.limit).ok() };
    let rows = app.store().run_rows(&query)?;
    let ui = &session.ui;
    if ui.is_json() {
        ui.document(&json!({ "runs": rows.iter().map(document).collect::<Vec<_>>() }));
    } else if rows.is_empty() {
        ui.line("There are no runs here.");
        ui.line(format!("next: {}", ui.command("agentpr submit --help")));
    } else {
        let now = app.now().wall;
        let rows = rows.iter().map(|row| cells(row, &words::span(now.since(row.updated_at)))).collect();
        ui.table(&["RUN", "STATE", "PHASE", "REPOSITORY", "PR", "AGE", "TITLE"], rows);
    }
    Ok(Exit::Ok)
}

fn cells(row: &RunRow, age: &str) -> Vec<String> {
    vec![
        row.run.to_string(),
        row.state.name().to_owned(),
        row.state.phase().name().to_owned(),
        row.repo.to_string(),
        row.pr_number.map(|number| format!("#{number}")).unwrap_or_default(),
        age.to_owned(),
        words::short(&row.title, 48),
    ]
}

fn document(row: &RunRow) -> Value {
    json!({
        "run_id": row.run.as_str(),
        "owner": row.repo.owner(),
        "repo": row.repo.repo(),
        "prompt_version": row.prompt_version,
        "mode": "push_only",
        "title": row.title,
        "current_state": row.state.name(),
        "phase": row.state.phase().name(),
        "reason": row.reason,
        "last_error": row.last_error,
        "pr_number": row.pr_number,
        "version": row.version,
        "last_seq": row.last_seq,
        "created_at": words::when(row.created_at),
        "updated_at": words::when(row.updated_at),
    })
}
