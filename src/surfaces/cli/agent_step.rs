//! `run-agent-step`: one step of an agent by hand, with the engine's own checks behind it.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::arg::{RunOption, text_file};
use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::preflight::{self, LookArgs};
use super::session::Session;
use super::ui::{BAD, GOOD, STRONG};
use super::{Access, agent_args, create_run, doctor, runtime, show_json, words};
use crate::app::agent_step::{AgentStep, AgentStepReport};
use crate::app::doctor::{Preflighted, Profile};
use crate::app::report::RUNTIME_REPORT;
use crate::app::{App, Log};
use crate::domain::agent::role::Role;
use crate::domain::confine::SandboxMode;
use crate::domain::event::Event;
use crate::domain::id::{RunId, Version};
use crate::domain::spec::MAX_TASK_BYTES;
use crate::domain::spec::agent_name;
use crate::domain::state::State;
use crate::domain::verdict::Verdict;

/// Arguments of `run-agent-step`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    run: RunOption,
    #[command(flatten)]
    prompt: PromptArgs,
    /// The agent, as a name or `command:PROGRAM ARGS` [default: the run's, then the configured one, then codex]
    #[arg(long)]
    agent: Option<String>,
    /// What the agent is used for: plan, explore, build, debug or review
    #[arg(long, default_value = "build", value_parser = agent_args::role)]
    role: Role,
    /// The model, in the agent's own spelling [default: the run's, then the agent's configured one]
    #[arg(long, value_parser = agent_args::model)]
    model: Option<String>,
    /// An argument after the agent's own; may be repeated
    #[arg(long = "agent-arg", value_name = "ARG", allow_hyphen_values = true)]
    agent_args: Vec<String>,
    /// Where a passed step leads: LOCAL_VALIDATING or NEEDS_HUMAN_REVIEW
    #[arg(long, value_name = "STATE")]
    success_state: Option<State>,
    /// Do not look at the workspace first
    #[arg(long)]
    skip_preflight: bool,
    #[command(flatten)]
    look: LookArgs,
    /// The model, when the agent is codex
    #[arg(long, value_name = "MODEL", conflicts_with = "model", value_parser = agent_args::model)]
    codex_model: Option<String>,
    /// Accepted as the first agentpr had it: codex works without asking in any case, in the sandbox of --codex-sandbox
    #[arg(long)]
    no_codex_full_auto: bool,
}

/// What the agent is asked, here or in a file.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct PromptArgs {
    /// What the agent is asked
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// A file with what the agent is asked; `-` reads standard input
    #[arg(long, value_name = "PATH")]
    prompt_file: Option<PathBuf>,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let prompt = prompt(&args.prompt)?;
    if let Some(target) = args.success_state
        && !matches!(target, State::LocalValidating | State::NeedsHumanReview)
    {
        return Err(CliError::usage(
            format!("--success-state cannot be {target}"),
            "name LOCAL_VALIDATING or NEEDS_HUMAN_REVIEW, or leave it out",
        ));
    }
    create_run::one_line("--agent", args.agent.as_deref())?;
    let run_id = &args.run.run_id;
    let app = session.open_ready(Access::Write, Profile::Agent)?;
    let before = app.run(run_id)?;
    // Without a workspace there is nothing to look at, and the step itself says how to make one.
    if !args.skip_preflight && before.prepared.is_some() {
        app.check_agent_step(&before, args.success_state)?;
        let done = preflight::before_step(session, &app, run_id, &args.look)?;
        if !done.report.is_ok() {
            say_not_ready(session, &app, &done);
            return Ok(Exit::NotReady);
        }
    }
    let engine = agent_name(&app.choice_of_step(&before, args.role, args.agent.as_deref()).0).to_owned();
    let step = AgentStep {
        prompt,
        role: args.role,
        agent: args.agent.clone(),
        model: model(session, args, &engine),
        extra_args: args.agent_args.clone(),
        sandbox: args.look.codex_sandbox.as_deref().and_then(SandboxMode::of),
        success: args.success_state,
    };
    let spinner = session.ui.spinner("the agent is at work");
    let report =
        runtime::block_on(async |stop| Box::pin(app.agent_step(run_id, &step, &session.actor, &stop)).await)?;
    drop(spinner);
    let (verdict, written) = judged_since(app.store(), run_id, before.version)?;
    let judged = Judged { engine, verdict, report: written.map(|path| app.artifacts().absolute(&path)) };
    say(session, &app, &report, &judged);
    Ok(if report.passed { Exit::Ok } else { Exit::Failed })
}

