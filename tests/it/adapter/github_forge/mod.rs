//! GitHub as a forge, told with the fake GitHub and real git over HTTP.

mod excerpt;
mod head;
mod hooks;
mod observe;
mod open;
mod push;
mod route;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agentpr::adapters::clock::SystemClock;
use agentpr::adapters::forge::github::client::{ClientSettings, GitHubClient, Login, Secret};
use agentpr::adapters::forge::github::forge::{ForkPolicy, GitHubForge, GitHubForgeSettings};
use agentpr::adapters::forge::github::keys::GitHubKeys;
use agentpr::adapters::git::control::ControlRepos;
use agentpr::adapters::git::place::{GitHubPlace, GitHubUse};
use agentpr::adapters::git::program::Git;
use agentpr::adapters::git::remote::Remotes;
use agentpr::adapters::workspace::{GitWorkspace, WorkspaceSettings};
use agentpr::domain::evidence::{Change, Prepared};
use agentpr::domain::gate::{Approved, PrBinding};
use agentpr::domain::id::{CommitSha, Digest, RunId, TreeSha};
use agentpr::domain::spec::RunSpec;
use agentpr::ports::forge::{Forge, ForgeError, OpenedPr};
use agentpr::ports::workspace::Workspace;
use serde_json::Value;
use tempfile::TempDir;

use super::gate::{Wish, approval};
use super::world::{order, parent, put, run_of};
use crate::harness::github::FakeGitHub;

/// Who we are there.
pub(crate) const ME: &str = "mabel";

/// Somebody else's repository.
pub(crate) const REPO: &str = "acme/parser";

/// A GitHub with one repository, and everything that talks to it from here.
pub(crate) struct Stage {
    pub(crate) github: FakeGitHub,
    pub(crate) token: String,
    pub(crate) settings: GitHubForgeSettings,
    /// What the fake said of the repository when it was made.
    pub(crate) made: Value,
    pub(crate) root: TempDir,
    pub(crate) write_gap: Duration,
}

/// A run with a captured change.
pub(crate) struct Work {
    pub(crate) run: RunId,
    pub(crate) spec: RunSpec,
    pub(crate) prepared: Prepared,
    pub(crate) change: Change,
}

impl Stage {
    /// We may read `acme/parser`, and no more.
    pub(crate) fn new() -> Self {
        let github = FakeGitHub::start();
        let token = github.user(ME);
        let made = github.repository(REPO, &[("a", "1\n")]);
        github.admin("forks", &serde_json::json!({"looks": 0}));
        let settings = GitHubForgeSettings {
            web_url: github.web(),
            login: None,
            fork: ForkPolicy::Auto,
            draft: true,
            labels: Vec::new(),
            maintainer_can_modify: true,
        };
        let root = tempfile::tempdir().unwrap();
        Self { github, token, settings, made, root, write_gap: Duration::ZERO }
    }

    /// We may push to it.
    pub(crate) fn trusted() -> Self {
        let stage = Self::new();
        stage.github.allow(REPO, ME, "push");
        stage
    }

    pub(crate) fn id(&self) -> u64 {
        self.made["id"].as_u64().unwrap()
    }

    pub(crate) fn sha(&self) -> CommitSha {
        CommitSha::new(self.made["sha"].as_str().unwrap()).unwrap()
    }

    pub(crate) fn dir(&self) -> PathBuf {
        PathBuf::from(self.made["dir"].as_str().unwrap())
    }

    pub(crate) fn client_of(&self, login: Login) -> GitHubClient {
        let settings = ClientSettings {
            api_url: self.github.api(),
            login,
            state_dir: self.root.path().join("github"),
            write_gap: self.write_gap,
            time_limit: Duration::from_secs(20),
        };
        GitHubClient::new(settings, Arc::new(SystemClock::new())).unwrap()
    }

    /// A client as a process of its own would have it.
    pub(crate) fn client(&self) -> GitHubClient {
        self.client_of(Login::Token(Secret::new(&self.token)))
    }

    pub(crate) fn control(&self, client: &GitHubClient) -> ControlRepos {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_agentpr"));
        let keys = Arc::new(GitHubKeys::new(&self.github.web(), client.clone()));
        let git = Git::new(&parent()).asking_with(program).with_keys(keys);
        ControlRepos::new(self.root.path().join("data"), git)
    }

