//! `approve`: the two confirmations at a terminal, and what they permit.

use tokio_util::sync::CancellationToken;

use super::arg::{self, RunArg};
use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use super::ui::{NOTICE, PLAIN, STRONG, Ui};
use super::watch::watched;
use super::{Access, approve_pr, runtime, show};
use crate::app::App;
use crate::app::doctor::Profile;
use crate::app::gate::{Confirmation, PrText};
use crate::domain::gate::{Gate, PrRequest};
use crate::domain::id::{EventSeq, RunId};
use crate::domain::run::Run;

/// Arguments of `approve`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    run: RunArg,
    /// The token of the open request, `-` reads it from standard input; without it a new request is made and its token shown here
    #[arg(long, visible_alias = "confirm-token")]
    token: Option<String>,
    /// Confirm the second time without being asked; needs --token
    #[arg(long, requires = "token")]
    confirm: bool,
    /// Why it is wanted without passed checks
    #[arg(long, value_name = "REASON")]
    accept_missing_evidence: Option<String>,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let run = args.run.get()?;
    let app = session.open(Access::Write)?;
    session.ready(&app, Profile::Github, Some(run))?;
    if !args.confirm && !session.ui.can_ask() {
        return Err(CliError::person_needed(
            &app.run(run)?,
            "nobody is at a terminal to be asked",
            format!("agentpr request-open-pr --run-id {run} --title TITLE"),
        ));
    }
    let before = app.run(run)?;
    if !matches!(before.gate, Gate::Approved { .. }) {
        confirm(session, &app, args, run)?;
    }
    complete(session, &app, run, before.last_seq)?;
    show::show(session, &app, run)?;
    Ok(Exit::Ok)
}

/// Both confirmations: the card with a yes, then the token.
fn confirm(session: &Session<'_>, app: &App, args: &Args, run: &RunId) -> Result<(), CliError> {
    let ui = &session.ui;
    let (request, issued) = match (&args.token, &app.run(run)?.gate) {
        (Some(_), Gate::Open { request, .. }) => (Some(request.clone()), None),
        // There is nothing to show; the gate says why when it sees the token.
        (Some(_), _) => (None, None),
        (None, _) => {
            let text = PrText { accepted_because: args.accept_missing_evidence.clone(), ..PrText::default() };
            let (issued, _) = runtime::look(app.request_pr(run, &text, &session.actor))?;
            (Some(issued.request), Some(issued.token))
        }
    };
    if let (Some(request), false) = (&request, args.confirm) {
        ask_first(ui, app, run, request)?;
    }
    let token = match (&args.token, issued) {
        (Some(given), _) => arg::token(given)?,
        (None, Some(token)) => ask_token(ui, app, run, &token)?,
        (None, None) => String::new(),
    };
    let confirmation = Confirmation { token, confirmed: true, claimed: None };
    runtime::look(app.confirm(run, &confirmation, &session.actor))?;
    Ok(())
}

/// The first confirmation: everything there is to see, and a yes.
pub(super) fn ask_first(ui: &Ui, app: &App, run: &RunId, request: &PrRequest) -> Result<(), CliError> {
    ui.card(request, &app.usage_of(run)?);
    if ui.ask_yes_no("Push this commit and open this pull request?") {
        return Ok(());
    }
    Err(CliError::person_needed(
        &app.run(run)?,
        "nothing was confirmed, nothing left this machine",
        format!("agentpr diff {run}"),
    ))
}

/// The second confirmation: the token, typed by the person who said yes.
pub(super) fn ask_token(ui: &Ui, app: &App, run: &RunId, token: &str) -> Result<String, CliError> {
    ui.note_pieces(&[
        (NOTICE, "token: ".into()),
        (STRONG, token.to_owned().into()),
        (PLAIN, "  (shown once)".into()),
    ]);
    match ui.ask_line("Type the token to confirm:") {
        Some(typed) if !typed.is_empty() => Ok(typed),
        _ => Err(CliError::person_needed(
            &app.run(run)?,
            "the second confirmation was not given, nothing left this machine",
            format!("agentpr approve {run}"),
        )),
    }
}

/// Carries an approved request out, printing what is recorded after `after`, and says what came of it.
pub(super) fn complete(
    session: &Session<'_>,
    app: &App,
    run: &RunId,
    after: EventSeq,
) -> Result<Run, CliError> {
    let ui = &session.ui;
    let done = runtime::block_on(|stop: CancellationToken| async move {
        watched(ui, app, run, after, Box::pin(app.complete_or_wait(run, &stop))).await
    })?;
    if done.pr.is_some() && done.last_error.is_none() {
        return Ok(done);
    }
    Err(approve_pr::not_completed(&done))
}
