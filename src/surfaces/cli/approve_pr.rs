//! `approve-open-pr`: confirms a request with its token and opens the pull request.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::arg::{RunOption, text_file, token};
use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use super::ui::GOOD;
use super::{Access, runtime};
use crate::app::App;
use crate::app::doctor::Profile;
use crate::app::gate::Confirmation;
use crate::domain::gate::{CancelReason, Gate, PrRequest};
use crate::domain::run::Run;

/// A request file holds a body and a list of paths; anything longer is none.
const MAX_FILE_BYTES: usize = 1024 * 1024;

/// Arguments of `approve-open-pr`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    run: RunOption,
    /// The file the request was written to; compared with the log, never believed
    #[arg(long, value_name = "PATH")]
    request_file: Option<PathBuf>,
    /// The token that was shown with the request; `-` reads it from standard input
    #[arg(long, value_name = "TOKEN")]
    confirm_token: String,
    /// Say that you looked at the change and want the pull request
    #[arg(long)]
    confirm: bool,
    /// Is refused: an expiry cannot be waived
    #[arg(long)]
    allow_expired: bool,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    if args.allow_expired {
        return Err(CliError::usage(
            "an expiry cannot be waived: what was looked at long ago may not be what is there now",
            "leave --allow-expired out; ask again with `agentpr request-open-pr` when the request has expired",
        ));
    }
    let run_id = &args.run.run_id;
    let app = session.open(Access::Write)?;
    let before = app.run(run_id)?;
    session.ready(&app, Profile::Github, Some(run_id))?;
    let claimed = match &args.request_file {
        Some(path) => Some(claimed(path, &before)?),
        None => None,
    };
    let token = token(&args.confirm_token)?;
    let confirmation = Confirmation { token, confirmed: args.confirm, claimed };
    let run = confirm(session, &app, &confirmation, &before)?;
    say(session, &app, &run);
    Ok(Exit::Ok)
}

/// Confirms, and carries the confirmation out: the pull request is open when this returns without an error.
pub(super) fn confirm(
    session: &Session<'_>,
    app: &App,
    confirmation: &Confirmation,
    run: &Run,
) -> Result<Run, CliError> {
    let spinner = session.ui.spinner("confirming");
    let run = runtime::block_on(async |stop| {
        app.confirm(&run.id, confirmation, &session.actor).await?;
        spinner.message("pushing and opening the pull request");
        app.complete_or_wait(&run.id, &stop).await
    })?;
    drop(spinner);
    match (&run.gate, &run.pr) {
        (Gate::Used { .. }, Some(_)) => Ok(run),
        _ => Err(not_completed(&run)),
    }
}

/// Why a confirmed request has no pull request, with the exit code that says what to do.
pub(super) fn not_completed(run: &Run) -> CliError {
    if let (Gate::Approved { .. }, Some((until, _))) = (&run.gate, run.forge_parked) {
        return CliError::forge_limited(run, until);
    }
    let exit = match &run.gate {
        Gate::Cancelled { reason: CancelReason::Expired, .. } => Exit::Gate,
        Gate::Cancelled { reason: CancelReason::Stale | CancelReason::Superseded, .. } => Exit::Conflict,
        Gate::Approved { .. } => Exit::Later,
        Gate::Closed | Gate::Open { .. } | Gate::Used { .. } | Gate::Cancelled { .. } => Exit::Failed,
    };
    match run.last_error.as_ref().map(|error| error.reason_code.as_str()) {
        Some("stale" | "branch_moved") => CliError::step_failed(run, Exit::Conflict),
        Some("remote_unavailable") if exit == Exit::Failed => CliError::step_failed(run, Exit::Later),
        _ => CliError::step_failed(run, exit),
    }
}

/// Says which pull request is open now.
pub(super) fn say(session: &Session<'_>, app: &App, run: &Run) {
    let ui = &session.ui;
    let url = run.pr.as_ref().and_then(|pr| pr.url.clone());
    let number = run.pr.as_ref().map(|pr| pr.number);
    if ui.is_json() {
        ui.document(&json!({
            "ok": true,
            "mode": "created",
            "run_id": run.id.as_str(),
            "pr_number": number,
            "pr_url": url,
            "state": run.state.name(),
            "phase": run.state.phase().name(),
        }));
        return;
    }
    let number = number.map(|number| number.to_string()).unwrap_or_default();
    ui.styled(GOOD, format!("Pull request #{number} is open: {}", url.unwrap_or_default()));
    ui.line(format!("Run {} is {} (phase {}).", run.id, run.state, run.state.phase()));
    session.say_next(app, run);
}

fn claimed(path: &Path, run: &Run) -> Result<PrRequest, CliError> {
    let mismatch = |message: String| CliError::Ended {
        run: run.id.clone(),
        state: run.state,
        message,
        code: "request_file_mismatch".to_owned(),
        hint: format!(
            "leave --request-file out, or ask again with `agentpr request-open-pr --run-id {}`",
            run.id
        ),
        exit: Exit::Conflict,
    };
    let text = text_file("request file", path, MAX_FILE_BYTES).map_err(|err| match err {
        CliError::Usage { message, .. } => mismatch(message),
        other => other,
    })?;
    serde_json::from_str(&text)
        .map_err(|err| mismatch(format!("`{}` is not a request: {err}", path.display())))
}
