//! `auth`: the login a run's contract asks a person for, at this terminal.

use serde_json::json;

use super::arg::RunArg;
use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use super::{Access, runtime, verify_view as view};
use crate::app::verify::Progress;

/// Arguments of `auth`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    run: RunArg,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let run = args.run.get()?;
    let app = session.open(Access::Write)?;
    let verifier = session.verifier()?;
    let ui = &session.ui;
    let tell = |progress: &Progress<'_>| {
        if !ui.is_json() {
            view::progress(ui, progress);
        }
    };
    let done = runtime::block_on(async |stop| {
        Box::pin(app.log_in(&*verifier, run, &session.actor, &tell, &stop)).await
    })?;
    if !done.granted {
        let why = match (&done.report.blocked, done.report.results.last()) {
            (Some(blocked), _) => blocked.detail.clone(),
            (None, Some(result)) => format!("`{}` did not pass", result.command),
            (None, None) => "there was nothing to do".to_owned(),
        };
        return Err(CliError::Ended {
            run: run.clone(),
            state: done.run.state,
            message: format!("the login failed: {why}"),
            code: "login_failed".to_owned(),
            hint: format!("agentpr auth {run}"),
            exit: Exit::Failed,
        });
    }
    let next = format!("agentpr retry {run}");
    if ui.is_json() {
        ui.document(&json!({
            "ok": true,
            "run_id": run.as_str(),
            "state": done.run.state.name(),
            "auth_granted": done.run.auth_granted,
            "next": ui.command(&next),
            "report": view::report_document(&done.report),
        }));
    } else {
        ui.line("the login is on record; the checks go on without asking");
        ui.line(format!("next: {}", ui.command(&next)));
    }
    Ok(Exit::Ok)
}
