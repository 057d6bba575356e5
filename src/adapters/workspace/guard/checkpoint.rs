//! Checkpoints: refs in the control repository that keep what passed, one for each attempt.

use crate::adapters::workspace::GitWorkspace;
use crate::domain::id::{AttemptNo, CommitSha, RepoSlug, RunId};
use crate::ports::workspace::WorkspaceError;

impl GitWorkspace {
    pub(in crate::adapters::workspace) fn checkpoint_blocking(
        &self,
        repo: &RepoSlug,
        run: &RunId,
        attempt: AttemptNo,
        commit: &CommitSha,
    ) -> Result<(), WorkspaceError> {
        let _lock = self.control.lock(repo)?;
        if !self.control.has(repo, commit) {
            return Err(WorkspaceError::Failed(format!("there is no commit `{commit}` to keep")));
        }
        let git = self.control.git().on(&self.control.path(repo));
        git.run(["update-ref", "--"])
            .arg(format!("{}{attempt}", folder(run)))
            .arg(commit.as_str())
            .output()?;
        Ok(())
    }

    /// The names of a run's checkpoints; the lock should be held by who removes them.
    pub(in crate::adapters::workspace) fn checkpoints(
        &self,
        repo: &RepoSlug,
        run: &RunId,
    ) -> Result<Vec<String>, WorkspaceError> {
        let git = self.control.git().on(&self.control.path(repo));
        let listed = git.run(["for-each-ref", "--format=%(refname)", "--"]).arg(folder(run)).text()?;
        Ok(listed.lines().map(str::to_owned).collect())
    }
}

fn folder(run: &RunId) -> String {
    format!("refs/agentpr/{run}/")
}
