//! The command line: one file for each command, `ui` prints, `error` phrases, and nothing here decides.

mod actions;
mod agent_args;
mod agent_step;
mod agents;
mod approve;
mod approve_pr;
mod arg;
mod auth;
mod card;
mod completions;
mod config_show;
mod cost;
mod create_run;
mod demo;
mod diff;
mod doctor;
mod error;
mod event_line;
mod events;
mod exit;
mod export;
mod export_fsm;
mod gc;
mod init_db;
mod list;
mod logs;
mod manager;
mod notify;
mod pipeline_spec;
mod plan;
mod policy_args;
mod preflight;
mod pulse;
mod quota;
mod replay;
mod request_pr;
mod run;
mod run_finish;
mod run_prepare;
mod runtime;
mod session;
mod show;
mod show_forge;
mod show_json;
mod show_judged;
mod steer;
mod sync;
mod told;
mod ui;
mod upkeep;
mod usage;
mod verify;
mod verify_view;
mod watch;
mod webhook;
mod webhook_reconcile;
mod webhook_serve;
mod webhook_view;
mod why;
mod words;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

use crate::app::verify::Verifier;
use crate::app::{App, AppError, FakeForge, Masking, OperatorNotifier};
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

    /// Knows the secrets that must not be printed.
    fn masking(&self, config: &Config) -> Arc<dyn Masking>;

    /// Puts together what verifies directories and carries out logins; it needs no store.
    ///
    /// # Errors
    /// [`AppError::Invalid`] for settings that make no sense.
    fn verifier(&self, config: &Config) -> Result<Arc<dyn Verifier>, AppError>;

    /// Starts the fake GitHub of the demo, with everything of its own below `dir`; it ends when the last of these is dropped.
    ///
    /// # Errors
    /// [`AppError::FakeForge`] when the program is not there or does not start.
    fn fake_forge(&self, config: &Config, dir: &Path) -> Result<Arc<dyn FakeForge>, AppError>;
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

/// Where a newcomer begins.
const BEGIN: &str = "\
Begin with `agentpr demo`, then `agentpr run --repo . --task \"...\" --agent codex`; `agentpr agents` says
which agents are ready, and any other program runs as --agent 'command:PROGRAM ARGS'.
The commands from create-run on order by hand, one by one, what the engine does by itself.";

/// The promise to scripts, as `docs/configuration.md` has it.
const EXIT_CODES: &str = "\
Exit codes:
  0    done, or there was nothing to do
  1    failed, or not PASS, or not possible from the run's state
  2    usage or settings
  3    the gate refused, or a person is needed
  4    not found
  5    conflict or stale
  7    machine or workspace is not ready
  75   try again later
  130  interrupted";

