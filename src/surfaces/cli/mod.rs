//! The command line: one file for each command, [`ui`] prints, [`error`] phrases, and nothing here decides.

mod agent_step;
mod approve;
mod approve_pr;
mod arg;
mod card;
mod completions;
mod config_show;
mod create_run;
mod demo;
mod diff;
mod doctor;
mod error;
mod event_line;
mod events;
mod exit;
mod export;
mod gc;
mod init_db;
mod list;
mod logs;
mod manager;
mod notify;
mod preflight;
mod replay;
mod request_pr;
mod run;
mod run_finish;
mod run_prepare;
mod runtime;
mod session;
mod show;
mod show_json;
mod steer;
mod told;
mod ui;
mod upkeep;
mod watch;
mod why;
mod words;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

use crate::app::{App, AppError, OperatorNotifier};
use crate::config::{Config, Environment, Flags};
use error::Outcome;
use session::Session;
use ui::Ui;

/// Puts the app together; `daemon.rs` does, tests may.
pub trait Wire {
    /// Opens the app over the store that `config` names.
    ///
    /// # Errors
    /// The store's when it is missing, newer, damaged or unavailable.
    fn open(
        &self,
        config: &Config,
        access: Access,
        notifier: Arc<dyn OperatorNotifier>,
    ) -> Result<App, AppError>;
}

/// What a command does with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reads it; it must be there.
    Read,
    /// Appends to it; it must be there.
    Write,
    /// Makes it when it is not there.
    Create,
    /// Makes it when it is not there and nobody named it by flag, variable or file: a wrong path is an error.
    CreateDefault,
}

/// Takes a task on a repository to a pull request with any coding agent
///
/// Every step is an event, every check is run again by the engine, and a person confirms twice before anything leaves this
/// machine.
#[derive(Debug, Parser)]
#[command(name = "agentpr", version, arg_required_else_help = true, subcommand_required = true)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command, before or after its name.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
struct Globals {
    /// The store [variable: AGENTPR_DB] [default: agentpr.db in the data directory]
    #[arg(long, global = true, value_name = "PATH")]
    db: Option<PathBuf>,
    /// Where agents work [variable: AGENTPR_BASE_DIR]
    #[arg(long, global = true, value_name = "PATH")]
    workspace_root: Option<PathBuf>,
    /// Where contracts and templates of the operator lie [variable: AGENTPR_INTEGRATION_ROOT]
    #[arg(long, global = true, value_name = "PATH")]
    integration_root: Option<PathBuf>,
    /// Where store, logs and repositories lie [variable: AGENTPR_DATA_DIR]
    #[arg(long, global = true, value_name = "PATH")]
    data_dir: Option<PathBuf>,
    /// The settings file [variable: AGENTPR_CONFIG]
    #[arg(long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,
    /// Do not look for programs and directories first
    #[arg(long, global = true)]
    skip_doctor: bool,
    /// Print documents for machines
    #[arg(long, global = true)]
    json: bool,
    /// Who acts, as the log will say [variable: USER]
    #[arg(long, global = true, value_name = "NAME")]
    actor: Option<String>,
}

