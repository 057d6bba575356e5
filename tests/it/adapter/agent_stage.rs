//! A start of an agent, set up for a test: an order, a program, settings, and everything around them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agentpr::adapters::process::group::Supervisor;
use agentpr::adapters::worker::agent::{Installed, Key, Setup, Stage};
use agentpr::domain::agent::budget::Allowance;
use agentpr::domain::agent::record::{Identity, Session};
use agentpr::domain::agent::role::Role;
use agentpr::domain::agent::usage::Tokens;
use agentpr::domain::confine::{ProcessLimits, SandboxMode, Tier};
use agentpr::domain::evidence::ProcessRef;
use agentpr::domain::id::AttemptNo;
use agentpr::ports::artifact::Artifacts;
use agentpr::ports::worker::WorkOrder;
use tokio_util::sync::CancellationToken;

use super::world::{World, ignore, open, run};

/// Hears of programs and does nothing about it.
static LISTENER: fn(ProcessRef) = ignore;

/// A secret that no argument may show.
pub(super) const SECRET: &str = "sk-canary-0123456789";

/// Everything a stage is made of; change what a test is about.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) order: WorkOrder,
    pub(super) installed: Installed,
    pub(super) setup: Setup,
    pub(super) tier: Tier,
    supervisor: Supervisor,
    stop: CancellationToken,
}

impl Scene {
    /// A scene of an agent whose help names `options`, with its workspace and a key.
    pub(super) fn of(agent: &str, options: &str) -> Self {
        let world = World::new();
        let workspace = world.root.path().join("files");
        std::fs::create_dir_all(&workspace).unwrap();
        let mut confinement = open();
        confinement.mode = SandboxMode::Auto;
        let order = WorkOrder {
            run: run().0,
            attempt: AttemptNo(1),
            role: Role::Build,
            agent: agent.to_owned(),
            model: None,
            extra_args: Vec::new(),
            workspace,
            prompt: "fix the failing test".to_owned(),
            output_schema: None,
            resume: None,
            allowance: Allowance::default(),
            confinement,
            limits: ProcessLimits::wall(Duration::from_secs(20)),
        };
        let identity = Identity { program: format!("/bin/{agent}"), version: None, sha256: None };
        let setup = Setup {
            key: Some(Key { variable: "MY_KEY".to_owned(), value: SECRET.to_owned() }),
            ..Setup::default()
        };
        Self {
            supervisor: super::world::supervisor(vec![world.root.path().join("data")]),
            world,
            order,
            installed: Installed { identity, folders: Vec::new(), help: options.to_owned() },
            setup,
            tier: Tier::Open,
            stop: CancellationToken::new(),
        }
    }

    /// The runtime directory of the run.
    pub(super) fn runtime(&self) -> PathBuf {
        self.world.environment.runtime_dir(&self.order.run)
    }

    /// The agent's configuration home.
    pub(super) fn home(&self) -> PathBuf {
        self.runtime().join("agent")
    }

    /// Lets `program` be the one that runs.
    pub(super) fn install(&mut self, program: &Path) {
        self.installed.identity.program = program.display().to_string();
    }

    /// Goes on with a conversation.
    pub(super) fn resume(&mut self, id: &str) {
        let agent = self.order.agent.clone();
        self.order.resume = Some(Session { agent, id: id.to_owned(), total: Tokens::default() });
    }

    /// The stage, with its directories made.
    pub(super) fn stage(&self) -> Stage<'_> {
        let env: BTreeMap<String, String> =
            self.world.environment.make(&self.order.run, &self.order.workspace, &self.runtime()).unwrap();
        std::fs::create_dir_all(self.home()).unwrap();
        Stage {
            order: &self.order,
            installed: &self.installed,
            setup: &self.setup,
            home: self.home(),
            runtime: self.runtime(),
            env,
            tier: self.tier,
            price: None,
            supervisor: &self.supervisor,
            artifacts: Arc::clone(&self.world.artifacts) as Arc<dyn Artifacts>,
            listener: &LISTENER,
            stop: &self.stop,
        }
    }
}
