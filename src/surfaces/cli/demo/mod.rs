//! `demo`: the whole way on a repository made for it, with everything real that can be.

mod github;
mod local;
mod proof;
mod receiver;

use std::path::Path;
use std::sync::Arc;

use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::notify::TokenEar;
use super::runtime::Background;
use super::session::Session;
use super::ui::{FAINT, NOTICE, PLAIN, STRONG, Ui};
use super::watch::watched;
use super::{approve, runtime, show};
use crate::app::gate::Confirmation;
use crate::app::submit::RunOrder;
use crate::app::{App, AppError};
use crate::domain::agent::budget::Budgets;
use crate::domain::agent::role::Roles;
use crate::domain::gate::Gate;
use crate::domain::id::{EventSeq, RepoSlug, RunId};
use crate::domain::next::Wait;
use crate::domain::run::Run;
use crate::domain::spec::Delivery;

/// Tries to remove what was made, while something that was cut off may still write there.
const REMOVALS: usize = 5;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the pull request is opened: in a bare repository on this disk, or at a fake GitHub that is started for it
    #[arg(long, value_enum, value_name = "FORGE", default_value_t = DemoForge::Local)]
    forge: DemoForge,
    /// Give all confirmations from this command line instead of asking
    #[arg(long)]
    yes_both: bool,
    /// Leave the store, the repositories and the workspace where they are
    #[arg(long)]
    keep: bool,
}

/// Where the demo's pull request is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum DemoForge {
    /// A bare repository on this disk
    Local,
    /// A GitHub of its own on loopback: REST, GraphQL, git over HTTP, signed webhooks
    FakeGithub,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    // Before anything is made: from here on a signal is an order to clear up.
    let background = Background::new()?;
    let place = tempfile::Builder::new()
        .prefix("agentpr-demo-")
        .tempdir()
        .map_err(|err| CliError::App(AppError::Invalid(format!("no place for the demo: {err}"))))?;
    // Links are followed once, here: what is shown later is then where things really are.
    let dir = place.path().canonicalize().unwrap_or_else(|_| place.path().to_owned());
    let outcome = match args.forge {
        DemoForge::Local => local::tell(session, args, &dir, &background),
        DemoForge::FakeGithub => github::tell(session, args, &dir, &background),
    };
    drop(background);
    if args.keep {
        let path = place.keep();
        let ui = &session.ui;
        ui.note(format!("everything is left in {}; remove it when you have seen enough", path.display()));
    } else {
        let path = place.path().display().to_string();
        if !remove(place) {
            session.ui.note(format!("{path} could not be removed as a whole; remove what is left by hand"));
        } else if outcome.is_ok() {
            session.ui.note("everything it made is removed again; --keep leaves it");
        }
    }
    outcome
}

/// Removes a folder with all that is in it; says whether it is gone.
fn remove(place: tempfile::TempDir) -> bool {
    // Held no longer: it is removed here, as often as it takes.
    let path = place.keep();
    (0..REMOVALS).any(|_| std::fs::remove_dir_all(&path).is_ok() || !path.exists())
}

/// The stage of a demo: an app of its own, with the run it tells about.
struct Stage<'a> {
    session: &'a Session<'a>,
    args: &'a Args,
    background: &'a Background,
    app: Arc<App>,
    ear: Arc<TokenEar>,
}

impl<'a> Stage<'a> {
    fn new(session: &'a Session<'a>, args: &'a Args, background: &'a Background) -> Result<Self, CliError> {
        let ear = Arc::new(TokenEar::default());
        let app = Arc::new(session.open_new(Arc::clone(&ear) as Arc<_>)?);
        Ok(Self { session, args, background, app, ear })
    }

