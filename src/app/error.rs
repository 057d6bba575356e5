//! Why the app did not do something; surfaces phrase it for people.

use crate::domain::decide::Rejection;
use crate::domain::id::{IdempotencyKey, InvalidId, RunId};
use crate::domain::pipeline::Problem;
use crate::domain::run::Unfoldable;
use crate::domain::state::State;
use crate::ports::artifact::ArtifactError;
use crate::ports::check::ChecksError;
use crate::ports::fake_forge::FakeForgeError;
use crate::ports::forge::ForgeError;
use crate::ports::random::NoRandom;
use crate::ports::store::StoreError;
use crate::ports::worker::WorkerError;
use crate::ports::workspace::WorkspaceError;

/// What went wrong, by what a caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// No run of that name.
    #[error("there is no run `{0}`")]
    NoSuchRun(RunId),
    /// The domain said no.
    #[error("{rejection}")]
    Refused {
        /// The run.
        run: RunId,
        /// Where it stands; `None` when it does not exist.
        state: Option<State>,
        /// Why.
        rejection: Rejection,
    },
    /// The key names another occurrence.
    #[error("idempotency key `{key}` already names another event (`{recorded}`)")]
    KeyConflict {
        /// The key.
        key: IdempotencyKey,
        /// What it names.
        recorded: &'static str,
    },
    /// The request file says something else than the record.
    #[error("the request file differs from the recorded request in `{field}`")]
    RequestFileMismatch {
        /// The first field that differs.
        field: &'static str,
    },
    /// Others changed the run faster than this call could.
    #[error("run `{0}` is being changed by somebody else")]
    Contended(RunId),
    /// What was given makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// A secret stands where it would be kept for ever; it is not repeated.
    #[error("there is a secret in {place}, and what is said here is kept for ever")]
    Secret {
        /// Where.
        place: String,
    },
    /// A verification contract that cannot be carried out.
    #[error("the verification contract `{origin}` has {}:{}", counted(problems), listed(problems))]
    Contract {
        /// Where it came from.
        origin: String,
        /// Everything that is wrong with it.
        problems: Vec<Problem>,
    },
    /// An identifier broke its rule.
    #[error(transparent)]
    InvalidId(#[from] InvalidId),
    /// The log is damaged.
    #[error(transparent)]
    Unfoldable(#[from] Unfoldable),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The workspace.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The forge.
    #[error(transparent)]
    Forge(#[from] ForgeError),
    /// The fake forge of the demo.
    #[error(transparent)]
    FakeForge(#[from] FakeForgeError),
    /// The worker.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The checks.
    #[error(transparent)]
    Checks(#[from] ChecksError),
    /// Requested actions could not be carried out at all.
    #[error("the requested actions could not be carried out: {0}")]
    Actions(String),
    /// A file of a run.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// Chance.
    #[error(transparent)]
    NoRandom(#[from] NoRandom),
    /// A template could not be filled.
    #[error("the prompt cannot be written: {0}")]
    Prompt(String),
    /// The run was not prepared.
    #[error("the run has no workspace yet")]
    NoWorkspace(RunId),
    /// A task of this program ended unexpectedly.
    #[error("an internal task ended unexpectedly: {0}")]
    Internal(String),
}

fn counted(problems: &[Problem]) -> String {
    match problems.len() {
        1 => "a problem".to_owned(),
        count => format!("{count} problems"),
    }
}

/// Each on a line of its own.
fn listed(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n{problem}")).collect()
}
