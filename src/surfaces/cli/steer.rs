//! The verbs that append one event: each says afterwards where the run stands and what comes next.

use std::io::Read;
use std::path::Path;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::Access;
use super::arg::{KeyArg, RunArg, RunOption};
use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use crate::app::App;
use crate::app::doctor::Profile;
use crate::app::execute::{By, Executed};
use crate::domain::command as domain;
use crate::domain::evidence::Contract;
use crate::domain::id::{CommitSha, Digest, IdempotencyKey, PrNumber, RunId};
use crate::domain::state::State;

/// The verbs.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Begin discovery
    #[command(display_order = 41)]
    StartDiscovery(Plain),
    /// Accept a contract by hand
    #[command(display_order = 43)]
    MarkPlanReady {
        #[command(flatten)]
        plain: Plain,
        /// The contract; its digest is recorded when it can be read
        #[arg(long, value_name = "PATH")]
        contract_path: String,
    },
    /// Begin implementation
    #[command(display_order = 45)]
    StartImplementation(Plain),
    /// Say that there is a change worth checking
    #[command(display_order = 47)]
    MarkLocalValidated(Plain),
    /// Link a pull request that was opened by hand
    #[command(display_order = 52)]
    LinkPr {
        #[command(flatten)]
        plain: Plain,
        /// Its number
        #[arg(long, value_name = "N")]
        pr_number: u64,
    },
    /// Note how a check at the forge ended
    #[command(display_order = 53)]
    RecordCheck {
        #[command(flatten)]
        plain: Plain,
        /// `success`, `failure`, or another word of the forge
        #[arg(long, value_name = "WORD")]
        conclusion: String,
        /// The pull request it is about
        #[arg(long, value_name = "N")]
        pr_number: Option<u64>,
        /// The commit it is about
        #[arg(long, value_name = "SHA")]
        head_sha: Option<CommitSha>,
    },
    /// Note how a review at the forge ended
    #[command(display_order = 54)]
    RecordReview {
        #[command(flatten)]
        plain: Plain,
        /// `approved`, `changes_requested`, or another word of the forge
        #[arg(long, value_name = "WORD")]
        state: String,
        /// The commit it is about
        #[arg(long, value_name = "SHA")]
        head_sha: Option<CommitSha>,
    },
    /// Call a run done
    #[command(display_order = 55)]
    MarkDone(Plain),
    /// Pause a run, and stop what is under way
    #[command(display_order = 11)]
    Pause(Named),
    /// Go on with a paused run, where it was paused unless told otherwise
    #[command(display_order = 12)]
    Resume {
        #[command(flatten)]
        named: Named,
        /// Where to go on
        #[arg(long, value_name = "STATE")]
        target_state: Option<State>,
    },
    /// Try again, where it failed unless told otherwise
    #[command(display_order = 13)]
    Retry {
        #[command(flatten)]
        named: Named,
        /// Where to start again
        #[arg(long, value_name = "STATE")]
        target_state: Option<State>,
    },
    /// End a run without success
    #[command(display_order = 14)]
    Cancel {
        #[command(flatten)]
        named: Named,
        /// Why, for the log
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// Say that it is not wanted any more, rather than that it failed
        #[arg(long)]
        skip: bool,
    },
}

/// A run by option, and a key.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Plain {
    #[command(flatten)]
    run: RunOption,
    #[command(flatten)]
    key: KeyArg,
}

/// A run by place or option, and a key.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Named {
    #[command(flatten)]
    run: RunArg,
    #[command(flatten)]
    key: KeyArg,
}

/// A verb, ready to be carried out.
struct Order<'a> {
    run: &'a RunId,
    key: Option<&'a IdempotencyKey>,
    command: domain::Command,
    /// The event it records, by its stored name.
    event: &'static str,
    /// Whether programs and directories are looked at first.
    gated: bool,
}

impl<'a> Plain {
    fn order(&'a self, command: domain::Command, event: &'static str) -> Order<'a> {
        Order { run: &self.run.run_id, key: self.key.idempotency_key.as_ref(), command, event, gated: false }
    }
}

impl<'a> Named {
    fn order(&'a self, command: domain::Command, event: &'static str) -> Result<Order<'a>, CliError> {
        Ok(Order {
            run: self.run.get()?,
            key: self.key.idempotency_key.as_ref(),
            command,
            event,
            gated: false,
        })
    }
}

pub(super) fn execute(session: &Session<'_>, command: &Command) -> Outcome {
    let order = order(command)?;
    let app = if order.gated {
        session.open_ready(Access::Write, Profile::Basic)?
    } else {
        session.open(Access::Write)?
    };
    let by = By { actor: session.actor.clone(), key: order.key.cloned(), fence: None };
    let executed = app.execute(order.run, &order.command, &by)?;
    say(session, &app, &executed, order.event);
    Ok(Exit::Ok)
}

