//! `actions`: what an agent asks the engine to do for it, and a person's word about that.

use serde_json::json;

use super::Access;
use super::arg::{KeyArg, RunArg};
use super::error::Outcome;
use super::exit::Exit;
use super::session::Session;
use super::ui::{BAD, FAINT, GOOD, NOTICE, PLAIN, STRONG};
use crate::app::execute::By;
use crate::domain::action::{ActionKind, ActionLine, Risk};
use crate::domain::command::Command;
use crate::domain::run::Run;

/// Arguments of `actions`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    run: RunArg,
    /// Let them run
    #[arg(long, conflicts_with = "deny")]
    grant: bool,
    /// Put them aside; the run goes on without them
    #[arg(long)]
    deny: bool,
    #[command(flatten)]
    key: KeyArg,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let run_id = args.run.get()?;
    if !args.grant && !args.deny {
        let app = session.open(Access::Read)?;
        let run = app.run(run_id)?;
        show(session, &run);
        return Ok(Exit::Ok);
    }
    let app = session.open(Access::Write)?;
    let by = By { actor: session.actor.clone(), key: args.key.idempotency_key.clone(), fence: None };
    let executed = app.execute(run_id, &Command::DecideActions { granted: args.grant }, &by)?;
    let (ui, run) = (&session.ui, &executed.run);
    if ui.is_json() {
        ui.document(&json!({
            "run_id": run.id.as_str(),
            "event_type": "actions.decided",
            "granted": args.grant,
            "duplicate": executed.is_duplicate(),
            "state": run.state.name(),
        }));
        return Ok(Exit::Ok);
    }
    let word = if args.grant { "granted" } else { "denied" };
    ui.line(format!("The actions of run {run_id} are {word}."));
    session.say_next(&app, run);
    Ok(Exit::Ok)
}

fn show(session: &Session<'_>, run: &Run) {
    let ui = &session.ui;
    if ui.is_json() {
        ui.document(&json!({
            "run_id": run.id.as_str(),
            "request": run.actions.as_ref().map(|pending| &pending.request),
            "granted": run.actions.as_ref().and_then(|pending| pending.granted),
            "report": run.actions_report,
        }));
        return;
    }
    match &run.actions {
        None => ui.line(format!("Run {} waits for no actions.", run.id)),
        Some(pending) => {
            for action in &pending.request.actions {
                line(session, action);
            }
            match (pending.request.needs_person, pending.granted) {
                (_, Some(true)) => ui.line("They are granted."),
                (_, Some(false)) => ui.line("They are denied."),
                (false, None) => ui.line("They run without a person's word."),
                (true, None) => {
                    ui.line("They wait for a person's word.");
                    for decision in ["--grant", "--deny"] {
                        ui.line(format!(
                            "next: {}",
                            ui.command(&format!("agentpr actions {} {decision}", run.id))
                        ));
                    }
                }
            }
        }
    }
    if let Some(report) = &run.actions_report {
        if let Some(word) = &report.quarantined {
            ui.line(format!("The last request was put aside ({word}): {}", report.detail));
        }
        for result in &report.results {
            let (style, mark) =
                if result.error.is_empty() { (GOOD, "ok") } else { (BAD, result.error.as_str()) };
            ui.pieces(&[(PLAIN, format!("  {:<20}", result.id).into()), (style, mark.into())]);
        }
    }
}

fn line(session: &Session<'_>, action: &ActionLine) {
    let (style, risk) = match action.risk {
        Risk::Low => (PLAIN, "low"),
        Risk::Medium => (NOTICE, "medium"),
        Risk::High => (BAD, "high"),
    };
    let kind = match action.kind {
        ActionKind::RunCmd => "run_cmd",
        ActionKind::InstallTool => "install_tool",
        ActionKind::StartService => "start_service",
        ActionKind::WriteFile => "write_file",
    };
    session.ui.pieces(&[
        (STRONG, format!("{:<16}", action.id).into()),
        (FAINT, format!("{kind:<14}").into()),
        (style, format!("{risk:<8}").into()),
        (PLAIN, action.what.as_str().into()),
    ]);
}
