//! A world of its own for each test: a data directory, workspaces, a remote made by the real git, and adapters on them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use agentpr::adapters::artifact::ArtifactStore;
use agentpr::adapters::check::CheckRunner;
use agentpr::adapters::forge::local::LocalForge;
use agentpr::adapters::git::control::ControlRepos;
use agentpr::adapters::git::program::Git;
use agentpr::adapters::git::remote::Remotes;
use agentpr::adapters::process::environment::ChildEnvironment;
use agentpr::adapters::process::group::Supervisor;
use agentpr::adapters::process::overrides::Overrides;
use agentpr::adapters::process::redact::Redactor;
use agentpr::adapters::process::sandbox::{Sandbox, SandboxSettings};
use agentpr::adapters::worker::{WorkerSettings, Workers};
use agentpr::adapters::workspace::{GitWorkspace, WorkspaceSettings};
use agentpr::domain::agent::budget::Allowance;
use agentpr::domain::agent::role::Role;
use agentpr::domain::confine::{Confinement, ProcessLimits, SandboxMode, Tier};
use agentpr::domain::evidence::{Change, CheckReport, Prepared, ProcessRef};
use agentpr::domain::id::{AttemptNo, BranchName, CommitSha, RepoSlug, RunId};
use agentpr::domain::policy::{CommandMode, Policy};
use agentpr::domain::spec::{Delivery, Limits, RunSpec};
use agentpr::ports::artifact::Artifacts;
use agentpr::ports::check::{CheckOrder, Checks, ChecksError};
use agentpr::ports::worker::{WorkOrder, WorkReport, Worker};
use agentpr::ports::workspace::{CaptureOrder, Workspace, WorkspaceError};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

static RUNS: AtomicU32 = AtomicU32::new(0);

/// A name that git's settings file does not take as it is.
pub(super) const AUTHOR: &str = r#"agent "pr" \ # 1"#;

/// Everything below one directory that goes away with it.
pub(super) struct World {
    pub(super) root: TempDir,
    pub(super) workspace: GitWorkspace,
    pub(super) workers: Workers,
    pub(super) checks: CheckRunner,
    pub(super) forge: LocalForge,
    pub(super) artifacts: Arc<ArtifactStore>,
    pub(super) control: ControlRepos,
    pub(super) environment: ChildEnvironment,
}

/// The parent's environment as the engine would hand it in, with a secret that must reach nobody.
pub(super) fn parent() -> BTreeMap<String, String> {
    let mut parent: BTreeMap<String, String> = ["PATH", "HOME"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)))
        .collect();
    parent.insert("GH_TOKEN".to_owned(), "canary-secret".to_owned());
    parent.insert("LANG".to_owned(), "C.UTF-8".to_owned());
    parent
}

impl World {
    /// A world with no remote in it.
    pub(super) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let data_dir = root.path().join("data");
        let git = Git::new(&parent());
        let control = ControlRepos::new(data_dir.clone(), git);
        let remotes = Remotes::new(root.path().join("forge"));
        let environment = ChildEnvironment::new(data_dir.clone(), &parent(), Overrides::default());
        let artifacts = Arc::new(ArtifactStore::new(data_dir.join("artifacts"), Redactor::none()));
        let hidden = vec![data_dir.clone(), root.path().join("workspaces"), PathBuf::from(&parent()["HOME"])];
        let supervisor = supervisor(hidden);
        let settings = WorkspaceSettings {
            data_dir,
            workspace_root: root.path().join("workspaces"),
            author_name: AUTHOR.to_owned(),
            author_email: "agentpr@localhost".to_owned(),
            change_cap: 4 * 1024 * 1024,
        };
        let kept: Arc<dyn Artifacts> = Arc::<ArtifactStore>::clone(&artifacts);
        Self {
            workspace: GitWorkspace::new(settings, remotes.clone(), control.clone()),
            workers: Workers::new(
                environment.clone(),
                Arc::clone(&kept),
                supervisor.clone(),
                WorkerSettings::default(),
            ),
            checks: CheckRunner::new(environment.clone(), control.clone(), kept, supervisor),
            forge: LocalForge::new(remotes, control.clone()),
            artifacts,
            control,
            environment,
            root,
        }
    }

    /// A world with the remote `owner/repo` that has the given files on `main`.
    pub(super) fn with(files: &[(&str, &str)]) -> Self {
        let world = Self::new();
        world.add_remote("owner/repo", files);
        world
    }

    /// Makes a remote with one commit.
    pub(super) fn add_remote(&self, slug: &str, files: &[(&str, &str)]) {
        let made = self.root.path().join("made").join(slug);
        for (name, text) in files {
            put(&made.join(name), text);
        }
        std::fs::create_dir_all(&made).unwrap();
        git(&made, &["init", "--quiet", "--initial-branch=main"]);
        git(&made, &["add", "--all", "--force"]);
        git(&made, &["commit", "--quiet", "--allow-empty", "-m", "begin"]);
        let bare = self.remote(slug);
        std::fs::create_dir_all(&bare).unwrap();
        git(&bare, &["clone", "--quiet", "--bare", made.to_str().unwrap(), "."]);
    }

    /// Where a remote lies.
    pub(super) fn remote(&self, slug: &str) -> PathBuf {
        self.root.path().join("forge").join(format!("{slug}.git"))
    }

    /// Puts a script for the fake agent down and gives the name of the agent that plays it.
    pub(super) fn agent(&self, script: &str) -> String {
        let path = self.root.path().join(format!("script-{}", RUNS.fetch_add(1, Ordering::Relaxed)));
        put(&path, script);
        format!("command:{} {}", env!("CARGO_BIN_EXE_fake-agent"), path.display())
    }

    /// Runs a script as the agent of a run.
    pub(super) async fn work(&self, run: &RunId, spec: &RunSpec, script: &str) -> WorkReport {
        let order = WorkOrder {
            run: run.clone(),
            attempt: AttemptNo(1),
            role: Role::Build,
            agent: self.agent(script),
            model: None,
            extra_args: Vec::new(),
            workspace: self.workspace.path(&spec.repo, run),
            prompt: "please fix it".to_owned(),
            output_schema: None,
            resume: None,
            allowance: Allowance::default(),
            confinement: open(),
            limits: ProcessLimits::wall(Duration::from_secs(20)),
        };
        self.workers.run(&order, &ignore, &CancellationToken::new()).await.unwrap()
    }

    /// Captures a run's files on its base.
    pub(super) async fn capture(
        &self,
        run: &RunId,
        spec: &RunSpec,
        prepared: &Prepared,
    ) -> Result<Option<Change>, WorkspaceError> {
        self.workspace.capture(&order(run, spec, prepared)).await
    }

    /// Runs checks on a commit.
    pub(super) async fn check(
        &self,
        run: &RunId,
        spec: &RunSpec,
        head_sha: &CommitSha,
        commands: &[&str],
    ) -> Result<CheckReport, ChecksError> {
        let commands = commands.iter().map(|command| (*command).to_owned()).collect();
        let order = CheckOrder { commands, ..check_order(run, spec, head_sha) };
        self.checks.run(&order, &ignore, &CancellationToken::new()).await
    }

    /// The files of a commit in the control repository, with their modes.
    pub(super) fn files(&self, spec: &RunSpec, commit: &CommitSha) -> Vec<(String, String)> {
        let text = git(&self.control.path(&spec.repo), &["ls-tree", "-r", "-z", commit.as_str()]);
        text.split('\0')
            .filter(|row| !row.is_empty())
            .map(|row| {
                let (facts, name) = row.split_once('\t').unwrap();
                (name.to_owned(), facts[..6].to_owned())
            })
            .collect()
    }

    /// The text of one file of a commit in the control repository.
    pub(super) fn text(&self, spec: &RunSpec, commit: &CommitSha, name: &str) -> String {
        git(&self.control.path(&spec.repo), &["show", &format!("{commit}:{name}")])
    }
}

