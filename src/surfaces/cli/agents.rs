//! `agents`: which agents are here, how they are logged in, what is wrong with them; and a trial turn of one.

use std::path::Path;

use serde_json::{Value, json};

use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use super::ui::{BAD, FAINT, GOOD, NOTICE, PLAIN, STRONG, Ui};
use super::{Access, agent_args, runtime, show_json, words};
use crate::app::agents::{AgentView, Login, Problem, Trial, how_to_log_in};
use crate::app::{App, AppError};
use crate::domain::evidence::AttemptOutcome;

/// Arguments of `agents`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this agent; the call fails when no run can use it
    #[arg(value_name = "NAME", required_if_eq("test", "true"))]
    name: Option<String>,
    /// Let the agent do one turn in a repository made for it: a real call of its model, which costs tokens
    #[arg(long)]
    test: bool,
    /// The model of the test [default: the agent's configured one]
    #[arg(long, requires = "test", value_parser = agent_args::model)]
    model: Option<String>,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    if let (true, Some(name)) = (args.test, &args.name) {
        return test(session, name, args.model.as_deref());
    }
    let mut views = match session.open(Access::Read) {
        Ok(app) => look(session, &app)?,
        // Who waits for an allowance is in the store; everything else is not.
        Err(CliError::App(AppError::Store(_))) => session.without_store(|app| look(session, app))?,
        Err(err) => return Err(err),
    };
    if let Some(name) = &args.name {
        views.retain(|view| &view.status.name == name);
        if views.is_empty() {
            return Err(CliError::absent(
                format!("`{name}` is not an agent known by name"),
                "list them with `agentpr agents`; any other program runs as `command:PROGRAM ARGS`",
            ));
        }
    }
    if session.ui.is_json() {
        let agents: Vec<Value> = views.iter().map(|view| document(&session.ui, view)).collect();
        session.ui.document(&json!({ "ok": true, "agents": agents }));
    } else {
        for view in &views {
            show(&session.ui, view);
        }
    }
    let is_blocked = args.name.is_some() && views.iter().any(|view| view.blocked_by().is_some());
    Ok(if is_blocked { Exit::NotReady } else { Exit::Ok })
}

fn look(session: &Session<'_>, app: &App) -> Result<Vec<AgentView>, CliError> {
    let spinner = session.ui.spinner("asking the agents what they are");
    let views = runtime::look(app.agents())?;
    drop(spinner);
    Ok(views)
}

/// What is wrong, a missing login included: it blocks nothing, because only the program itself knows for sure.
fn problems(view: &AgentView) -> Vec<Problem> {
    let status = &view.status;
    let missing = (status.login == Login::Missing && status.program.is_some()).then(|| Problem {
        what: "no login is configured; it will say that it is not logged in".to_owned(),
        mend: how_to_log_in(&status.name),
        blocks: false,
    });
    status.problems.iter().cloned().chain(missing).collect()
}

fn document(ui: &Ui, view: &AgentView) -> Value {
    let status = &view.status;
    let login = match &status.login {
        Login::Key { variable } => json!({ "by": "key", "variable": variable }),
        Login::File { path } => json!({ "by": "file", "path": path }),
        Login::Missing => json!({ "by": "nothing" }),
        Login::Own => json!({ "by": "own" }),
    };
    let problem = |problem: Problem| json!({ "what": problem.what, "mend": ui.command(&problem.mend), "blocks": problem.blocks });
    json!({
        "name": status.name,
        "ready": view.blocked_by().is_none(),
        "program": status.program,
        "version": status.version,
        "sha256": status.sha256,
        "login": login,
        "model": status.model,
        "pool": status.pool,
        "waits_until": view.waits_until.map(words::when),
        "used_as": view.used_as,
        "capabilities": status.capabilities,
        "problems": problems(view).into_iter().map(problem).collect::<Vec<_>>(),
    })
}

fn show(ui: &Ui, view: &AgentView) {
    let status = &view.status;
    let (style, word) = match (&status.program, view.blocked_by(), &status.login) {
        (None, ..) => (FAINT, "not installed"),
        (Some(_), Some(_), _) => (BAD, "not ready"),
        (Some(_), None, Login::Missing) => (NOTICE, "no login"),
        (Some(_), None, _) => (GOOD, "ready"),
    };
    let used =
        if view.used_as.is_empty() { String::new() } else { format!("  ({})", view.used_as.join(", ")) };
    ui.pieces(&[(STRONG, format!("{:<10}", status.name).into()), (style, word.into()), (FAINT, used.into())]);
    if let Some(program) = &status.program {
        ui.field("program", program.display().to_string());
        let digest =
            status.sha256.as_ref().map(|sha256| sha256.as_str().chars().take(12).collect::<String>());
        let digest = digest.map(|digest| format!(" (sha256 {digest})")).unwrap_or_default();
        ui.field("version", format!("{}{digest}", status.version.as_deref().unwrap_or("not told")));
        ui.field("login", login(&status.login));
        ui.field("model", status.model.as_deref().unwrap_or("its own default"));
        if let Some(pool) = &status.pool {
            let until = view.waits_until.map(|until| format!(", used up until {}", words::when(until)));
            ui.field("allowance", format!("{pool}{}", until.unwrap_or_default()));
        }
        ui.field("can", status.capabilities.join(", "));
    }
    for problem in problems(view) {
        let style = if problem.blocks && status.program.is_some() { BAD } else { NOTICE };
        ui.pieces(&[(style, format!("  {}", problem.what).into())]);
        ui.pieces(&[(FAINT, "    ".into()), (PLAIN, ui.command(&problem.mend).into())]);
    }
}