    pub(crate) fn remotes(&self) -> Remotes {
        let place = GitHubPlace::new(&self.github.web(), GitHubUse::Auto, Arc::new(|| true));
        Remotes::new(self.root.path().join("forge")).with_github(place)
    }

    /// A forge as a process of its own would have it.
    pub(crate) fn forge(&self) -> GitHubForge {
        let client = self.client();
        let control = self.control(&client);
        GitHubForge::new(client, self.settings.clone(), control, Arc::new(SystemClock::new()))
    }

    pub(crate) fn workspace_of(&self, client: &GitHubClient) -> GitWorkspace {
        let settings = WorkspaceSettings {
            data_dir: self.root.path().join("data"),
            workspace_root: self.root.path().join("workspaces"),
            author_name: "agentpr".to_owned(),
            author_email: "agentpr@localhost".to_owned(),
            change_cap: 4 * 1024 * 1024,
        };
        GitWorkspace::new(settings, self.remotes(), self.control(client))
    }

    /// A run of `acme/parser` whose agent wrote a file.
    pub(crate) async fn work(&self) -> Work {
        self.work_with("a", "2\n").await
    }

    pub(crate) async fn work_with(&self, file: &str, text: &str) -> Work {
        self.work_in(REPO, file, text).await
    }

    pub(crate) async fn work_in(&self, repository: &str, file: &str, text: &str) -> Work {
        let workspace = self.workspace_of(&self.client());
        let (run, spec) = run_of(repository);
        let prepared = workspace.prepare(&run, &spec).await.unwrap();
        put(&workspace.path(&spec.repo, &run).join(file), text);
        let change = workspace.capture(&order(&run, &spec, &prepared)).await.unwrap().unwrap();
        Work { run, spec, prepared, change }
    }

    /// The work changed once more.
    pub(crate) async fn again(&self, work: &Work, text: &str) -> Change {
        let workspace = self.workspace_of(&self.client());
        put(&workspace.path(&work.spec.repo, &work.run).join("a"), text);
        workspace.capture(&order(&work.run, &work.spec, &work.prepared)).await.unwrap().unwrap()
    }

    /// The only pull request there is.
    #[track_caller]
    pub(crate) fn pull(&self) -> Value {
        let mut pulls = self.github.pulls(REPO);
        assert_eq!(pulls.len(), 1, "{pulls:#?}");
        pulls.remove(0)
    }

    /// Requests of a method whose path ends so.
    pub(crate) fn asked(&self, method: &str, ending: &str) -> usize {
        let is_it = |request: &&Value| {
            let path = request["path"].as_str().and_then(|target| target.split('?').next());
            request["method"] == method && path.is_some_and(|path| path.ends_with(ending))
        };
        self.github.requests().iter().filter(is_it).count()
    }
}

impl Work {
    pub(crate) fn binding(&self, change: &Change, repo_id: Option<u64>) -> PrBinding {
        let any = Digest::new("0".repeat(64)).unwrap();
        PrBinding {
            repo: self.spec.repo.clone(),
            repo_id,
            base_branch: self.prepared.base_branch.clone(),
            base_sha: self.prepared.base_sha.clone(),
            head_branch: self.spec.head_branch.clone(),
            head_sha: change.head_sha.clone(),
            tree: TreeSha::new("1".repeat(40)).unwrap(),
            diff_digest: any.clone(),
            text_digest: any.clone(),
            policy_digest: any,
        }
    }

    pub(crate) fn approved(&self, stage: &Stage, wish: &Wish<'_>) -> Approved {
        approval(&self.run, &self.spec, &self.binding(&self.change, Some(stage.id())), wish)
    }

    pub(crate) async fn push(&self, stage: &Stage) -> Result<CommitSha, ForgeError> {
        let approved = self.approved(stage, &Wish::default());
        stage.forge().push(&self.spec, &approved.push_permit(), None).await
    }

    /// Opens it as a process of its own would.
    pub(crate) async fn open(&self, stage: &Stage, wish: &Wish<'_>) -> Result<OpenedPr, ForgeError> {
        stage.forge().open_pr(&self.spec, &self.approved(stage, wish)).await
    }
}

/// Every file below a folder with what is in it.
fn files_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if entry.file_type().unwrap().is_file() {
                files.push((entry.path(), std::fs::read(entry.path()).unwrap()));
            }
        }
    }
    files
}
