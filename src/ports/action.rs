//! Action requests: reading what an agent asked for, and carrying it out in its workspace.

use std::path::PathBuf;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::worker::OnStart;
use crate::domain::action::{ActionLine, ActionResult};
use crate::domain::confine::{Confinement, ProcessLimits};
use crate::domain::id::{AttemptNo, Digest, RunId};
use crate::domain::policy::CommandMode;

/// Reads and carries out action requests.
#[async_trait]
pub trait Actions: Send + Sync {
    /// Reads a request.
    ///
    /// # Errors
    /// A stable word and a sentence: `invalid_yaml`, `unsupported_action_kind`, `missing_cmd`, `missing_path`, ...
    fn read(&self, bytes: &[u8]) -> Result<Vec<ActionLine>, (String, String)>;

    /// Carries a request out in order, and stops at the first failure. Every command passes the command rules first.
    ///
    /// # Errors
    /// A sentence, when nothing could be run at all.
    async fn run(
        &self,
        order: &ActionOrder,
        started: OnStart<'_>,
        stop: &CancellationToken,
    ) -> Result<Vec<ActionResult>, String>;
}

/// What to carry out.
#[derive(Debug, Clone)]
pub struct ActionOrder {
    /// The run.
    pub run: RunId,
    /// The attempt, which names the log files.
    pub attempt: AttemptNo,
    /// The agent's workspace.
    pub workspace: PathBuf,
    /// The copy of the request, relative to the artifact directory.
    pub copy: String,
    /// SHA-256 of the request as it was read and decided about; a copy that says something else is not carried out.
    pub sha256: Digest,
    /// Paths that may not be written, relative to the workspace: the plan, the verification contract.
    pub protected: Vec<String>,
    /// How much the command rules forbid by themselves.
    pub command_mode: CommandMode,
    /// What commands are shut in with.
    pub confinement: Confinement,
    /// What one command may use.
    pub limits: ProcessLimits,
}
