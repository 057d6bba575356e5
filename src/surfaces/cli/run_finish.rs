//! `run-finish`: commits what is in the workspace, checks it, and pushes it to the run's own branch.

use serde_json::json;

use super::arg::RunOption;
use super::create_run::one_line;
use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use super::{Access, runtime};
use crate::app::doctor::Profile;
use crate::app::finish::Finish;

/// Arguments of `run-finish`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    run: RunOption,
    /// What changed, for the commit message
    #[arg(long, value_name = "TEXT")]
    changes: String,
    /// The project the commit's title begins with
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// The commit's title [default: made from project and changes]
    #[arg(long, value_name = "TITLE")]
    commit_title: Option<String>,
    /// Push although nothing was found to check with, or findings stand against it, for this reason; failed checks are never accepted
    #[arg(long, value_name = "REASON")]
    accept_missing_evidence: Option<String>,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    if args.changes.trim().is_empty() || args.changes.contains('\0') {
        return Err(CliError::usage("--changes is empty", "say what changed, for the commit message"));
    }
    one_line("--project", args.project.as_deref())?;
    one_line("--commit-title", args.commit_title.as_deref())?;
    one_line("--accept-missing-evidence", args.accept_missing_evidence.as_deref())?;
    let app = session.open(Access::Write)?;
    session.ready(&app, Profile::Github, Some(&args.run.run_id))?;
    let order = Finish {
        changes: args.changes.clone(),
        project: args.project.clone(),
        commit_title: args.commit_title.clone(),
        accept_missing_evidence: args.accept_missing_evidence.clone(),
    };
    let ui = &session.ui;
    let spinner = ui.spinner("committing, checking, pushing");
    let run = runtime::block_on(async |stop| {
        Box::pin(app.finish(&args.run.run_id, &order, &session.actor, &stop)).await
    })?;
    drop(spinner);
    let head = run.change.as_ref().map(|change| &change.head_sha);
    let Some(pushed) = run.pushed.as_ref().filter(|pushed| Some(&pushed.sha) == head) else {
        return Err(CliError::step_failed(&run, Exit::Failed));
    };
    if ui.is_json() {
        ui.document(&json!({
            "ok": true,
            "exit_code": 0,
            "run_id": run.id.as_str(),
            "branch": pushed.branch,
            "sha": pushed.sha,
            "state": run.state.name(),
            "stdout_tail": "",
        }));
    } else {
        ui.line(format!(
            "`{}` is at the remote as {}; run {} is {}.",
            pushed.branch,
            pushed.sha.short(),
            run.id,
            run.state
        ));
        session.say_next(&app, &run);
    }
    Ok(Exit::Ok)
}
