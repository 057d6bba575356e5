//! What every start of an agent stands on: the run's runtime directory, a clean environment, the prompt as a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::adapters::process::environment::ChildEnvironment;
use crate::adapters::process::group::Supervisor;
use crate::adapters::process::tree::write_anew;
use crate::ports::artifact::Artifacts;
use crate::ports::worker::{WorkOrder, WorkerError};

/// The variable that names the file with the prompt.
const PROMPT_FILE: &str = "AGENTPR_PROMPT_FILE";

/// Makes it; cheap to clone.
#[derive(Clone)]
pub(super) struct Ground {
    pub(super) environment: ChildEnvironment,
    pub(super) artifacts: Arc<dyn Artifacts>,
    pub(super) supervisor: Supervisor,
}

/// What was made for one start.
pub(super) struct Laid {
    pub(super) runtime: PathBuf,
    pub(super) env: BTreeMap<String, String>,
}

impl Ground {
    /// Makes the directories and the environment of a start and writes its prompt down. Blocks.
    pub(super) fn lay(&self, order: &WorkOrder) -> Result<Laid, WorkerError> {
        let unavailable = |err: &dyn std::fmt::Display| WorkerError::Unavailable(err.to_string());
        if !order.workspace.is_dir() {
            let why = format!("there is no workspace at `{}`", order.workspace.display());
            return Err(WorkerError::Unavailable(why));
        }
        clear_index_lock(&order.workspace);
        let runtime = self.environment.runtime_dir(&order.run);
        let mut env =
            self.environment.make(&order.run, &order.workspace, &runtime).map_err(|err| unavailable(&err))?;
        let prompt = self
            .artifacts
            .write(&order.run, &format!("prompt-{}.md", order.attempt), order.prompt.as_bytes())
            .map_err(|err| unavailable(&err))?;
        // The agent gets a copy in its own directory: the artifact is the record and stays the engine's.
        let copy = runtime.join("prompt.md");
        write_anew(&copy, order.prompt.as_bytes()).map_err(|err| unavailable(&err))?;
        tracing::debug!(run = %order.run, prompt = %prompt.path, "the prompt is written");
        env.insert(PROMPT_FILE.to_owned(), copy.to_string_lossy().into_owned());
        Ok(Laid { runtime, env })
    }
}

/// The path of an attempt's log among the artifacts.
pub(super) fn log_path(order: &WorkOrder) -> String {
    format!("{}/attempt-{}.log", order.run, order.attempt)
}

/// Removes the lock that an agent's git leaves when an earlier attempt was killed; the next agent could not commit.
fn clear_index_lock(workspace: &Path) {
    let git_dir = workspace.join(".git");
    // Through a link the lock of another repository would be removed.
    if git_dir.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        let _absent = std::fs::remove_file(git_dir.join("index.lock"));
    }
}
