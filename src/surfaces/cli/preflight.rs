//! `run-preflight`: looks at a run's workspace before an agent is let into it; changes nothing.

use super::arg::RunOption;
use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use super::{Access, doctor};
use crate::app::App;
use crate::app::doctor::{Preflight, Report};
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
    /// The sandbox codex runs in [default: danger-full-access]
    #[arg(long, value_name = "MODE", value_parser = ["read-only", "workspace-write", "danger-full-access"])]
    pub(super) codex_sandbox: Option<String>,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let app = session.open(Access::Read)?;
    let report = look(&app, &args.run.run_id, &args.look)?;
    if session.ui.is_json() {
        session.ui.document(&doctor::document(&report));
    } else {
        doctor::render(&session.ui, &report);
    }
    Ok(if report.is_ok() { Exit::Ok } else { Exit::NotReady })
}

/// Looks at a workspace.
pub(super) fn look(app: &App, run: &RunId, args: &LookArgs) -> Result<Report, CliError> {
    doctor::check_timeout(args.network_timeout_sec)?;
    let sandbox = args.codex_sandbox.clone().unwrap_or_else(|| "danger-full-access".to_owned());
    Ok(app.preflight(run, &Preflight { codex_sandbox: sandbox, network: !args.skip_network_check })?)
}
