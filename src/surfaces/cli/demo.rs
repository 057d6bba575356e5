//! `demo`: the whole way on a repository made for it, with everything real that can be.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::notify::TokenEar;
use super::session::Session;
use super::ui::{FAINT, GOOD, NOTICE, PLAIN, STRONG, Ui};
use super::watch::watched;
use super::{approve, runtime, show};
use crate::app::gate::Confirmation;
use crate::app::submit::RunOrder;
use crate::app::{App, AppError};
use crate::domain::gate::Gate;
use crate::domain::id::{EventSeq, RepoSlug, RunId};
use crate::domain::next::Wait;
use crate::domain::run::Run;
use crate::domain::spec::Delivery;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Give both confirmations from this command line instead of asking
    #[arg(long)]
    yes_both: bool,
    /// Leave the store, the repositories and the workspace where they are
    #[arg(long)]
    keep: bool,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let place = tempfile::Builder::new()
        .prefix("agentpr-demo-")
        .tempdir()
        .map_err(|err| CliError::App(AppError::Invalid(format!("no place for the demo: {err}"))))?;
    // Links are followed once, here: what is shown later is then where things really are.
    let dir = place.path().canonicalize().unwrap_or_else(|_| place.path().to_owned());
    let demo = session.moved_to(&dir);
    let outcome = tell(&demo, args, &dir);
    if args.keep {
        let path = place.keep();
        demo.ui
            .note(format!("everything is left in {}; remove it when you have seen enough", path.display()));
    } else if outcome.is_ok() {
        demo.ui.note("everything it made is removed again; --keep leaves it");
    }
    outcome
}

fn tell(session: &Session<'_>, args: &Args, dir: &Path) -> Outcome {
    let ui = &session.ui;
    let ear = Arc::new(TokenEar::default());
    let app = session.open_new(Arc::clone(&ear) as Arc<_>)?;
    introduce(ui, dir);

    heading(ui, "1. A repository with a failing test");
    let repo = RepoSlug::new("demo", "slug")?;
    let sample = app.local().make_sample(dir, &remote(session)).map_err(AppError::from)?;
    if !ui.is_json() {
        ui.line(format!("  $ {}", sample.check));
        for line in sample.failing.1.lines() {
            ui.styled(FAINT, format!("  {line}"));
        }
        ui.styled(NOTICE, format!("  exit code {}", sample.failing.0));
    }

    heading(ui, "2. A run: agent, commit, checks on the commit");
    let order = RunOrder {
        run: None,
        repo,
        prompt_version: "demo".to_owned(),
        task: sample.task,
        agent: Some(sample.agent),
        model: None,
        roles: None,
        budgets: None,
        checks: vec![sample.check],
        base_branch: None,
        head_branch: None,
        remote: None,
        delivery: Delivery::Pr,
        title: None,
        limits: None,
        policy: None,
    };
    let run = app.submit(order, &session.actor, None)?.run.id;
    let (engine, watched_run) = (&app, &run);
    let driven = runtime::block_on(|stop: CancellationToken| async move {
        watched(ui, engine, watched_run, EventSeq(0), Box::pin(engine.drive(watched_run, &stop))).await
    })?;
    if driven.wait != Wait::Approval {
        show::show(session, &app, &run)?;
        return Err(CliError::step_failed(&driven.run, Exit::Failed));
    }
    show_diff(ui, &app, &run)?;

    heading(ui, "3. The gate: two confirmations");
    confirm(session, &app, &run, &ear, args.yes_both)?;

    heading(ui, "4. Push and pull request");
    let done = approve::complete(session, &app, &run, driven.run.last_seq)?;

    heading(ui, "5. What is there now");
    prove(ui, &app, &done)?;
    show::show(session, &app, &run)?;
    Ok(Exit::Ok)
}

fn remote(session: &Session<'_>) -> PathBuf {
    session.config.forge_root.value.join("demo").join("slug.git")
}

fn introduce(ui: &Ui, dir: &Path) {
    if ui.is_json() {
        return;
    }
    ui.styled(STRONG, "agentpr demo");
    ui.line(
        "  Real: git, the failing test, the edit, the commit, the check on that commit, the event log, both",
    );
    ui.line("        confirmations, the push. Everything is the code that works on your repositories.");
    ui.line("  Stands in: the agent is a shell script that knows this one task; the remote is a bare repository on");
    ui.line("        this disk, and the pull request is recorded in it instead of at a forge.");
    ui.styled(FAINT, format!("  in {}", dir.display()));
}

fn heading(ui: &Ui, text: &str) {
    if !ui.is_json() {
        ui.line("");
        ui.styled(STRONG, text);
    }
}

fn show_diff(ui: &Ui, app: &App, run: &RunId) -> Result<(), CliError> {
    if ui.is_json() {
        return Ok(());
    }
    let (diff, _) = runtime::look(app.diff(run, 64 * 1024))?;
    for line in String::from_utf8_lossy(&diff).lines() {
        ui.styled(if line.starts_with(['+', '-']) { PLAIN } else { FAINT }, format!("  {line}"));
    }
    Ok(())
}

fn confirm(
    session: &Session<'_>,
    app: &App,
    run: &RunId,
    ear: &TokenEar,
    yes_both: bool,
) -> Result<(), CliError> {
    let ui = &session.ui;
    let current = app.run(run)?;
    let (Gate::Open { request, .. }, Some(issued)) = (&current.gate, ear.heard()) else {
        return Err(CliError::step_failed(&current, Exit::Failed));
    };
    let token = if yes_both {
        if !ui.is_json() {
            ui.card(request, &app.usage_of(run)?);
            ui.pieces(&[(NOTICE, "  first confirmation:  ".into()), (PLAIN, "yes, by --yes-both".into())]);
            ui.pieces(&[
                (NOTICE, "  second confirmation: ".into()),
                (PLAIN, format!("{issued}, by --yes-both").into()),
            ]);
        }
        issued
    } else if ui.can_ask() {
        approve::ask_first(ui, app, run, request)?;
        approve::ask_token(ui, app, run, &issued)?
    } else {
        return Err(CliError::person_needed(
            &current,
            "nobody is at a terminal to confirm",
            "agentpr demo --yes-both".to_owned(),
        ));
    };
    let confirmation = Confirmation { token, confirmed: true, claimed: None };
    runtime::look(app.confirm(run, &confirmation, &session.actor))?;
    Ok(())
}

/// Looks at the remote and at the log, and says what is found; anything but the promised is an error.
fn prove(ui: &Ui, app: &App, run: &Run) -> Result<(), CliError> {
    let there = runtime::look(app.at_remote(run))?;
    let report = app.upkeep().verify()?;
    let approved = run.change.as_ref().map(|change| &change.head_sha);
    if there.is_none() || there.as_ref() != approved || !report.faults.is_empty() {
        return Err(CliError::step_failed(run, Exit::Failed));
    }
    if let (Some(sha), false) = (&there, ui.is_json()) {
        ui.pieces(&[
            (GOOD, "  ✓ ".into()),
            (
                PLAIN,
                format!("`{}` at the remote is {sha}, the commit that was approved", run.spec.head_branch)
                    .into(),
            ),
        ]);
        ui.pieces(&[
            (GOOD, "  ✓ ".into()),
            (PLAIN, format!("the log is sound: {} events, chained and folded", report.events).into()),
        ]);
        ui.line("");
    }
    Ok(())
}