    fn ui(&self) -> &'a Ui {
        &self.session.ui
    }

    /// Begins a part of the story, unless somebody has asked for the end.
    fn heading(&self, text: &str) -> Result<(), CliError> {
        self.background.go_on()?;
        if !self.ui().is_json() {
            self.ui().line("");
            self.ui().styled(STRONG, text);
        }
        Ok(())
    }

    /// Orders the run, with nothing of the operator's own settings of agents.
    fn submit(&self, repo: RepoSlug, task: String, agent: String, check: String) -> Result<RunId, CliError> {
        let order = RunOrder {
            run: None,
            repo,
            prompt_version: "demo".to_owned(),
            task,
            agent: Some(agent),
            model: None,
            roles: Some(Roles::default()),
            budgets: Some(Budgets::default()),
            checks: vec![check],
            base_branch: None,
            head_branch: None,
            remote: None,
            delivery: Delivery::Pr,
            title: None,
            limits: None,
            policy: None,
        };
        Ok(self.app.submit(order, &self.session.actor, None)?.run.id)
    }

    /// Drives the run until it waits for the two confirmations.
    fn drive(&self, run: &RunId, after: EventSeq) -> Result<Run, CliError> {
        let (ui, app) = (self.ui(), &*self.app);
        let driven = runtime::block_on(async |stop| {
            watched(ui, app, run, after, Box::pin(app.drive(run, &stop))).await
        })?;
        if driven.wait == Wait::Approval {
            return Ok(driven.run);
        }
        show::show(self.session, app, run)?;
        Err(CliError::step_failed(&driven.run, Exit::Failed))
    }

    /// Asks for both confirmations, or gives them where the command line did.
    fn confirm(&self, run: &RunId) -> Result<(), CliError> {
        let (ui, app) = (self.ui(), &self.app);
        let current = app.run(run)?;
        let (Gate::Open { request, .. }, Some(issued)) = (&current.gate, self.ear.heard()) else {
            return Err(CliError::step_failed(&current, Exit::Failed));
        };
        let token = if self.args.yes_both {
            if !ui.is_json() {
                ui.card(request, &app.usage_of(run)?);
                ui.pieces(&[
                    (NOTICE, "  first confirmation:  ".into()),
                    (PLAIN, "yes, by --yes-both".into()),
                ]);
                ui.pieces(&[
                    (NOTICE, "  second confirmation: ".into()),
                    (PLAIN, format!("{issued}, by --yes-both").into()),
                ]);
            }
            issued
        } else if ui.can_ask() {
            let (ui, app, run, request) = (ui.clone(), Arc::clone(app), run.clone(), request.clone());
            runtime::ask(move || {
                approve::ask_first(&ui, &app, &run, &request)?;
                approve::ask_token(&ui, &app, &run, &issued)
            })?
        } else {
            return Err(CliError::person_needed(
                &current,
                "nobody is at a terminal to confirm",
                match self.args.forge {
                    DemoForge::Local => "agentpr demo --yes-both".to_owned(),
                    DemoForge::FakeGithub => "agentpr demo --forge fake-github --yes-both".to_owned(),
                },
            ));
        };
        let confirmation = Confirmation { token, confirmed: true, claimed: None };
        runtime::look(app.confirm(run, &confirmation, &self.session.actor))?;
        Ok(())
    }

    /// Shows a check before the repair.
    fn show_failing(&self, check: &str, failing: &(i32, String)) {
        let ui = self.ui();
        if ui.is_json() {
            return;
        }
        ui.line(format!("  $ {check}"));
        self.show_log(&failing.1);
        ui.styled(NOTICE, format!("  exit code {}", failing.0));
    }

    fn show_log(&self, log: &str) {
        for line in log.lines() {
            self.ui().styled(FAINT, format!("  {line}"));
        }
    }

    fn show_diff(&self, diff: &[u8]) {
        if self.ui().is_json() {
            return;
        }
        for line in String::from_utf8_lossy(diff).lines() {
            self.ui().styled(if line.starts_with(['+', '-']) { PLAIN } else { FAINT }, format!("  {line}"));
        }
    }
}

/// Says what is real and what stands in.
fn introduce(ui: &Ui, lines: &[&str], dir: &Path) {
    if ui.is_json() {
        return;
    }
    ui.styled(STRONG, "agentpr demo");
    for line in lines {
        ui.line(format!("  {line}"));
    }
    ui.styled(FAINT, format!("  in {}", dir.display()));
}
