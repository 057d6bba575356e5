//! Verification contracts carried out with real commands: in a directory as it is, and for a run from its pinned copy.

mod artifacts;
mod budget;
mod login;
mod metrics;
mod order;
mod pinned;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agentpr::adapters::artifact::ArtifactStore;
use agentpr::adapters::check::CheckRunner;
use agentpr::adapters::process::environment::ChildEnvironment;
use agentpr::adapters::process::group::Supervisor;
use agentpr::adapters::process::overrides::Overrides;
use agentpr::adapters::process::redact::Redactor;
use agentpr::adapters::process::sandbox::{Sandbox, SandboxSettings};
use agentpr::domain::confine::ProcessLimits;
use agentpr::domain::evidence::{CheckOutcome, CheckReport};
use agentpr::domain::id::RunId;
use agentpr::ports::artifact::Artifacts;
use agentpr::ports::check::ChecksError;
use agentpr::ports::verify::{TreeOrder, TreeReport, Unattended, Verifier};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::world::{World, open, parent, put, run};

/// A directory with a contract, and what verifies it.
struct Site {
    world: World,
    checks: CheckRunner,
    tree: PathBuf,
}

impl Site {
    fn new() -> Self {
        let world = World::new();
        let tree = world.root.path().join("tree");
        std::fs::create_dir_all(&tree).unwrap();
        let checks = checks(&world, &parent());
        Self { world, checks, tree }
    }

    /// The same, with a program of this name before all others.
    fn with_program(mut self, name: &str, script: &str) -> Self {
        let bin = self.world.root.path().join("bin");
        put(&bin.join(name), script);
        std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut parent = parent();
        let path = format!("{}:{}", bin.display(), parent["PATH"]);
        parent.insert("PATH".to_owned(), path);
        self.checks = checks(&self.world, &parent);
        self
    }

    fn put(&self, name: &str, text: &str) {
        put(&self.tree.join(name), text);
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.tree.join(name)).unwrap()
    }

    fn has(&self, name: &str) -> bool {
        self.tree.join(name).exists()
    }

    fn order(&self, contract: Option<&str>) -> TreeOrder {
        let id: RunId = run().0;
        TreeOrder {
            id,
            tree: self.tree.clone(),
            artifacts: None,
            contract: contract.map(|text| text.as_bytes().to_vec()),
            commands: Vec::new(),
            unattended: Unattended::Strict,
            confinement: open(),
            limits: ProcessLimits::wall(Duration::from_secs(20)),
        }
    }

    async fn carry_out(&self, order: &TreeOrder) -> TreeReport {
        self.checks.verify(order, &|_| {}, &CancellationToken::new()).await.unwrap()
    }

    async fn verify(&self, contract: &str) -> Seen {
        Seen::of(self.carry_out(&self.order(Some(contract))).await)
    }

    async fn stopped(&self, contract: &str, stop: &CancellationToken) -> Result<TreeReport, ChecksError> {
        self.checks.verify(&self.order(Some(contract)), &|_| {}, stop).await
    }
}

fn checks(world: &World, parent: &BTreeMap<String, String>) -> CheckRunner {
    let environment = ChildEnvironment::new(world.root.path().join("data"), parent, Overrides::default());
    let artifacts: Arc<dyn Artifacts> = Arc::<ArtifactStore>::clone(&world.artifacts);
    let settings =
        SandboxSettings { search_path: parent["PATH"].clone(), hidden: Vec::new(), readable: Vec::new() };
    let launcher = PathBuf::from(env!("CARGO_BIN_EXE_agentpr"));
    let supervisor =
        Supervisor::new(launcher, Sandbox::new(settings), Redactor::new([parent["GH_TOKEN"].clone()]));
    CheckRunner::new(environment, world.control.clone(), artifacts, supervisor)
}

/// What came of a verification.
#[derive(Debug)]
struct Seen {
    report: CheckReport,
    artifacts: PathBuf,
}

impl Seen {
    fn of(done: TreeReport) -> Self {
        Self { report: done.report, artifacts: done.artifacts }
    }

    fn outcome(&self) -> CheckOutcome {
        self.report.outcome()
    }

    /// The name of the stage that failed.
    fn failed(&self) -> Option<&'static str> {
        self.report.failed_stage().map(agentpr::domain::verification::Stage::name)
    }

    fn artifact(&self, name: &str) -> String {
        let path = self.artifacts.join("preflight").join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
    }

    fn summary(&self) -> Value {
        serde_json::from_str(&self.artifact("summary.json")).unwrap()
    }
}

/// Every file below a folder, sorted.
fn listing(folder: &Path) -> Vec<String> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

/// Living processes whose command line has this word.
fn alive(word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(word) && entry.file_name().to_string_lossy() != std::process::id().to_string() {
            found.push(line);
        }
    }
    found
}
