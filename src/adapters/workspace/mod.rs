//! Workspaces: an agent's clone per run, and the way its work comes back into the control repository.
//!
//! Once an agent may have touched a clone, no git command reads that clone's own git directory: a capture looks at its
//! files through a git directory of the engine's.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use crate::adapters::git::control::{ControlError, ControlRepos};
use crate::adapters::git::program::GitError;
use crate::adapters::git::remote::Remotes;
use crate::adapters::process::environment::{runtime_dir, scratch_dir};
use crate::adapters::process::tree::remove_tree;
use crate::domain::evidence::{Change, Prepared};
use crate::domain::guard::GuardReport;
use crate::domain::id::{AttemptNo, CommitSha, RepoSlug, RunId};
use crate::domain::policy::{Finding, Policy};
use crate::domain::spec::RunSpec;
use crate::ports::workspace::{CaptureOrder, GuardOrder, Inspection, Judged, Workspace, WorkspaceError};

mod capture;
mod guard;
mod inspect;
mod prepare;
mod protected;
mod scan;

pub use protected::{Protected, Protection, is_protected};

/// Bytes a change may have as a bundle unless told otherwise: far above any pull request a person reads.
pub const CHANGE_CAP: u64 = 256 * 1024 * 1024;

/// What a [`GitWorkspace`] needs to know.
#[derive(Debug, Clone)]
pub struct WorkspaceSettings {
    /// The engine's data directory, absolute.
    pub data_dir: PathBuf,
    /// Where agents' clones lie, absolute.
    pub workspace_root: PathBuf,
    /// Name in the commits.
    pub author_name: String,
    /// Address in the commits.
    pub author_email: String,
    /// Bytes a change may have as a bundle.
    pub change_cap: u64,
}

/// Workspaces on control repositories.
#[derive(Debug, Clone)]
pub struct GitWorkspace {
    settings: WorkspaceSettings,
    remotes: Remotes,
    control: ControlRepos,
}

impl GitWorkspace {
    /// Puts it together; nothing is made before it is needed.
    pub fn new(settings: WorkspaceSettings, remotes: Remotes, control: ControlRepos) -> Self {
        Self { settings, remotes, control }
    }

    fn clone_path(&self, repo: &RepoSlug, run: &RunId) -> PathBuf {
        self.settings.workspace_root.join(repo.key()).join(run.as_str())
    }

    /// The engine's own directory for a run's half-made things.
    fn scratch(&self, run: &RunId) -> PathBuf {
        scratch_dir(&self.settings.data_dir, run)
    }

    fn remove_blocking(&self, repo: &RepoSlug, run: &RunId) -> Result<u64, WorkspaceError> {
        let clone = self.clone_path(repo, run);
        let runtime = runtime_dir(&self.settings.data_dir, run);
        let mut freed = 0;
        for path in [prepare::unfinished(&clone), clone, runtime, self.scratch(run)] {
            freed += remove_tree(&path).map_err(|err| at(&path, err))?;
        }
        if self.control.path(repo).is_dir() {
            let _lock = self.control.lock(repo).map_err(failed)?;
            let mut names = vec![ControlRepos::base_ref(run), ControlRepos::head_ref(run)];
            names.extend(self.checkpoints(repo, run)?);
            for name in names {
                let git = self.control.git().on(&self.control.path(repo));
                git.run(["update-ref", "-d", "--"]).arg(name).output().map_err(failed)?;
            }
        }
        Ok(freed)
    }
}

#[async_trait]
impl Workspace for GitWorkspace {
    async fn prepare(&self, run: &RunId, spec: &RunSpec) -> Result<Prepared, WorkspaceError> {
        let (this, run, spec) = (self.clone(), run.clone(), spec.clone());
        blocking(move || this.prepare_blocking(&run, &spec)).await
    }

    async fn capture(&self, order: &CaptureOrder) -> Result<Option<Change>, WorkspaceError> {
        let (this, order) = (self.clone(), order.clone());
        blocking(move || this.capture_blocking(&order)).await
    }