impl Globals {
    fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            data_dir: self.data_dir.clone(),
            db: self.db.clone(),
            workspace_root: self.workspace_root.clone(),
            integration_root: self.integration_root.clone(),
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the store
    InitDb,
    /// Look whether this machine is ready for work
    Doctor(doctor::Args),
    /// Create a run
    CreateRun(Box<create_run::Args>),
    /// Hand a task to the engine and return at once
    Submit(Box<create_run::SubmitArgs>),
    /// List runs, the latest first
    #[command(visible_alias = "list-runs")]
    List(list::Args),
    /// Show where a run stands, why, and what moves it on
    #[command(visible_alias = "show-run")]
    Show(show::Args),
    /// Do a task on a repository of this machine, from order to pull request
    Run(Box<run::Args>),
    /// Confirm a pull request twice, at a terminal, and open it
    Approve(approve::Args),
    /// Show the whole way on a sample repository made for it
    Demo(demo::Args),
    /// Print the end of what an attempt's program printed
    Logs(logs::Args),
    /// Print the log of events
    Events(events::Args),
    /// Tell how a run came to be where it is
    Why(why::Args),
    /// Print a run's newest change
    Diff(diff::Args),
    /// Make a run's workspace
    RunPrepare(run_prepare::Args),
    /// Look whether a run's workspace is ready for an agent
    RunPreflight(preflight::Args),
    /// Let an agent do one step, and check what it did
    RunAgentStep(Box<agent_step::Args>),
    /// Commit, check and push what is in the workspace
    RunFinish(run_finish::Args),
    /// Ask for a pull request; prints the token that confirms it, once
    RequestOpenPr(request_pr::Args),
    /// Confirm a request with its token and open the pull request
    ApproveOpenPr(approve_pr::Args),
    /// Do what is due, once
    ManagerTick(manager::TickArgs),
    /// Do what is due, again and again
    RunManagerLoop(manager::LoopArgs),
    #[command(flatten)]
    Steer(steer::Command),
    /// Read the whole log and say whether it is sound
    VerifyLog,
    /// Make every row again from the events
    RebuildProjections,
    /// Show a run as it was at some event or time
    Replay(replay::Args),
    /// Print every event as one JSON document a line
    Export(export::Args),
    /// Copy the store while it is in use
    Backup(upkeep::BackupArgs),
    /// Give back what finished runs left on the disk
    Gc(gc::Args),
    /// Show the settings
    #[command(subcommand)]
    Config(config_show::Command),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

/// Runs one call of the program and says its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>, environment: &Environment, wire: &dyn Wire) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    let wants_json = args.iter().any(|arg| arg == "--json");
    let (ui, outcome) = match Cli::try_parse_from(&args) {
        Err(err) => return error::usage(&Ui::new(wants_json), &err).code(),
        // The script is the same whatever the settings say, also where they cannot be read.
        Ok(Cli { command: Command::Completions(args), globals }) => {
            (Ui::new(globals.json), Ok(completions::execute(&Ui::new(globals.json), &args)))
        }
        Ok(cli) => match Session::new(&cli.globals, environment, wire) {
            Err(err) => (Ui::new(cli.globals.json), Err(err)),
            Ok(session) => {
                let outcome = dispatch(&session, &cli.command);
                (session.ui, outcome)
            }
        },
    };
    outcome.unwrap_or_else(|err| error::report(&ui, &err)).code()
}

fn dispatch(session: &Session<'_>, command: &Command) -> Outcome {
    match command {
        Command::InitDb => init_db::execute(session),
        Command::Doctor(args) => doctor::execute(session, args),
        Command::CreateRun(args) => create_run::execute(session, args),
        Command::Submit(args) => create_run::submit(session, args),
        Command::List(args) => list::execute(session, args),
        Command::Show(args) => show::execute(session, args),
        Command::Run(args) => run::execute(session, args),
        Command::Approve(args) => approve::execute(session, args),
        Command::Demo(args) => demo::execute(session, args),
        Command::Logs(args) => logs::execute(session, args),
        Command::Events(args) => events::execute(session, args),
        Command::Why(args) => why::execute(session, args),
        Command::Diff(args) => diff::execute(session, args),
        Command::RunPrepare(args) => run_prepare::execute(session, args),
        Command::RunPreflight(args) => preflight::execute(session, args),
        Command::RunAgentStep(args) => agent_step::execute(session, args),
        Command::RunFinish(args) => run_finish::execute(session, args),
        Command::RequestOpenPr(args) => request_pr::execute(session, args),
        Command::ApproveOpenPr(args) => approve_pr::execute(session, args),
        Command::ManagerTick(args) => manager::tick(session, args),
        Command::RunManagerLoop(args) => manager::run_loop(session, args),
        Command::Steer(command) => steer::execute(session, command),
        Command::VerifyLog => upkeep::verify(session),
        Command::RebuildProjections => upkeep::rebuild(session),
        Command::Replay(args) => replay::execute(session, args),
        Command::Export(args) => export::execute(session, args),
        Command::Backup(args) => upkeep::backup(session, args),
        Command::Gc(args) => gc::execute(session, args),
        Command::Config(command) => config_show::execute(session, command),
        Command::Completions(args) => Ok(completions::execute(&session.ui, args)),
    }
}