/// A capture order on a run's base.
pub(super) fn order(run: &RunId, spec: &RunSpec, prepared: &Prepared) -> CaptureOrder {
    CaptureOrder {
        run: run.clone(),
        repo: spec.repo.clone(),
        base_sha: prepared.base_sha.clone(),
        parent_sha: prepared.base_sha.clone(),
        message: "agentpr: a change".to_owned(),
        last: None,
    }
}

/// A run of `owner/repo` that no other test has.
pub(super) fn run() -> (RunId, RunSpec) {
    run_of("owner/repo")
}

/// A run of a repository that no other test has.
pub(crate) fn run_of(slug: &str) -> (RunId, RunSpec) {
    let id =
        RunId::new(format!("run-{}-{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed))).unwrap();
    let spec = RunSpec {
        repo: slug.parse::<RepoSlug>().unwrap(),
        prompt_version: "v1".to_owned(),
        task: "fix it".to_owned(),
        agent: Some("command:fake".to_owned()),
        model: None,
        roles: std::collections::BTreeMap::default(),
        budgets: agentpr::domain::agent::budget::Budgets::default(),
        checks: Vec::new(),
        base_branch: None,
        remote: None,
        head_branch: BranchName::new(format!("agentpr/{id}")).unwrap(),
        delivery: Delivery::Pr,
        title: None,
        limits: Limits::default(),
        policy: Policy::default(),
    };
    (id, spec)
}

/// A supervisor with the launcher of this build, from whose programs `hidden` is hidden.
pub(super) fn supervisor(hidden: Vec<PathBuf>) -> Supervisor {
    let settings = SandboxSettings { search_path: parent()["PATH"].clone(), hidden, readable: Vec::new() };
    Supervisor::new(PathBuf::from(env!("CARGO_BIN_EXE_agentpr")), Sandbox::new(settings), Redactor::none())
}

/// Shut in by nothing.
pub(super) fn open() -> Confinement {
    Confinement { mode: SandboxMode::DangerFullAccess, required: Tier::Open, network: true }
}

/// Takes a started program and does nothing with it.
pub(super) fn ignore(_: ProcessRef) {}

/// Writes a file with its folders.
pub(super) fn put(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Runs git as a person would, with an identity and no configuration of this machine.
pub(super) fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(args)
        .current_dir(dir)
        .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("LC_ALL", "C")])
        .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@localhost")])
        .envs([("GIT_COMMITTER_NAME", "a"), ("GIT_COMMITTER_EMAIL", "a@localhost")])
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until a fact holds, by looking again, and says what was awaited when it never does.
pub(super) async fn until(what: &str, fact: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !fact() {
        assert!(begun.elapsed() < Duration::from_secs(10), "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An order to check a commit with nothing in it, for 20 seconds a command.
pub(super) fn check_order(run: &RunId, spec: &RunSpec, head_sha: &CommitSha) -> CheckOrder {
    CheckOrder {
        run: run.clone(),
        attempt: AttemptNo(1),
        repo: spec.repo.clone(),
        head_sha: head_sha.clone(),
        commands: Vec::new(),
        contract: None,
        auth_granted: false,
        known_failures: Vec::new(),
        command_mode: CommandMode::Safe,
        confinement: open(),
        limits: ProcessLimits::wall(Duration::from_secs(20)),
    }
}
