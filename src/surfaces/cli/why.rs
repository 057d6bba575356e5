//! `why`: how a run came to be where it is, told from its events alone.

use serde_json::json;

use super::arg::RunArg;
use super::error::Outcome;
use super::exit::Exit;
use super::session::Session;
use super::ui::{BAD, FAINT, PLAIN, STRONG};
use super::{Access, cost, pulse, show_forge, words};
use crate::app::usage::UsageTotal;
use crate::app::{App, AppError};
use crate::domain::actor::Actor;
use crate::domain::event::Recorded;
use crate::domain::id::{EventSeq, RunId, Version};
use crate::domain::reason::Reason;
use crate::domain::run::Run;
use crate::domain::secret;
use crate::domain::state::State;
use crate::domain::time::Timestamp;

/// Arguments of `why`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    run: RunArg,
}

/// One move of a run.
struct Move {
    seq: EventSeq,
    at: Timestamp,
    actor: Actor,
    event: &'static str,
    from: Option<State>,
    to: State,
    reason: Reason,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let run_id = args.run.get()?;
    let app = session.open(Access::Read)?;
    let events = app.store().events_of(run_id, Version(0))?;
    let (run, moves) = retrace(run_id, &events)?;
    // Only where a budget is why the run is where it is; otherwise `show` has the cost.
    let used = match run.reason.code.as_str() {
        "budget_exhausted" => Some(UsageTotal::of(&app.usage_of(run_id)?)),
        _ => None,
    };
    if session.ui.is_json() {
        document(session, &app, &run, &moves, used.as_ref());
    } else {
        tell(session, &app, &run, &moves, used.as_ref());
    }
    Ok(Exit::Ok)
}

/// Folds the log and keeps what moved the run.
fn retrace(run_id: &RunId, events: &[Recorded]) -> Result<(Run, Vec<Move>), AppError> {
    let (first, rest) = events.split_first().ok_or_else(|| AppError::NoSuchRun(run_id.clone()))?;
    let mut run = Run::birth(first)?;
    let mut moves = vec![moved(first, None, &run)];
    for recorded in rest {
        let before = run.state;
        run.evolve(recorded)?;
        if run.state != before {
            moves.push(moved(recorded, Some(before), &run));
        }
    }
    Ok((run, moves))
}

fn moved(recorded: &Recorded, from: Option<State>, run: &Run) -> Move {
    Move {
        seq: recorded.seq,
        at: recorded.at,
        actor: recorded.actor.clone(),
        event: recorded.event.name(),
        from,
        to: run.state,
        reason: run.reason.clone(),
    }
}

fn tell(session: &Session<'_>, app: &App, run: &Run, moves: &[Move], used: Option<&UsageTotal>) {
    let ui = &session.ui;
    for step in moves {
        let from = step.from.map(|from| format!("{from} -> ")).unwrap_or_default();
        let said = if step.reason.message.is_empty() { &step.reason.code } else { &step.reason.message };
        ui.pieces(&[
            (FAINT, format!("{}  {:>5}  ", words::when(step.at), step.seq).into()),
            (STRONG, format!("{from}{}", step.to).into()),
            (PLAIN, format!(": {}", secret::redacted(said)).into()),
            (FAINT, format!("  ({}, {})", step.event, step.actor).into()),
        ]);
    }
    if let Some(error) = &run.last_error {
        ui.styled(BAD, secret::redacted(&format!("Its last error was {error}.")));
    }
    if let Some(verdict) = &run.verdict {
        let said = format!("Its last verdict was {}: {}.", verdict.reason_code, verdict.because);
        ui.line(secret::redacted(&said));
    }
    if let Some(used) = used {
        ui.line(format!("What its agents used: {}.", cost::line(used)));
        if let Some(budgets) = cost::budgets(&run.spec.budgets) {
            ui.line(format!("Its budgets: {budgets}."));
        }
    }
    if let Some(says) = show_forge::line(run).filter(|_| !run.state.is_terminal()) {
        ui.line(secret::redacted(&format!("At the forge {says}.")));
    }
    let (advice, at_work) = app.advice(run);
    let waits_for = words::wait(&advice, app.now().wall);
    ui.line(format!("Now it is {} and waits for {waits_for}.", run.state));
    if let Some(at_work) = at_work {
        ui.line(format!("Its agent is {}.", pulse::line(&at_work)));
    }
    // Whoever reads this has just typed it.
    for command in advice.next.iter().filter(|command| !command.starts_with("agentpr why ")) {
        ui.line(format!("next: {}", ui.command(command)));
    }
}

fn document(session: &Session<'_>, app: &App, run: &Run, moves: &[Move], used: Option<&UsageTotal>) {
    let ui = &session.ui;
    let (advice, at_work) = app.advice(run);
    let moves: Vec<_> = moves
        .iter()
        .map(|step| {
            json!({
                "seq": step.seq,
                "at": words::when(step.at),
                "actor": step.actor.to_string(),
                "event_type": step.event,
                "from": step.from.map(|from| from.name()),
                "to": step.to.name(),
                "reason": step.reason.code,
                "message": secret::redacted(&step.reason.message),
            })
        })
        .collect();
    let next: Vec<String> = advice.next.iter().map(|command| ui.command(command)).collect();
    ui.document(&json!({
        "run_id": run.id.as_str(),
        "state": run.state.name(),
        "phase": run.state.phase().name(),
        "moves": moves,
        "last_error": run.last_error.as_ref().map(|error| secret::redacted(&error.to_string()).into_owned()),
        "verdict": run.verdict,
        "forge": show_forge::line(run),
        "usage": used.map(cost::document),
        "budgets": used.map(|_| run.spec.budgets),
        "waits_for": advice.waits_for,
        "waits_until": advice.until.map(words::when),
        "pulse": pulse::document(at_work.as_ref()),
        "next": next,
    }));
}