/// Says that the workspace is not ready, which a person has to look at now.
fn say_not_ready(session: &Session<'_>, app: &App, done: &Preflighted) {
    let ui = &session.ui;
    if ui.is_json() {
        ui.document(&json!({
            "ok": false,
            "error": "preflight failed",
            "code": "preflight_failed",
            "run_id": done.run.id.as_str(),
            "state": done.run.state.name(),
            "phase": done.run.state.phase().name(),
            "preflight": preflight::document(session, app, done),
        }));
        return;
    }
    ui.note_pieces(&[(BAD, "error: ".into()), (STRONG, "preflight failed".into())]);
    doctor::note_failures(ui, &done.report);
    ui.field("state", done.run.state.name());
    session.say_next(app, &done.run);
}

fn prompt(args: &PromptArgs) -> Result<String, CliError> {
    let text = match (&args.prompt, &args.prompt_file) {
        (Some(text), _) => text.clone(),
        (None, Some(path)) => text_file("prompt", path, MAX_TASK_BYTES)?,
        (None, None) => String::new(),
    };
    if text.trim().is_empty() || text.len() > MAX_TASK_BYTES {
        return Err(CliError::usage(
            format!("a prompt has 1 to {MAX_TASK_BYTES} bytes"),
            "say what is to be done with --prompt TEXT or --prompt-file PATH",
        ));
    }
    Ok(text)
}

/// The model that was named; what is said for codex only counts for codex only.
fn model(session: &Session<'_>, args: &Args, engine: &str) -> Option<String> {
    let is_codex = engine == "codex";
    if !is_codex && (args.codex_model.is_some() || args.no_codex_full_auto) {
        session.ui.note(format!("note: the options for codex say nothing to the agent `{engine}`"));
    }
    args.model.clone().or_else(|| args.codex_model.clone().filter(|_| is_codex))
}

/// How a step was judged.
struct Judged {
    engine: String,
    verdict: Option<Verdict>,
    report: Option<PathBuf>,
}

/// The last verdict and the last runtime report after a version; neither when the step ended without one.
fn judged_since(
    log: &dyn Log,
    run: &RunId,
    version: Version,
) -> Result<(Option<Verdict>, Option<String>), CliError> {
    let (mut verdict, mut report) = (None, None);
    for recorded in log.events_of(run, version)? {
        match recorded.event {
            Event::VerdictRendered(body) => verdict = Some(body.verdict),
            Event::ArtifactRegistered(body) if body.kind == RUNTIME_REPORT => report = Some(body.path),
            _ => {}
        }
    }
    Ok((verdict, report))
}

fn say(session: &Session<'_>, app: &App, report: &AgentStepReport, judged: &Judged) {
    let (ui, run, evidence) = (&session.ui, &report.run, &report.evidence);
    let (engine, verdict) = (&judged.engine, judged.verdict.as_ref());
    let log = evidence.log.as_ref().map(|log| app.artifacts().absolute(&log.path));
    if ui.is_json() {
        ui.document(&json!({
            "ok": report.passed,
            "engine": engine,
            "run_id": run.id.as_str(),
            "exit_code": evidence.exit_code,
            "outcome": report.outcome,
            "duration_ms": evidence.duration_ms,
            "message": evidence.message,
            "state": run.state.name(),
            "phase": run.state.phase().name(),
            "reason": run.reason.code,
            "classification": verdict,
            "agent_report": judged.report,
            "log": log,
            "change": run.change,
        }));
        return;
    }
    let time = words::span(Duration::from_millis(evidence.duration_ms));
    let how = show_json::word(&report.outcome);
    ui.line(format!("The agent `{engine}` ended after {time}: {how} ({}).", evidence.message));
    let (style, word) = if report.passed { (GOOD, "PASS") } else { (BAD, "not PASS") };
    match verdict {
        Some(verdict) => ui.styled(style, format!("{word} ({}): {}", verdict.reason_code, verdict.because)),
        None => ui.styled(style, word),
    }
    if let Some(change) = &run.change {
        ui.field("change", format!("{}: {}", change.head_sha.short(), words::diffstat(&change.stat)));
    }
    if let Some(log) = &log {
        ui.field("log", log.display().to_string());
    }
    ui.field("state", run.state.name());
    session.say_next(app, run);
}
