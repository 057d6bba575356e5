//! `pipeline-spec`: whether a verification contract can be carried out, and which one a run is judged by.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::arg::{KeyArg, text_file};
use super::error::Outcome;
use super::exit::Exit;
use super::session::Session;
use super::ui::{BAD, FAINT, GOOD, NOTICE, PLAIN};
use super::{Access, runtime};
use crate::app::AppError;
use crate::app::contract::{Contract, PinOrder};
use crate::app::execute::By;
use crate::domain::id::RunId;
use crate::domain::pipeline::{Pipeline, Problem};
use crate::domain::verification::Stage;

/// Bytes of a contract that are read: four times the longest one, so that the reader says itself what is too long.
const LIMIT: usize = 1024 * 1024;

/// The subcommands.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Read a contract strictly and say what it would run
    Check {
        /// The contract; `-` reads standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Fix the contract a run is judged by: FILE, else the one at the run's base commit
    Pin {
        /// The run
        #[arg(value_name = "RUN")]
        run: RunId,
        /// The contract; `-` reads standard input
        #[arg(value_name = "FILE", conflicts_with = "none")]
        file: Option<PathBuf>,
        /// Withdraw the contract: the run is judged by its own commands, or by those that are detected
        #[arg(long)]
        none: bool,
        #[command(flatten)]
        key: KeyArg,
    },
}

pub(super) fn execute(session: &Session<'_>, command: &Command) -> Outcome {
    match command {
        Command::Check { file } => check(session, file),
        Command::Pin { run, file, none, key } => {
            let order = match file {
                Some(file) => PinOrder::File {
                    name: file.display().to_string(),
                    bytes: text_file("contract", file, LIMIT)?.into_bytes(),
                },
                None if *none => PinOrder::Withdraw,
                None => PinOrder::AtBase,
            };
            pin(session, run, &order, key)
        }
    }
}

fn check(session: &Session<'_>, file: &Path) -> Outcome {
    let text = text_file("contract", file, LIMIT)?;
    let name = file.display().to_string();
    let read = session.without_store(|app| Ok(app.read_contract(&name, text.as_bytes())))?;
    let ui = &session.ui;
    match read {
        Ok(contract) => {
            if ui.is_json() {
                ui.document(&document(&name, &contract));
            } else {
                show(session, &name, &contract);
            }
            Ok(Exit::Ok)
        }
        Err(AppError::Contract { problems, .. }) if ui.is_json() => {
            ui.document(&json!({
                "ok": false,
                "file": name,
                "code": "invalid_contract",
                "problems": problems.iter().map(problem).collect::<Vec<_>>(),
            }));
            Ok(Exit::Usage)
        }
        Err(err) => Err(err.into()),
    }
}

fn problem(problem: &Problem) -> Value {
    json!({
        "path": problem.path,
        "line": problem.place.line,
        "column": problem.place.column,
        "message": problem.message,
    })
}

fn document(name: &str, contract: &Contract) -> Value {
    let stages: Vec<Value> = contract
        .pipeline
        .stages()
        .iter()
        .map(|(stage, commands)| json!({ "stage": stage.name(), "commands": commands }))
        .collect();
    json!({
        "ok": true,
        "file": name,
        "stages": stages,
        "network": contract.pipeline.security.network,
        "warnings": contract.warnings.iter().map(problem).collect::<Vec<_>>(),
    })
}

fn show(session: &Session<'_>, name: &str, contract: &Contract) {
    let ui = &session.ui;
    ui.pieces(&[(GOOD, "ok  ".into()), (PLAIN, format!("{name} is a verification contract").into())]);
    for (stage, commands) in contract.pipeline.stages() {
        let what = stage_words(&contract.pipeline, stage, commands);
        ui.pieces(&[(PLAIN, format!("  {:<16}", stage.name()).into()), (FAINT, what.into())]);
    }
    for warning in &contract.warnings {
        ui.note_pieces(&[(NOTICE, "warning: ".into()), (PLAIN, warning.to_string().into())]);
    }
    if contract.pipeline.security.network {
        ui.note_pieces(&[(BAD, "note: ".into()), (PLAIN, "its commands may reach the network".into())]);
    }
}

fn stage_words(pipeline: &Pipeline, stage: Stage, commands: usize) -> String {
    match stage {
        Stage::Metrics => {
            let file = pipeline.benchmark.metrics_path.as_deref().unwrap_or_default();
            match pipeline.benchmark.required_keys.as_slice() {
                [] => format!("{file} is written anew"),
                keys => format!("{file} is written anew and has {}", keys.join(", ")),
            }
        }
        _ if commands == 1 => "1 command".to_owned(),
        _ => format!("{commands} commands"),
    }
}

fn pin(session: &Session<'_>, run_id: &RunId, order: &PinOrder, key: &KeyArg) -> Outcome {
    let app = session.open(Access::Write)?;
    let by = By { actor: session.actor.clone(), key: key.idempotency_key.clone(), fence: None };
    let executed = runtime::look(app.pin_contract(run_id, order, &by))?;
    let (ui, run) = (&session.ui, &executed.run);
    if ui.is_json() {
        ui.document(&json!({
            "run_id": run.id.as_str(),
            "event_type": "verify.pinned",
            "duplicate": executed.is_duplicate(),
            "state": run.state.name(),
            "spec": run.verify_spec,
        }));
        return Ok(Exit::Ok);
    }
    match &run.verify_spec {
        Some(spec) => {
            let digest: String = spec.sha256.as_str().chars().take(12).collect();
            ui.line(format!("Run {run_id} is judged by {} (sha256 {digest}).", spec.origin));
        }
        None => ui.line(format!("Run {run_id} has no verification contract any more.")),
    }
    session.say_next(&app, run);
    Ok(Exit::Ok)
}
