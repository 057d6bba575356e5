//! Errors for people and machines: the one place that phrases them, with what to do next and the exit code.

use serde_json::{Value, json};

use super::doctor;
use super::exit::Exit;
use super::told::{self, Told};
use super::ui::{BAD, FAINT, PLAIN, STRONG, Ui};
use super::words;
use crate::app::doctor::{Profile, Report};
use crate::app::{AppError, StoreError};
use crate::config::ConfigError;
use crate::domain::id::{InvalidId, RunId};
use crate::domain::run::Run;
use crate::domain::state::State;
use crate::domain::time::Timestamp;

/// What a command ends with: an exit code that needs no more words, or an error.
pub(super) type Outcome = Result<Exit, CliError>;

/// Why a command did not do what it is for.
#[derive(Debug)]
pub(super) enum CliError {
    /// The app said so.
    App(AppError),
    /// The settings make no sense.
    Config(ConfigError),
    /// What was typed makes no sense.
    Usage { message: String, hint: String },
    /// Something the command needs is missing.
    NotReady { profile: Profile, report: Report },
    /// It was done, and ended otherwise than wanted.
    Ended { run: RunId, state: State, message: String, code: String, hint: String, exit: Exit },
    /// What is asked for is not there.
    Absent { message: String, hint: String },
    /// A signal came.
    Interrupted,
}

impl CliError {
    /// A usage error with what to do about it.
    pub(super) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: hint.into() }
    }

    /// Something that is not there, with what to do about it.
    pub(super) fn absent(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Absent { message: message.into(), hint: hint.into() }
    }

    /// A person has to act before this goes on.
    pub(super) fn person_needed(run: &Run, message: impl Into<String>, hint: String) -> Self {
        let code = "person_needed".to_owned();
        Self::Ended {
            run: run.id.clone(),
            state: run.state,
            message: message.into(),
            code,
            hint,
            exit: Exit::Gate,
        }
    }

    /// A run that waits for an allowance: it goes on by itself, but not in this process.
    pub(super) fn parked(run: &Run, until: Timestamp) -> Self {
        let pool = run.parked.as_ref().map_or("", |parked| parked.pool.as_str());
        let (id, when) = (&run.id, words::when(until));
        Self::Ended {
            run: id.clone(),
            state: run.state,
            message: format!("the allowance of `{pool}` is used up; the run waits for it until {when}"),
            code: "quota_exhausted".to_owned(),
            hint: format!(
                "`agentpr run-manager-loop --run-id {id}`, or a daemon, goes on with it then; `agentpr quota --clear {pool}` says that the allowance is there already"
            ),
            exit: Exit::Later,
        }
    }

    /// A pull request that was confirmed and that the forge does not take now: it is opened by itself, but not in this process.
    pub(super) fn forge_limited(run: &Run, until: Timestamp) -> Self {
        let (id, when) = (&run.id, words::when(until));
        Self::Ended {
            run: id.clone(),
            state: run.state,
            message: format!(
                "the confirmation is recorded, and the forge takes nothing for now; it is tried again at {when}, unless the confirmation \
                 expires before"
            ),
            code: "remote_limited".to_owned(),
            hint: format!("`agentpr run-manager-loop --run-id {id}`, or a daemon, goes on with it then"),
            exit: Exit::Later,
        }
    }

    /// A step that failed, in the words of the run's last error, or of its state when it has none.
    pub(super) fn step_failed(run: &Run, exit: Exit) -> Self {
        let (message, code) = match &run.last_error {
            Some(error) => (error.to_string(), error.reason_code.clone()),
            None if run.reason.message.is_empty() => {
                (format!("the run is {}", run.state), run.reason.code.clone())
            }
            None => (run.reason.message.clone(), run.reason.code.clone()),
        };
        let hint = format!("agentpr show {}", run.id);
        Self::Ended { run: run.id.clone(), state: run.state, message, code, hint, exit }
    }
}

