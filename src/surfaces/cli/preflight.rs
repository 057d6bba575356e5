//! `run-preflight`: looks at a run's workspace before an agent is let into it, and keeps the report; the run stays where it is.

use serde_json::Value;

use super::arg::RunOption;
use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use super::{Access, doctor, runtime};
use crate::app::App;
use crate::app::doctor::{Preflight, Preflighted};
use crate::domain::id::RunId;

/// Arguments of `run-preflight`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    run: RunOption,
    #[command(flatten)]
    look: LookArgs,
}

/// What the workspace is looked at for.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct LookArgs {
    /// Do not ask for the network
    #[arg(long)]
    skip_network_check: bool,
    /// Seconds a host may take to answer
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    network_timeout_sec: f64,
    /// The sandbox of the agent: the engine's wall, and codex's own where there is none [default: the run's]
    #[arg(long, visible_alias = "sandbox", value_name = "MODE", value_parser = ["read-only", "workspace-write", "danger-full-access"])]
    pub(super) codex_sandbox: Option<String>,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let app = session.open(Access::Write)?;
    let order = order(&args.look)?;
    let spinner = session.ui.spinner("looking at the workspace");
    let done = runtime::look(app.preflight(&args.run.run_id, &order, &session.actor))?;
    drop(spinner);
    if session.ui.is_json() {
        session.ui.document(&document(session, &app, &done));
    } else {
        doctor::render(&session.ui, &done.report);
        session.ui.field("report", app.artifacts().absolute(&done.file.path).display().to_string());
    }
    Ok(if done.report.is_ok() { Exit::Ok } else { Exit::NotReady })
}

/// Looks at a workspace before a step; what is in the way brings the run to a person.
pub(super) fn before_step(
    session: &Session<'_>,
    app: &App,
    run: &RunId,
    args: &LookArgs,
) -> Result<Preflighted, CliError> {
    let order = order(args)?;
    runtime::look(app.preflight_of_step(run, &order, &session.actor))
}

/// The report for machines, with the file it is kept in.
pub(super) fn document(session: &Session<'_>, app: &App, done: &Preflighted) -> Value {
    let mut shown = doctor::document(&session.ui, &done.report);
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("transient".to_owned(), done.report.is_transient_failure().into());
        let file = app.artifacts().absolute(&done.file.path).display().to_string();
        fields.insert("report_file".to_owned(), file.into());
    }
    shown
}

fn order(args: &LookArgs) -> Result<Preflight, CliError> {
    let limit = doctor::timeout(args.network_timeout_sec)?;
    let codex_sandbox = args.codex_sandbox.clone().unwrap_or_else(|| "danger-full-access".to_owned());
    Ok(Preflight { codex_sandbox, network: (!args.skip_network_check).then_some(limit) })
}