    async fn inspect(
        &self,
        repo: &RepoSlug,
        base: &CommitSha,
        head: &CommitSha,
    ) -> Result<Inspection, WorkspaceError> {
        let (this, repo, base, head) = (self.clone(), repo.clone(), base.clone(), head.clone());
        blocking(move || inspect::inspect(&this.control, &repo, &base, &head)).await
    }

    async fn diff(
        &self,
        repo: &RepoSlug,
        base: &CommitSha,
        head: &CommitSha,
        limit: usize,
    ) -> Result<(Vec<u8>, bool), WorkspaceError> {
        let (this, repo, base, head) = (self.clone(), repo.clone(), base.clone(), head.clone());
        blocking(move || inspect::diff(&this.control, &repo, &base, &head, limit)).await
    }

    async fn read_file(
        &self,
        repo: &RepoSlug,
        commit: &CommitSha,
        path: &str,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, WorkspaceError> {
        let (this, repo, commit, path) = (self.clone(), repo.clone(), commit.clone(), path.to_owned());
        blocking(move || inspect::file(&this.control, &repo, &commit, &path, limit)).await
    }

    async fn begin_phase(&self, order: &GuardOrder) -> Result<Vec<Judged>, WorkspaceError> {
        let (this, order) = (self.clone(), order.clone());
        blocking(move || this.begin_phase_blocking(&order)).await
    }

    async fn end_phase(&self, order: &GuardOrder) -> Result<GuardReport, WorkspaceError> {
        let (this, order) = (self.clone(), order.clone());
        blocking(move || this.end_phase_blocking(&order)).await
    }

    async fn forget_judged(&self, repo: &RepoSlug, run: &RunId) -> Result<(), WorkspaceError> {
        let (this, repo, run) = (self.clone(), repo.clone(), run.clone());
        blocking(move || this.forget_judged_blocking(&repo, &run)).await
    }

    async fn take_actions(
        &self,
        repo: &RepoSlug,
        run: &RunId,
    ) -> Result<Option<(Vec<u8>, bool)>, WorkspaceError> {
        let (this, repo, run) = (self.clone(), repo.clone(), run.clone());
        blocking(move || this.take_actions_blocking(&repo, &run)).await
    }

    async fn scan(
        &self,
        repo: &RepoSlug,
        base: &CommitSha,
        head: &CommitSha,
        policy: &Policy,
    ) -> Result<Vec<Finding>, WorkspaceError> {
        let (this, repo, base, head) = (self.clone(), repo.clone(), base.clone(), head.clone());
        let policy = policy.clone();
        blocking(move || {
            let subject = scan::Subject { control: &this.control, repo: &repo, base: &base, head: &head };
            scan::scan(&subject, &policy)
        })
        .await
    }

    async fn checkpoint(
        &self,
        repo: &RepoSlug,
        run: &RunId,
        attempt: AttemptNo,
        commit: &CommitSha,
    ) -> Result<(), WorkspaceError> {
        let (this, repo, run, commit) = (self.clone(), repo.clone(), run.clone(), commit.clone());
        blocking(move || this.checkpoint_blocking(&repo, &run, attempt, &commit)).await
    }

    fn path(&self, repo: &RepoSlug, run: &RunId) -> PathBuf {
        self.clone_path(repo, run)
    }

    async fn remove(&self, repo: &RepoSlug, run: &RunId) -> Result<u64, WorkspaceError> {
        let (this, repo, run) = (self.clone(), repo.clone(), run.clone());
        blocking(move || this.remove_blocking(&repo, &run)).await
    }
}

/// Runs git and file work on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WorkspaceError> + Send + 'static,
) -> Result<T, WorkspaceError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|err| Err(failed(err)))
}

fn failed(err: impl Display) -> WorkspaceError {
    WorkspaceError::Failed(err.to_string())
}

fn at(path: &Path, err: impl Display) -> WorkspaceError {
    WorkspaceError::Failed(format!("`{}`: {err}", path.display()))
}

impl From<GitError> for WorkspaceError {
    fn from(err: GitError) -> Self {
        failed(err)
    }
}

impl From<ControlError> for WorkspaceError {
    fn from(err: ControlError) -> Self {
        failed(err)
    }
}