fn login(login: &Login) -> String {
    match login {
        Login::Key { variable } => format!("the key in {variable}"),
        Login::File { path } => format!("a copy of {}", path.display()),
        Login::Missing => "none is configured".to_owned(),
        Login::Own => "its own".to_owned(),
    }
}

/// One turn, in a data directory of its own that is gone afterwards.
fn test(session: &Session<'_>, name: &str, model: Option<&str>) -> Outcome {
    let ui = &session.ui;
    let failed = |err: &dyn std::fmt::Display| {
        CliError::App(AppError::Invalid(format!("no place for the test: {err}")))
    };
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("agent-test-");
    let data_dir = &session.config.data_dir.value;
    let place = if data_dir.is_dir() { builder.tempdir_in(data_dir) } else { builder.tempdir() };
    let place = place.map_err(|err| failed(&err))?;
    let dir = place.path().canonicalize().map_err(|err| failed(&err))?;
    let moved = session.moved_to(&dir, None);
    let app = moved.open(Access::Create)?;
    let workspace = moved.config.workspace_root.value.join("trial");
    app.local().make_scratch(&workspace).map_err(AppError::from)?;
    ui.note(format!(
        "note: this is a real call of `{name}`; its tokens are counted by its provider, not by agentpr"
    ));
    let spinner = ui.spinner("the agent is at work");
    let trial = runtime::block_on(async |stop| {
        app.try_agent(name, model.map(str::to_owned), workspace.clone(), &stop).await
    })?;
    drop(spinner);
    let changed = is_changed(&app, &workspace);
    let log = trial.evidence.log.as_ref().and_then(|log| app.artifacts().read_tail(&log.path, 2048).ok());
    let log = log.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    say(ui, name, &trial, changed, &log);
    Ok(match trial.outcome {
        AttemptOutcome::Succeeded if !changed => Exit::Ok,
        _ => Exit::Failed,
    })
}

/// Whether the agent changed something although it was asked not to; a repository that cannot be looked at counts as changed.
fn is_changed(app: &App, workspace: &Path) -> bool {
    app.local().look(workspace).map_or(true, |repository| repository.uncommitted > 0)
}

fn say(ui: &Ui, name: &str, trial: &Trial, changed: bool, log: &str) {
    let evidence = &trial.evidence;
    let record = evidence.agent.as_deref();
    let passed = trial.outcome == AttemptOutcome::Succeeded && !changed;
    if ui.is_json() {
        ui.document(&json!({
            "ok": passed,
            "agent": name,
            "outcome": trial.outcome,
            "class": record.map(|record| record.class),
            "trouble": record.and_then(|record| record.trouble),
            "message": evidence.message,
            "program": evidence.program,
            "version": record.and_then(|record| record.identity.version.clone()),
            "model": record.and_then(|record| record.model.clone()),
            "usage": record.map(|record| record.usage),
            "duration_ms": evidence.duration_ms,
            "tier": evidence.tier,
            "changed": changed,
            "answer": trial.answer,
            "log": (!passed).then_some(log),
        }));
        return;
    }
    let time = words::span(std::time::Duration::from_millis(evidence.duration_ms));
    let how = record.map_or_else(|| show_json::word(&trial.outcome), |record| record.class.name().to_owned());
    let (style, word) = if passed { (GOOD, "works") } else { (BAD, "does not work") };
    ui.pieces(&[(STRONG, format!("{name:<10}").into()), (style, word.into())]);
    ui.field("ended", format!("{how} after {time}: {}", evidence.message));
    if let Some(record) = record {
        ui.field("version", record.identity.version.as_deref().unwrap_or("not told"));
        ui.field("model", record.model.as_deref().unwrap_or("its own default"));
        let tokens = &record.usage.tokens;
        ui.field(
            "tokens",
            format!("{} in, {} out, {} turns", tokens.input, tokens.output, record.usage.turns),
        );
    }
    ui.field("answer", words::short(&trial.answer, 200));
    if changed {
        ui.styled(NOTICE, "  It changed something although it was asked not to.");
    }
    if !passed {
        for line in log.lines().rev().take(10).collect::<Vec<_>>().into_iter().rev() {
            ui.styled(FAINT, format!("  {line}"));
        }
    }
}