impl From<AppError> for CliError {
    fn from(err: AppError) -> Self {
        Self::App(err)
    }
}

impl From<StoreError> for CliError {
    fn from(err: StoreError) -> Self {
        Self::App(err.into())
    }
}

impl From<InvalidId> for CliError {
    fn from(err: InvalidId) -> Self {
        Self::App(err.into())
    }
}

impl From<ConfigError> for CliError {
    fn from(err: ConfigError) -> Self {
        Self::Config(err)
    }
}

/// Says an error on the channel where it is expected: a document on standard output, or lines on standard error.
pub(super) fn report(ui: &Ui, err: &CliError) -> Exit {
    let told = tell(err);
    if ui.is_json() {
        ui.document(&document(ui, err, &told));
        return told.exit;
    }
    let mut lines = told.message.lines();
    ui.note_pieces(&[(BAD, "error: ".into()), (STRONG, lines.next().unwrap_or_default().into())]);
    for line in lines {
        ui.note(format!("  {line}"));
    }
    if let CliError::NotReady { report, .. } = err {
        doctor::note_failures(ui, report);
    }
    for hint in &told.hints {
        ui.note_pieces(&[(FAINT, "hint: ".into()), (PLAIN, ui.command(hint).into())]);
    }
    told.exit
}

/// Says what clap found wrong, or the help it was asked for.
pub(super) fn usage(ui: &Ui, err: &clap::Error) -> Exit {
    let asked = !err.use_stderr();
    if asked {
        ui.own_text(err.render().ansi().to_string().as_bytes());
        return Exit::Ok;
    }
    let text = err.render().to_string();
    if ui.is_json() {
        let message = text.trim().trim_start_matches("error: ").lines().next().unwrap_or_default().to_owned();
        let hint = "agentpr --help";
        ui.document(&json!({ "ok": false, "error": message, "code": "usage", "hint": hint }));
    } else {
        for line in text.trim_end().lines() {
            ui.note(line);
        }
    }
    Exit::Usage
}

fn document(ui: &Ui, err: &CliError, told: &Told) -> Value {
    let hints: Vec<String> = told.hints.iter().map(|hint| ui.command(hint)).collect();
    let mut document = json!({
        "ok": false,
        "error": told.message,
        "code": told.code,
        "hint": hints.join("; "),
    });
    if let Some(fields) = document.as_object_mut() {
        if let Some(run) = &told.run {
            fields.insert("run_id".to_owned(), json!(run.as_str()));
        }
        if let Some(state) = told.state {
            fields.insert("state".to_owned(), json!(state.name()));
        }
        if let CliError::NotReady { report, .. } = err {
            fields.insert("report".to_owned(), doctor::document(ui, report));
        }
    }
    document
}

fn tell(err: &CliError) -> Told {
    match err {
        CliError::App(err) => told::app(err),
        CliError::Config(err) => Told::new(err, "config", Exit::Usage)
            .hint("`agentpr config path` names the settings file, docs/config.example.toml shows every key"),
        CliError::Usage { message, hint } => Told::new(message, "usage", Exit::Usage).hint(hint),
        CliError::NotReady { profile, report } => {
            let mut failures = report.failures();
            failures.truncate(3);
            let message = format!(
                "startup doctor gate failed ({}): {}. Run `agentpr doctor` for full details.",
                profile.name(),
                failures.join("; ")
            );
            Told::new(&message, "not_ready", Exit::NotReady).hint("agentpr doctor")
        }
        CliError::Ended { run, state, message, code, hint, exit } => {
            Told::new(message, code.clone(), *exit).about(run, Some(*state)).hint(hint)
        }
        CliError::Absent { message, hint } => Told::new(message, "not_found", Exit::NotFound).hint(hint),
        CliError::Interrupted => Told::new(
            "interrupted; everything done until then is in the log",
            "interrupted",
            Exit::Interrupted,
        )
        .hint("the same command goes on where it stopped; `agentpr list` shows where the runs stand"),
    }
}
