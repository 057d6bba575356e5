//! `request-open-pr`: asks for a pull request and prints its token, once.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::arg::{RunOption, text_file};
use super::create_run::one_line;
use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::run_prepare::same_branches;
use super::session::Session;
use super::ui::{NOTICE, STRONG};
use super::{Access, runtime, show_json, words};
use crate::app::App;
use crate::app::doctor::Profile;
use crate::app::execute::By;
use crate::app::gate::{Issued, PrText};
use crate::domain::command::Command;
use crate::domain::id::{BranchName, RunId};
use crate::domain::projection::UsageRow;
use crate::domain::run::Run;

/// The longest body a forge takes is GitHub's: 65,536 characters.
const MAX_BODY_BYTES: usize = 65_536;

/// Arguments of `request-open-pr`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    run: RunOption,
    /// Title of the pull request
    #[arg(long)]
    title: String,
    /// Body of the pull request [default: the task and what was checked]
    #[arg(long, value_name = "TEXT", conflicts_with = "body_file")]
    body: Option<String>,
    /// A file with the body; `-` reads standard input
    #[arg(long, value_name = "PATH")]
    body_file: Option<PathBuf>,
    /// Must be the run's own base branch
    #[arg(long, value_name = "BRANCH")]
    base: Option<BranchName>,
    /// Must be the run's own head branch
    #[arg(long, value_name = "BRANCH")]
    head: Option<BranchName>,
    /// Open it as a draft
    #[arg(long)]
    draft: bool,
    /// Open it as one that is ready for review
    #[arg(long, conflicts_with = "draft")]
    ready: bool,
    /// Minutes the request is open, 1 to 1440
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=1440))]
    confirm_ttl_minutes: u64,
    /// Ask although nothing was found to check with, for this reason; it is shown to whoever confirms
    #[arg(long, visible_alias = "accept", value_name = "REASON")]
    accept_missing_evidence: Option<String>,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    one_line("--title", Some(&args.title))?;
    one_line("--accept-missing-evidence", args.accept_missing_evidence.as_deref())?;
    let text = PrText {
        title: Some(args.title.clone()),
        body: body(args)?,
        draft: (args.draft || args.ready).then_some(args.draft),
        ttl_secs: Some(args.confirm_ttl_minutes * 60),
        accepted_because: args.accept_missing_evidence.clone(),
    };
    let run_id = &args.run.run_id;
    let app = session.open(Access::Write)?;
    same_branches(&app.run(run_id)?, args.base.as_ref(), args.head.as_ref())?;
    session.ready(&app, Profile::Github, Some(run_id))?;
    let spinner = session.ui.spinner("looking at the change and the remote");
    let (issued, executed) =
        runtime::block_on(async |_| app.request_pr(run_id, &text, &session.actor).await)?;
    drop(spinner);
    let file = keep(session, &app, run_id, &issued);
    // The token is shown only here, whatever else can be read.
    let used = app.usage_of(run_id).unwrap_or_default();
    say(session, &issued, &executed.run, file.as_ref(), &used);
    Ok(Exit::Ok)
}

fn body(args: &Args) -> Result<Option<String>, CliError> {
    let body = match (&args.body, &args.body_file) {
        (Some(body), _) => body.clone(),
        (None, Some(path)) => text_file("body", path, MAX_BODY_BYTES)?,
        (None, None) => return Ok(None),
    };
    if body.trim().is_empty() || body.len() > MAX_BODY_BYTES || body.contains('\0') {
        return Err(CliError::usage(
            format!("a body has 1 to {MAX_BODY_BYTES} bytes"),
            "leave --body out to have one made from the task and the checks",
        ));
    }
    Ok(Some(body))
}

/// Writes the request for people to read; the log decides, so a request without its file is a request all the same.
fn keep(session: &Session<'_>, app: &App, run: &RunId, issued: &Issued) -> Option<PathBuf> {
    let name = format!("pr_request_{}.json", issued.request.id);
    let written = serde_json::to_string_pretty(&issued.request)
        .map_err(|err| err.to_string())
        .and_then(|text| app.artifacts().write(run, &name, text.as_bytes()).map_err(|err| err.to_string()));
    let file = match written {
        Ok(file) => file,
        Err(why) => {
            session.ui.note(format!("note: the request file was not written: {why}"));
            return None;
        }
    };
    let path = app.artifacts().absolute(&file.path);
    let command = Command::RegisterArtifact {
        kind: "pr_open_request".to_owned(),
        path: file.path,
        sha256: file.sha256,
        bytes: file.bytes,
    };
    if let Err(err) = app.execute(run, &command, &By::actor(session.actor.clone())) {
        session.ui.note(format!("note: the request file is not registered: {err}"));
    }
    Some(path)
}

fn say(session: &Session<'_>, issued: &Issued, run: &Run, file: Option<&PathBuf>, used: &[UsageRow]) {
    let (ui, request) = (&session.ui, &issued.request);
    let file_option =
        file.map(|path| format!(" --request-file {}", shell_words::quote(&path.display().to_string())));
    let next = ui.command(&format!(
        "agentpr approve-open-pr --run-id {}{} --confirm-token {} --confirm",
        run.id,
        file_option.unwrap_or_default(),
        issued.token
    ));
    let expires = request.issued.wall.plus(Duration::from_secs(request.ttl_secs));
    if ui.is_json() {
        ui.document(&json!({
            "ok": true,
            "run_id": run.id.as_str(),
            "request_id": request.id,
            "request_file": file,
            "confirm_token": issued.token,
            "expires_at": words::when(expires),
            "state": run.state.name(),
            "preview": {
                "title": request.title,
                "base": request.binding.base_branch,
                "head": request.binding.head_branch,
                "draft": request.draft,
            },
            "request": show_json::request(request),
            "next_command": next,
        }));
        return;
    }
    ui.card(request, used);
    ui.pieces(&[(NOTICE, "The token is shown once: ".into()), (STRONG, issued.token.as_str().into())]);
    ui.line(format!("look:    {}", ui.command(&format!("agentpr diff {}", run.id))));
    ui.line(format!("approve: {next}"));
}
