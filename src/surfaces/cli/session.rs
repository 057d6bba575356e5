//! What every command works with: terminal, settings, the person, and the way to the app.

use std::path::Path;
use std::sync::Arc;

use super::error::CliError;
use super::notify::TokenPrinter;
use super::ui::Ui;
use super::{Access, Globals, Wire};
use crate::app::doctor::Profile;
use crate::app::verify::Verifier;
use crate::app::{App, AppError, FakeForge, FakePlace, OperatorNotifier};
use crate::config::{Config, Environment, ForgeChoice, GitHubSettings, Origin, Sourced};
use crate::domain::actor::Actor;
use crate::domain::id::RunId;
use crate::domain::run::Run;

/// One call of the program.
pub(super) struct Session<'a> {
    pub(super) ui: Ui,
    pub(super) config: Config,
    pub(super) actor: Actor,
    skip_doctor: bool,
    wire: &'a dyn Wire,
}

impl<'a> Session<'a> {
    /// Reads settings and says who acts.
    pub(super) fn new(
        globals: &Globals,
        environment: &Environment,
        wire: &'a dyn Wire,
    ) -> Result<Self, CliError> {
        let config = Config::load(&globals.flags(), environment)?;
        let actor = actor(globals, &config)?;
        let ui = Ui::new(globals.json).with_program(program(&config)).with_masking(wire.masking(&config));
        Ok(Self { ui, config, actor, skip_doctor: globals.skip_doctor, wire })
    }

    /// Opens the app; tokens that are issued meanwhile are printed once.
    pub(super) fn open(&self, access: Access) -> Result<App, CliError> {
        self.open_with(access, Arc::new(TokenPrinter::new(self.ui.clone())))
    }

    /// Opens the app with another ear for tokens.
    pub(super) fn open_with(
        &self,
        access: Access,
        notifier: Arc<dyn OperatorNotifier>,
    ) -> Result<App, CliError> {
        Ok(self.wire.open(&self.config, access, notifier)?)
    }

    /// The same session with everything below `dir`, no other setting of places, and the fake GitHub as its only forge, or the local
    /// one where there is none.
    pub(super) fn moved_to(&self, dir: &Path, fake: Option<&FakePlace>) -> Self {
        let mut config = self.config.clone();
        if let Some(fake) = fake {
            config.github = GitHubSettings::of_loopback(&fake.api_url, &fake.web_url, &fake.token);
        }
        let choice = if fake.is_some() { ForgeChoice::GitHub } else { ForgeChoice::Local };
        config.forge = Sourced { value: choice, origin: Origin::Default };
        let at = |name: &str| Sourced { value: dir.join(name), origin: Origin::Default };
        config.data_dir = Sourced { value: dir.to_owned(), origin: Origin::Flag };
        config.db = at("agentpr.db");
        config.workspace_root = at("workspaces");
        config.integration_root = at("integration");
        config.forge_root = at("forge");
        Session {
            ui: self.ui.clone().with_program(program(&config)),
            config,
            actor: self.actor.clone(),
            skip_doctor: self.skip_doctor,
            wire: self.wire,
        }
    }

    /// Starts the fake GitHub of the demo below `dir`.
    pub(super) fn fake_forge(&self, dir: &Path) -> Result<Arc<dyn FakeForge>, CliError> {
        Ok(self.wire.fake_forge(&self.config, dir)?)
    }

    /// What verifies directories and carries out logins.
    pub(super) fn verifier(&self) -> Result<Arc<dyn Verifier>, CliError> {
        Ok(self.wire.verifier(&self.config)?)
    }

    /// Makes the store and opens the app over it, with another ear for tokens.
    pub(super) fn open_new(&self, notifier: Arc<dyn OperatorNotifier>) -> Result<App, CliError> {
        Ok(self.wire.open(&self.config, Access::Create, notifier)?)
    }

    /// Opens the app over a new store at `db`, which nobody will miss.
    pub(super) fn open_elsewhere(&self, db: &std::path::Path) -> Result<App, CliError> {
        let mut config = self.config.clone();
        config.db.value = db.to_owned();
        Ok(self.wire.open(&config, Access::Create, Arc::new(TokenPrinter::new(self.ui.clone())))?)
    }

    /// Opens the app for a look that has nothing to do with the store: over an empty one that is gone afterwards.
    pub(super) fn without_store<T>(
        &self,
        look: impl FnOnce(&App) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        let directory = tempfile::tempdir().map_err(|err| {
            CliError::from(AppError::Invalid(format!("no temporary directory can be made: {err}")))
        })?;
        look(&self.open_elsewhere(&directory.path().join("look.db"))?)
    }

    /// Opens the app for a kind of command, and looks whether what it needs is there.
    ///
    /// The agent is not looked at: which one a step uses is known to the step.
    pub(super) fn open_ready(&self, access: Access, profile: Profile) -> Result<App, CliError> {
        let app = self.open(access)?;
        self.ready(&app, profile, None)?;
        Ok(app)
    }

    /// The automatic gate, unless `--skip-doctor` was given; `run` is the one the command is about, when it is about one.
    pub(super) fn ready(&self, app: &App, profile: Profile, run: Option<&RunId>) -> Result<(), CliError> {
        if self.skip_doctor {
            return Ok(());
        }
        let report = app.gate_check(profile, run);
        if report.is_ok() { Ok(()) } else { Err(CliError::NotReady { profile, report }) }
    }

    /// Says on the result's channel what a run waits for and what moves it on.
    pub(super) fn say_next(&self, app: &App, run: &Run) {
        let (advice, _) = app.advice(run);
        if let Some(command) = advice.next.first() {
            self.ui.line(format!("next: {}", self.ui.command(command)));
        }
    }
}

fn actor(globals: &Globals, config: &Config) -> Result<Actor, CliError> {
    let name = globals
        .actor
        .clone()
        .or_else(|| config.parent_env.get("USER").filter(|user| !user.is_empty()).cloned());
    let name = name.unwrap_or_else(|| "operator".to_owned());
    if name.trim().is_empty() || name.len() > 100 || name.contains(char::is_control) {
        return Err(CliError::usage(
            "the actor's name must be 1 to 100 bytes of printable text",
            "name yourself with --actor NAME",
        ));
    }
    Ok(Actor::cli(name))
}

/// The program as it must be typed again: with the flags that say which store and which settings.
fn program(config: &Config) -> String {
    let flags = [
        ("--config", &config.file),
        ("--data-dir", &config.data_dir),
        ("--db", &config.db),
        ("--workspace-root", &config.workspace_root),
        ("--integration-root", &config.integration_root),
    ];
    let mut words = vec!["agentpr".to_owned()];
    for (flag, set) in flags {
        if set.origin == Origin::Flag {
            words.extend([flag.to_owned(), set.value.display().to_string()]);
        }
    }
    shell_words::join(words)
}
