//! `verify`: carries out the contract of a directory as it is, in place, and says whether it passes. Needs no store.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use super::{runtime, verify_view as view};
use crate::app::AppError;
use crate::app::verify::{Progress, TreeOrder, Unattended};
use crate::domain::confine::SandboxMode;
use crate::domain::evidence::CheckOutcome;
use crate::domain::id::RunId;
use crate::domain::policy::Policy;

/// The contract that is looked for when none is named.
const CONTRACT: &str = "pipeline.yml";

/// Bytes of a contract that are read; the reader refuses far smaller ones by name.
const CONTRACT_CAP: u64 = 4 * 1024 * 1024;

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The directory; commands run in it as it is, changed files included
    #[arg(long, value_name = "PATH", default_value = ".")]
    repo: PathBuf,
    /// The contract, relative to the directory [default: pipeline.yml, if it is there]
    #[arg(long, value_name = "FILE")]
    pipeline: Option<PathBuf>,
    /// A command that takes the place of the contract's tests; repeat for more
    #[arg(long = "test-cmd", value_name = "COMMAND")]
    test_cmds: Vec<String>,
    /// Where artifacts go [default: the contract's place, else .aider_fsm/artifacts]
    #[arg(long, value_name = "DIR")]
    artifacts_dir: Option<PathBuf>,
    /// Whether somebody sits here who can log in: `strict` is nobody, `guided` gives an interactive login this terminal
    #[arg(long, value_name = "MODE", value_parser = ["strict", "guided"], default_value = "strict")]
    unattended: String,
    /// Let the commands reach the network
    #[arg(long)]
    network: bool,
    /// What the commands are shut in with
    #[arg(long, value_name = "MODE", value_parser = ["auto", "read-only", "workspace-write", "danger-full-access"], default_value = "auto")]
    sandbox: String,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let repo = std::path::absolute(&args.repo).map_err(|err| AppError::Invalid(err.to_string()))?;
    if !repo.is_dir() {
        return Err(CliError::usage(
            format!("`{}` is not a directory", repo.display()),
            "name the directory to verify with --repo PATH",
        ));
    }
    let verifier = session.verifier()?;
    let ui = &session.ui;
    let contract = contract(&repo, args.pipeline.as_deref())?;
    if let Some((path, bytes)) = &contract {
        match verifier.read_contract(bytes) {
            Err(problems) => return Ok(view::bad_contract(ui, path, &problems)),
            Ok(found) if !ui.is_json() => view::warnings(ui, path, &found.warnings),
            Ok(_) => {}
        }
    }
    let sandbox = SandboxMode::of(&args.sandbox).unwrap_or_default();
    let policy = Policy { sandbox, checks_network: args.network, ..Policy::default() };
    let order = TreeOrder {
        id: id()?,
        tree: repo.clone(),
        artifacts: args.artifacts_dir.clone(),
        contract: contract.as_ref().map(|(_, bytes)| bytes.clone()),
        commands: args.test_cmds.clone(),
        unattended: if args.unattended == "guided" { Unattended::Guided } else { Unattended::Strict },
        confinement: policy.check_confinement(),
        limits: session.config.limits.of_check(),
    };
    if !ui.is_json() {
        view::begin(ui, &repo, contract.as_ref().map(|(path, _)| path.as_path()));
    }
    let tell = |progress: &Progress<'_>| {
        if !ui.is_json() {
            view::progress(ui, progress);
        }
    };
    let done = runtime::block_on(async |stop| Ok(verifier.verify(&order, &tell, &stop).await?))?;
    if ui.is_json() {
        ui.document(&view::document(&done));
    } else {
        view::answer(ui, &done);
    }
    Ok(match done.report.outcome() {
        CheckOutcome::Passed => Exit::Ok,
        CheckOutcome::Failed => Exit::Failed,
        CheckOutcome::NoEvidence => Exit::Gate,
        CheckOutcome::Blocked
            if done.report.blocked.as_ref().is_some_and(|b| b.code == "invalid_contract") =>
        {
            Exit::Usage
        }
        CheckOutcome::Blocked => Exit::Gate,
    })
}

/// The contract's path and bytes; `None` where none was named and none is there.
fn contract(repo: &Path, named: Option<&Path>) -> Result<Option<(PathBuf, Vec<u8>)>, CliError> {
    let path = repo.join(named.unwrap_or(Path::new(CONTRACT)));
    if named.is_none() && !path.is_file() {
        return Ok(None);
    }
    let refused = |why: String| {
        CliError::usage(
            format!("the contract `{}` cannot be read: {why}", path.display()),
            "name one with --pipeline FILE, relative to the directory",
        )
    };
    if !path.is_file() {
        return Err(refused("it is not a file".to_owned()));
    }
    let mut bytes = Vec::new();
    let read = std::fs::File::open(&path).and_then(|file| file.take(CONTRACT_CAP).read_to_end(&mut bytes));
    read.map_err(|err| refused(err.to_string()))?;
    Ok(Some((path, bytes)))
}

/// The seed's name for a run of the preflight, and the process, for two in one second.
fn id() -> Result<RunId, CliError> {
    let now = jiff::Timestamp::now().strftime("%Y%m%d_%H%M%S");
    Ok(RunId::new(format!("{now}-{}", std::process::id()))?)
}
