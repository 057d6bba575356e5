//! `quota`: whose allowance is used up, which runs wait for it, and a person's word that it is there again.

use serde_json::json;

use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use super::{Access, words};
use crate::app::usage::{PoolView, Waiting};
use crate::domain::agent::quota::Pool;
use crate::domain::time::Timestamp;

/// Arguments of `quota`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Say that this allowance is there again: the runs that wait for it go on
    #[arg(long, value_name = "POOL")]
    clear: Option<String>,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    match &args.clear {
        Some(name) => clear(session, &Pool::new(name)),
        None => list(session),
    }
}

fn list(session: &Session<'_>) -> Outcome {
    let app = session.open(Access::Read)?;
    let now = app.now().wall;
    let pools = app.quota()?;
    let ui = &session.ui;
    if ui.is_json() {
        let pools: Vec<_> = pools
            .iter()
            .map(|view| {
                let waiting = view.waiting.iter().map(|waiting| {
                    json!({
                        "run_id": waiting.run.as_str(),
                        "state": waiting.state.name(),
                        "until": words::when(waiting.until),
                    })
                });
                json!({
                    "pool": view.row.pool,
                    "until": words::when(view.row.until),
                    "secs_left": view.row.until.since(now).as_secs(),
                    "met_by": view.row.run.as_str(),
                    "waiting": waiting.collect::<Vec<_>>(),
                })
            })
            .collect();
        ui.document(&json!({ "pools": pools }));
    } else if pools.is_empty() {
        ui.line("No allowance is used up.");
    } else {
        ui.table(
            &["POOL", "LEFT", "UNTIL", "MET BY", "WAITING"],
            pools.iter().map(|view| cells(view, now)).collect(),
        );
        if let Some(first) = pools.first() {
            ui.line(format!("next: {}", ui.command(&format!("agentpr quota --clear {}", first.row.pool))));
        }
    }
    Ok(Exit::Ok)
}

fn cells(view: &PoolView, now: Timestamp) -> Vec<String> {
    let waiting = |waiting: &Waiting| match waiting.state.is_held() {
        true => format!("{} ({})", waiting.run, waiting.state),
        false => waiting.run.to_string(),
    };
    let waiting: Vec<String> = view.waiting.iter().map(waiting).collect();
    vec![
        view.row.pool.to_string(),
        words::span(view.row.until.since(now)),
        words::when(view.row.until),
        view.row.run.to_string(),
        if waiting.is_empty() { "nobody".to_owned() } else { waiting.join(", ") },
    ]
}

fn clear(session: &Session<'_>, pool: &Pool) -> Outcome {
    let app = session.open(Access::Write)?;
    let Some(runs) = app.lift_quota(pool, &session.actor)? else {
        return Err(CliError::absent(
            format!("no allowance of the name `{pool}` is used up"),
            "agentpr quota".to_owned(),
        ));
    };
    let ui = &session.ui;
    if ui.is_json() {
        let runs: Vec<&str> = runs.iter().map(|run| run.as_str()).collect();
        ui.document(&json!({ "ok": true, "pool": pool, "runs": runs }));
        return Ok(Exit::Ok);
    }
    let names: Vec<String> = runs.iter().map(ToString::to_string).collect();
    ui.line(format!("The allowance of {pool} counts as there again; recorded with {}.", names.join(", ")));
    Ok(Exit::Ok)
}
