//! Verification where a person asks for it: of a directory as it is, and the login that needs a terminal.

use std::path::PathBuf;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::check::{CheckOrder, Checks, ChecksError};
use super::worker::OnStart;
use crate::domain::confine::{Confinement, ProcessLimits};
use crate::domain::evidence::{CheckReport, CheckResult};
use crate::domain::id::{CommitSha, RunId};
use crate::domain::verification::Stage;

/// Called as a verification goes on, for people who watch.
pub type OnProgress<'a> = &'a (dyn Fn(&Progress<'_>) + Send + Sync);

/// Something that just happened in a verification.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// A stage with commands began.
    Stage(Stage),
    /// A command began.
    Began {
        /// The command.
        command: &'a str,
        /// Which try it is, starting at 1.
        attempt: u32,
    },
    /// A command ended, and will not be tried again.
    Ended(&'a CheckResult),
    /// Something that changes no answer and should be known.
    Warning(&'a str),
}

/// Whether somebody is there who can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unattended {
    /// Nobody is: what needs a person is refused.
    #[default]
    Strict,
    /// Somebody sits at this terminal: an interactive login gets it.
    Guided,
}

/// A directory to verify as it is.
#[derive(Debug, Clone)]
pub struct TreeOrder {
    /// A name for this verification, which also names its directory of artifacts.
    pub id: RunId,
    /// The directory. Commands run in it and may change it.
    pub tree: PathBuf,
    /// Where artifacts go; `None` is the contract's place, else `.aider_fsm/artifacts` in the directory.
    pub artifacts: Option<PathBuf>,
    /// The bytes of the contract; `None` where there is none.
    pub contract: Option<Vec<u8>>,
    /// Commands that take the place of the contract's tests.
    pub commands: Vec<String>,
    /// Whether somebody is there.
    pub unattended: Unattended,
    /// What commands are shut in with; a contract may ask for the network besides.
    pub confinement: Confinement,
    /// What one command may use; a contract may set another time.
    pub limits: ProcessLimits,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct TreeReport {
    /// The answer. Its commit is git's null id: what was verified is no commit.
    pub report: CheckReport,
    /// Where the artifacts lie, absolute.
    pub artifacts: PathBuf,
}

/// Verifies where a person asks for it.
#[async_trait]
pub trait Verifier: Checks {
    /// Carries out the contract, the commands, or what it detects, in the directory itself; nothing it started is left when
    /// it returns or is dropped.
    ///
    /// # Errors
    /// [`ChecksError::Stopped`] when `stop` was triggered; [`ChecksError::Unavailable`] when there is no directory to run in
    /// or to write to. A command that fails is no error: it is in the report.
    async fn verify(
        &self,
        order: &TreeOrder,
        tell: OnProgress<'_>,
        stop: &CancellationToken,
    ) -> Result<TreeReport, ChecksError>;

    /// Carries out only the login of the contract of `order`, at this process's terminal, and keeps what it left for the
    /// checks of the same run.
    ///
    /// # Errors
    /// As for [`super::check::Checks::run`].
    async fn log_in(
        &self,
        order: &CheckOrder,
        started: OnStart<'_>,
        tell: OnProgress<'_>,
        stop: &CancellationToken,
    ) -> Result<CheckReport, ChecksError>;
}

/// Git's name for no commit.
///
/// # Errors
/// None in practice: forty zeros are a commit id by their shape.
pub fn no_commit() -> Result<CommitSha, ChecksError> {
    CommitSha::new("0".repeat(40)).map_err(|err| ChecksError::Unavailable(err.to_string()))
}
