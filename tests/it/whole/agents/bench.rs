//! One real agent with a scripted model, run by the workers themselves in a world of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agentpr::adapters::artifact::ArtifactStore;
use agentpr::adapters::process::environment::ChildEnvironment;
use agentpr::adapters::process::group::Supervisor;
use agentpr::adapters::process::overrides::Overrides;
use agentpr::adapters::process::redact::Redactor;
use agentpr::adapters::process::sandbox::{Sandbox, SandboxSettings};
use agentpr::adapters::worker::agent::{Key, Setup};
use agentpr::adapters::worker::{WorkerSettings, Workers};
use agentpr::domain::agent::budget::Allowance;
use agentpr::domain::agent::record::AgentRecord;
use agentpr::domain::agent::role::Role;
use agentpr::domain::confine::{Confinement, ProcessLimits, SandboxMode, Tier};
use agentpr::domain::id::{AttemptNo, RunId};
use agentpr::ports::worker::{WorkOrder, WorkReport, Worker, WorkerError};
use tokio_util::sync::CancellationToken;

use super::super::FILES;
use super::trace::processes_of;
use crate::harness::git;
use crate::harness::model::{Answer, Client, Model};

/// The key an agent is given; it must be seen nowhere.
pub(super) const KEY: &str = "canary-model-key-7f3a";

/// How long an attempt may take. Several at once on a busy machine are slow, and some agents wait a minute between tries.
const LONGEST: Duration = Duration::from_secs(400);

/// The world. Everything is gone when it is dropped.
pub(super) struct Bench {
    pub(super) client: Client,
    pub(super) model: Model,
    pub(super) mode: SandboxMode,
    pub(super) root: tempfile::TempDir,
    setup: Setup,
    run: RunId,
}

impl Bench {
    pub(super) fn new(client: Client, program: &Path, answers: Vec<Answer>) -> Self {
        let root = tempfile::tempdir().unwrap();
        let model = Model::start(client, answers);
        let setup = Setup {
            program: Some(program.to_owned()),
            model: Some(model_of(client).to_owned()),
            base_url: Some(model.base_url()),
            key: Some(Key { variable: key_of(client).to_owned(), value: KEY.to_owned() }),
            ..Setup::default()
        };
        let run = RunId::new("r1".to_owned()).unwrap();
        let bench = Self { client, model, mode: SandboxMode::Auto, root, setup, run };
        for folder in ["home", "tmp"] {
            std::fs::create_dir_all(bench.at(folder)).unwrap();
        }
        let workspace = bench.workspace();
        std::fs::create_dir_all(&workspace).unwrap();
        for (name, text) in FILES {
            std::fs::write(workspace.join(name), text).unwrap();
        }
        git::git(&workspace, &["init", "--quiet", "--initial-branch=main"]);
        git::git(&workspace, &["add", "--all"]);
        git::git(&workspace, &["commit", "--quiet", "--message", "Begin"]);
        bench
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(super) fn workspace(&self) -> PathBuf {
        self.at("workspaces/acme/parser/r1")
    }

    /// What the file that is to be repaired says.
    pub(super) fn answer(&self) -> String {
        std::fs::read_to_string(self.workspace().join("answer.txt")).unwrap()
    }

    /// The first attempt.
    pub(super) fn order(&self, prompt: &str) -> WorkOrder {
        WorkOrder {
            run: self.run.clone(),
            attempt: AttemptNo(1),
            role: Role::Build,
            agent: self.client.name().to_owned(),
            model: None,
            extra_args: Vec::new(),
            workspace: self.workspace(),
            prompt: prompt.to_owned(),
            output_schema: None,
            resume: None,
            confinement: Confinement { mode: self.mode, required: Tier::Open, network: true },
            limits: ProcessLimits::wall(LONGEST),
            allowance: Allowance::default(),
        }
    }

    /// Carries an order out.
    pub(super) async fn work(&self, order: &WorkOrder) -> Result<WorkReport, WorkerError> {
        self.workers().run(order, &|_| {}, &CancellationToken::new()).await
    }

    fn workers(&self) -> Workers {
        let text = |path: &Path| path.display().to_string();
        let parent = BTreeMap::from([
            ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default()),
            ("HOME".to_owned(), text(&self.at("home"))),
            ("TMPDIR".to_owned(), text(&self.at("tmp"))),
            ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ]);
        let data = self.at("data");
        let environment = ChildEnvironment::new(data.clone(), &parent, Overrides::default());
        let artifacts = ArtifactStore::new(data.join("artifacts"), Redactor::none());
        let settings = SandboxSettings {
            search_path: parent["PATH"].clone(),
            hidden: vec![data, self.at("workspaces"), self.at("home")],
            readable: Vec::new(),
        };
        let launcher = PathBuf::from(env!("CARGO_BIN_EXE_agentpr"));
        let supervisor = Supervisor::new(launcher, Sandbox::new(settings), Redactor::none());
        let setups = BTreeMap::from([(self.client.name().to_owned(), self.setup.clone())]);
        Workers::new(
            environment,
            Arc::new(artifacts),
            supervisor,
            WorkerSettings { setups, ..WorkerSettings::default() },
        )
    }

    /// Processes that carry this run's mark, with their command lines.
    pub(super) fn processes(&self) -> Vec<(i32, Vec<String>)> {
        processes_of(&format!("AGENTPR_CHILD_OF_RUN={}@{}", self.run, self.at("data").display()))
    }

    /// Nothing of the run is left running, whatever it was.
    #[track_caller]
    pub(super) fn nothing_is_left(&self) {
        let left = self.processes();
        assert!(left.is_empty(), "{}: still there: {left:?}", self.client.name());
    }
}

/// What a report says of its agent.
#[track_caller]
pub(super) fn record(report: &WorkReport) -> &AgentRecord {
    report.evidence.agent.as_deref().unwrap_or_else(|| panic!("no record: {:?}", report.evidence))
}

/// A model name each agent takes. aider asks one it knows for blocks to search and replace, any other for whole files.
pub(super) fn model_of(client: Client) -> &'static str {
    match client {
        Client::Codex => "gpt-5.5",
        Client::Claude => "claude-scripted",
        Client::Opencode => "scripted/m",
        Client::Aider => "openai/gpt-4o",
    }
}

/// The variable each agent's key is named after.
pub(super) fn key_of(client: Client) -> &'static str {
    match client {
        Client::Codex => "CODEX_API_KEY",
        Client::Claude => "ANTHROPIC_API_KEY",
        Client::Opencode | Client::Aider => "OPENAI_API_KEY",
    }
}