fn order(command: &Command) -> Result<Order<'_>, CliError> {
    use domain::Command as Ask;
    Ok(match command {
        Command::StartDiscovery(plain) => {
            Order { gated: true, ..plain.order(Ask::StartDiscovery, "command.start.discovery") }
        }
        Command::MarkPlanReady { plain, contract_path } => plain
            .order(Ask::MarkPlanReady { contract: contract(contract_path)? }, "worker.discovery.completed"),
        Command::StartImplementation(plain) => {
            Order { gated: true, ..plain.order(Ask::StartImplementation, "command.start.implementation") }
        }
        Command::MarkLocalValidated(plain) => {
            plain.order(Ask::MarkLocalValidated, "command.local.validation.passed")
        }
        Command::LinkPr { plain, pr_number } => {
            plain.order(Ask::LinkPr { number: number(*pr_number)?, url: None }, "command.pr.linked")
        }
        Command::RecordCheck { plain, conclusion, pr_number, head_sha } => {
            let ask = Ask::RecordCheck {
                conclusion: word("--conclusion", conclusion)?,
                head_sha: head_sha.clone(),
                pr_number: pr_number.map(number).transpose()?,
            };
            plain.order(ask, "github.check.completed")
        }
        Command::RecordReview { plain, state, head_sha } => {
            let ask = Ask::RecordReview { state: word("--state", state)?, head_sha: head_sha.clone() };
            plain.order(ask, "github.review.submitted")
        }
        Command::MarkDone(plain) => plain.order(Ask::MarkDone, "command.mark.done"),
        Command::Pause(named) => named.order(Ask::Pause, "command.pause")?,
        Command::Resume { named, target_state } => {
            named.order(Ask::Resume { target: *target_state }, "command.resume")?
        }
        Command::Retry { named, target_state } => {
            named.order(Ask::Retry { target: *target_state }, "command.retry")?
        }
        Command::Cancel { named, reason, skip } => {
            let reason = reason_text(reason)?;
            match skip {
                true => named.order(Ask::Skip { reason }, "command.skip")?,
                false => named.order(Ask::Cancel { reason }, "command.cancel")?,
            }
        }
    })
}

/// Says what a verb did, in the seed's document or in a sentence and the next command.
fn say(session: &Session<'_>, app: &App, executed: &Executed, event: &str) {
    let (ui, run) = (&session.ui, &executed.run);
    if ui.is_json() {
        ui.document(&json!({
            "run_id": run.id.as_str(),
            "event_type": event,
            "duplicate": executed.is_duplicate(),
            "state": run.state.name(),
            "phase": run.state.phase().name(),
        }));
        return;
    }
    let what = if executed.is_duplicate() { "was recorded before; run" } else { "is recorded; run" };
    ui.line(format!("`{event}` {what} {} is {} (phase {}).", run.id, run.state, run.state.phase()));
    session.say_next(app, run);
}

fn number(number: u64) -> Result<PrNumber, CliError> {
    PrNumber::new(number)
        .ok_or_else(|| CliError::usage("a pull request's number is 1 or more", "give --pr-number N"))
}

/// A word of the forge: lower-case, one line, and short enough to be shown.
fn word(name: &str, text: &str) -> Result<String, CliError> {
    let word = text.trim().to_lowercase();
    if word.is_empty() || word.len() > 100 || word.contains(char::is_control) {
        return Err(CliError::usage(
            format!("{name} must be a word of at most 100 bytes"),
            "for example `success`",
        ));
    }
    Ok(word)
}

fn reason_text(text: &str) -> Result<String, CliError> {
    if text.len() > 2_000 || text.contains(char::is_control) {
        return Err(CliError::usage("--reason must be one line of at most 2000 bytes", "say it in one line"));
    }
    Ok(text.trim().to_owned())
}

fn contract(path: &str) -> Result<Contract, CliError> {
    if path.trim().is_empty() || path.len() > 4_096 || path.contains(char::is_control) {
        return Err(CliError::usage("--contract-path must be a path", "name the contract's file"));
    }
    Ok(Contract { path: path.to_owned(), sha256: file_digest(Path::new(path)) })
}

/// SHA-256 of a regular file; `None` when it cannot be read, which is no error: the operator may keep it elsewhere.
fn file_digest(path: &Path) -> Option<Digest> {
    // Only a regular file: reading from a pipe could wait for ever.
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut file = std::fs::File::open(path).ok()?;
    let mut hasher = Sha256::new();
    let mut buffer = [0_u8; 16 * 1024];
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return Digest::new(hex::encode(hasher.finalize())).ok(),
            read => hasher.update(buffer.get(..read)?),
        }
    }
}