/// Takes a task on a repository to a pull request with any coding agent
///
/// Every step is an event, every check is run again by the engine, and a person confirms twice before anything leaves this
/// machine.
#[derive(Debug, Parser)]
#[command(
    name = "agentpr",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = BEGIN,
    after_long_help = format!("{BEGIN}\n\n{EXIT_CODES}")
)]
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
    /// Accepted as the first agentpr had it; nothing is read from there [variable: AGENTPR_INTEGRATION_ROOT]
    #[arg(long, global = true, value_name = "PATH")]
    integration_root: Option<PathBuf>,
    /// Where store, logs and repositories lie [variable: AGENTPR_DATA_DIR]
    #[arg(long, global = true, value_name = "PATH")]
    data_dir: Option<PathBuf>,
    /// The settings file [variable: AGENTPR_CONFIG]
    #[arg(long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,
    /// A file with the token for GitHub, which only its owner can read [variable: AGENTPR_GITHUB_TOKEN_FILE]
    #[arg(long, global = true, value_name = "PATH")]
    github_token_file: Option<PathBuf>,
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
            github_token_file: self.github_token_file.clone(),
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the store
    #[command(display_order = 20)]
    InitDb,
    /// Look whether this machine is ready for work
    #[command(display_order = 21)]
    Doctor(doctor::Args),
    /// List the agents of this machine, how they are logged in, and what is wrong with them
    #[command(display_order = 22)]
    Agents(agents::Args),
    /// Create a run
    #[command(display_order = 40)]
    CreateRun(Box<create_run::Args>),
    /// Hand a task to the engine and return at once
    #[command(display_order = 3)]
    Submit(Box<create_run::SubmitArgs>),
    /// List runs, the latest first
    #[command(visible_alias = "list-runs", display_order = 4)]
    List(list::Args),
    /// Show where a run stands, why, and what moves it on
    #[command(visible_alias = "show-run", display_order = 5)]
    Show(show::Args),
    /// Do a task on a repository of this machine, from order to pull request
    #[command(display_order = 2)]
    Run(Box<run::Args>),
    /// Confirm a pull request twice, at a terminal, and open it
    #[command(display_order = 10)]
    Approve(approve::Args),
    /// Show the whole way on a sample repository made for it
    #[command(display_order = 1)]
    Demo(demo::Args),
    /// Print the end of what an attempt's program printed
    #[command(display_order = 8)]
    Logs(logs::Args),
    /// Print the log of events
    #[command(display_order = 6)]
    Events(events::Args),
    /// Tell how a run came to be where it is
    #[command(display_order = 7)]
    Why(why::Args),
    /// Print a run's newest change
    #[command(display_order = 9)]
    Diff(diff::Args),
    /// Verify a directory by its contract, as it is, and say whether it passes
    #[command(display_order = 15)]
    Verify(Box<verify::Args>),
    /// Log in, at this terminal, to what a run's checks need
    #[command(display_order = 16)]
    Auth(auth::Args),
    /// Make a run's workspace
    #[command(display_order = 42)]
    RunPrepare(run_prepare::Args),
    /// Look whether a run's workspace is ready for an agent
    #[command(display_order = 44)]
    RunPreflight(preflight::Args),
    /// Let an agent do one step, and check what it did
    #[command(display_order = 46)]
    RunAgentStep(Box<agent_step::Args>),
    /// Commit, check and push what is in the workspace
    #[command(display_order = 48)]
    RunFinish(run_finish::Args),
    /// Ask for a pull request; prints the token that confirms it, once
    #[command(display_order = 50)]
    RequestOpenPr(request_pr::Args),
    /// Confirm a request with its token and open the pull request
    #[command(display_order = 51)]
    ApproveOpenPr(approve_pr::Args),
    /// Do what is due, once
    #[command(display_order = 25)]
    ManagerTick(manager::TickArgs),
    /// Do what is due, again and again
    #[command(display_order = 24)]
    RunManagerLoop(manager::LoopArgs),
    #[command(flatten)]
    Steer(steer::Command),
    /// Show what agents used: tokens, money, time
    #[command(display_order = 17)]
    Usage(usage::Args),
    /// Show whose allowance is used up and which runs wait, or say that one is there again
    #[command(display_order = 18)]
    Quota(quota::Args),
    /// Read or pin the verification contract, the file that says how changes are judged
    #[command(subcommand, display_order = 26)]
    PipelineSpec(pipeline_spec::Command),
    /// Read a plan file, and keep its books by hand
    #[command(subcommand, display_order = 27)]
    Plan(plan::Command),
    /// Show what an agent asks the engine to do for it, and decide about it
    #[command(display_order = 15)]
    Actions(actions::Args),
    /// Ask where pull requests stand, and record what is news
    #[command(display_order = 28)]
    SyncGithub(sync::Args),
    /// Take deliveries of GitHub's webhooks in
    #[command(display_order = 29)]
    RunGithubWebhook(webhook_serve::Args),
    /// Look into deliveries of webhooks, and fetch those that did not come
    #[command(subcommand, display_order = 29)]
    Webhook(webhook::Command),
    /// Forget old deliveries of webhooks
    #[command(display_order = 36)]
    CleanupWebhookDeliveries(webhook::CleanupArgs),
    /// Read the whole log and say whether it is sound
    #[command(display_order = 30)]
    VerifyLog,
    /// Make every row again from the events
    #[command(display_order = 34)]
    RebuildProjections,
    /// Show a run as it was at some event or time
    #[command(display_order = 31)]
    Replay(replay::Args),
    /// Print every event as one JSON document a line
    #[command(display_order = 32)]
    Export(export::Args),
    /// Copy the store while it is in use
    #[command(display_order = 33)]
    Backup(upkeep::BackupArgs),
    /// Give back what finished runs left on the disk
    #[command(display_order = 35)]
    Gc(gc::Args),
    /// Show the settings
    #[command(subcommand, display_order = 22)]
    Config(config_show::Command),
    /// Print a completion script for a shell
    #[command(display_order = 23)]
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
        Command::Agents(args) => agents::execute(session, args),
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
        Command::Verify(args) => verify::execute(session, args),
        Command::Auth(args) => auth::execute(session, args),
        Command::RunPrepare(args) => run_prepare::execute(session, args),
        Command::RunPreflight(args) => preflight::execute(session, args),
        Command::RunAgentStep(args) => agent_step::execute(session, args),
        Command::RunFinish(args) => run_finish::execute(session, args),
        Command::RequestOpenPr(args) => request_pr::execute(session, args),
        Command::ApproveOpenPr(args) => approve_pr::execute(session, args),
        Command::ManagerTick(args) => manager::tick(session, args),
        Command::RunManagerLoop(args) => manager::run_loop(session, args),
        Command::Steer(command) => steer::execute(session, command),
        Command::PipelineSpec(command) => pipeline_spec::execute(session, command),
        Command::Plan(command) => plan::execute(session, command),
        Command::Actions(args) => actions::execute(session, args),
        Command::Usage(args) => usage::execute(session, args),
        Command::Quota(args) => quota::execute(session, args),
        Command::SyncGithub(args) => sync::execute(session, args),
        Command::RunGithubWebhook(args) => webhook_serve::execute(session, args),
        Command::Webhook(command) => webhook::execute(session, command),
        Command::CleanupWebhookDeliveries(args) => webhook::cleanup(session, args),
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
