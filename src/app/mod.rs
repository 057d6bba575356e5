//! The app: the only way in for surfaces, and the engine that moves runs on.
//!
//! Read in this order: [`execute`] (decide, append, fold), [`hold`] (one performer per run), [`perform`] (one file per
//! effect), [`drive`] (a run until it waits), [`engine`] (all runs), [`gate`], [`agent_step`] and [`finish`] (the seed's verbs
//! done by hand), [`views`] (what surfaces show). The app names ports and the domain, and no technology.

pub mod agent_step;
pub mod agents;
pub mod budget;
mod clean;
pub mod contract;
pub mod doctor;
pub mod drive;
pub mod engine;
pub mod error;
pub mod execute;
pub mod feedback;
pub mod finish;
pub mod follow;
pub mod fsm_layout;
pub mod gate;
pub mod gc;
pub mod hold;
pub mod inbox;
pub mod perform;
pub mod pr_text;
pub mod prompt;
pub mod pulse;
pub mod report;
pub mod submit;
pub mod sync;
pub mod usage;
pub mod verify;
pub mod views;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::domain::agent::budget::Budgets;
use crate::domain::agent::role::Roles;
use crate::domain::id::{BranchName, InvalidId, RunId};
use crate::domain::policy::Policy;
use crate::domain::spec::Limits;
use crate::ports::action::Actions;
use crate::ports::artifact::Artifacts;
use crate::ports::check::Checks;
use crate::ports::clock::Clock;
use crate::ports::forge::Forge;
use crate::ports::inbox::Inbox;
use crate::ports::ledger::Ledger;
use crate::ports::local::LocalRepos;
use crate::ports::notifier::Notifier;
use crate::ports::payload::{Hooks, Payloads};
use crate::ports::probe::Probe;
use crate::ports::random::Random;
use crate::ports::redaction::Redaction;
use crate::ports::store::{EventStore, LeaseOwner, Upkeep};
use crate::ports::worker::Worker;
use crate::ports::workspace::Workspace;

pub use crate::ports::check::ChecksError;
pub use crate::ports::fake_forge::{CiCheck, FakeForge, FakeForgeError, FakePlace, FakePull};
pub use crate::ports::forge::ForgeError;
pub use crate::ports::ledger::UsageQuery;
pub use crate::ports::notifier::Notifier as OperatorNotifier;
pub use crate::ports::redaction::Redaction as Masking;
pub use crate::ports::store::{EventStore as Log, RunQuery, StoreError};
pub use crate::ports::worker::WorkerError;
pub use crate::ports::workspace::WorkspaceError;
pub use error::AppError;

/// Everything the app needs, made once by `daemon.rs`.
pub struct App {
    pub(crate) ports: Ports,
    pub(crate) settings: Settings,
    /// Holds taken so far; each gets a number of its own.
    holds: AtomicU64,
    /// Runs as deliveries left them.
    known: inbox::KnownRuns,
}

/// The adapters behind the ports.
#[derive(Clone)]
#[expect(missing_docs, reason = "each is named for its port")]
pub struct Ports {
    pub store: Arc<dyn EventStore>,
    pub upkeep: Arc<dyn Upkeep>,
    pub ledger: Arc<dyn Ledger>,
    pub inbox: Arc<dyn Inbox>,
    pub payloads: Arc<dyn Payloads>,
    pub hooks: Arc<dyn Hooks>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub redaction: Arc<dyn Redaction>,
    pub probe: Arc<dyn Probe>,
    pub workspace: Arc<dyn Workspace>,
    pub worker: Arc<dyn Worker>,
    pub checks: Arc<dyn Checks>,
    pub actions: Arc<dyn Actions>,
    pub forge: Arc<dyn Forge>,
    pub artifacts: Arc<dyn Artifacts>,
    pub local: Arc<dyn LocalRepos>,
    pub notifier: Arc<dyn Notifier>,
}

/// What the operator configured, as far as the app branches on it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who this process is when it holds a lease.
    pub owner: LeaseOwner,
    /// What a run's branch begins with.
    pub branch_prefix: String,
    /// Runs worked on at once.
    pub max_parallel: usize,
    /// Limits of a run that brings none.
    pub limits: Limits,
    /// Rules of a run that brings none.
    pub policy: Policy,
    /// Rules of a run of these repositories that brings none, by [`RepoSlug::key`](crate::domain::id::RepoSlug::key).
    pub repository_policies: BTreeMap<String, Policy>,
    /// The agent of a submitted run that names none.
    pub agent: Option<String>,
    /// Agents and models of roles, for a run that brings none.
    pub roles: Roles,
    /// Budgets of a run that brings none.
    pub budgets: Budgets,
    /// The templates of prompts.
    pub prompts: prompt::Prompts,
    /// Lines at the end of every commit's message, such as `Signed-off-by: ...`.
    pub trailers: Vec<String>,
    /// Where workspaces are made.
    pub workspace_root: PathBuf,
    /// The GitHub that is used.
    pub github: KnownGitHub,
}

/// What the settings say of GitHub, for who looks whether it is there.
#[derive(Debug, Clone)]
pub struct KnownGitHub {
    /// Where the login comes from, such as `GH_TOKEN`; `None` asks `gh`.
    pub login: Option<String>,
    /// The address of its pages.
    pub web_url: String,
    /// The address of its API.
    pub api_url: String,
}

impl App {
    /// Puts the app together.
    pub fn new(ports: Ports, settings: Settings) -> Self {
        Self { ports, settings, holds: AtomicU64::new(0), known: inbox::KnownRuns::default() }
    }

    /// What the operator configured.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The store, for readers that page through events and rows themselves.
    pub fn store(&self) -> &dyn EventStore {
        &*self.ports.store
    }

    /// The store's care.
    pub fn upkeep(&self) -> &dyn Upkeep {
        &*self.ports.upkeep
    }

    /// Files of runs.
    pub fn artifacts(&self) -> &dyn Artifacts {
        &*self.ports.artifacts
    }

    /// Repositories on this machine.
    pub fn local(&self) -> &dyn LocalRepos {
        &*self.ports.local
    }

    /// Both clocks, read now.
    pub fn now(&self) -> crate::domain::time::Moment {
        self.ports.clock.now()
    }

    /// The branch a run's work goes to.
    ///
    /// # Errors
    /// [`InvalidId`] when the configured prefix makes no branch name.
    pub fn head_branch(&self, run: &RunId) -> Result<BranchName, InvalidId> {
        BranchName::new(format!("{}{run}", self.settings.branch_prefix))
    }

    /// Twelve hexadecimal digits of chance: the ending of a new id.
    ///
    /// # Errors
    /// [`AppError`] when the system has no random bytes.
    pub(crate) fn random_hex(&self) -> Result<String, AppError> {
        let mut bytes = [0_u8; 6];
        self.ports.random.fill(&mut bytes)?;
        Ok(hex::encode(bytes))
    }
}
