//! The verification contract as it was read: which commands judge a change, in which stages, within which limits.
//!
//! Made by the strict reader of `pipeline.yml`, carried out by the checks. Fields and defaults are in
//! `docs/pipeline_spec.md`. Every rule that needs no file system is checked when it is read, so a value of this type is
//! one that can be carried out.

use std::collections::BTreeMap;
use std::fmt;

use super::policy::CommandMode;
use super::verification::Stage;

/// Where something stands in a file, both counted from 1; zeros stand for the file as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// One thing that is wrong or odd in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The path of the value, as `tests.timeout_seconds` or `tests.cmds[0]`; empty for the file as a whole.
    pub path: String,
    /// Where it stands.
    pub place: Place,
    /// The rule, for people; one line.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.line > 0 {
            write!(f, "line {}, column {}: ", self.place.line, self.place.column)?;
        }
        if !self.path.is_empty() {
            write!(f, "`{}`: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// A whole contract, version 1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pipeline {
    /// What commands may be.
    pub security: Security,
    /// Commands that log in to what the tests need.
    pub auth: Auth,
    /// The tests.
    pub tests: Commands,
    /// Bringing the thing up and taking it down.
    pub deploy: Deploy,
    /// Measuring it.
    pub benchmark: Benchmark,
    /// Where artifacts go besides the engine's own place, relative to the repository.
    pub out_dir: Option<String>,
}

impl Pipeline {
    /// The stages that have something to do, in their order, each with the number of its commands.
    pub fn stages(&self) -> Vec<(Stage, usize)> {
        let deploy = &self.deploy;
        let takes_down = !deploy.setup_cmds.is_empty() && deploy.teardown_policy != TeardownPolicy::Never;
        let counts = [
            (Stage::Auth, self.auth.commands.cmds.len()),
            (Stage::Tests, self.tests.cmds.len()),
            (Stage::DeploySetup, deploy.setup_cmds.len()),
            (Stage::DeployHealth, deploy.health_cmds.len()),
            (Stage::Benchmark, self.benchmark.commands.cmds.len()),
        ];
        let mut stages: Vec<(Stage, usize)> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
        if self.benchmark.metrics_path.is_some() {
            stages.push((Stage::Metrics, 0));
        }
        if takes_down && !deploy.teardown_cmds.is_empty() {
            stages.push((Stage::DeployTeardown, deploy.teardown_cmds.len()));
        }
        stages
    }
}

/// The rules for every command of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Security {
    /// How much is forbidden by itself.
    pub mode: CommandMode,
    /// Regular expressions; when there are any, a command must match one.
    pub allowlist: Vec<String>,
    /// Regular expressions; a command that matches one is refused.
    pub denylist: Vec<String>,
    /// Seconds one command may take, whatever its stage says.
    pub max_cmd_seconds: Option<u64>,
    /// Seconds one stage may take.
    pub max_total_seconds: Option<u64>,
    /// Seconds the whole verification may take.
    pub max_run_seconds: Option<u64>,
    /// Whether the commands may reach the network.
    pub network: bool,
}

/// Commands of a stage, with what they share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commands {
    /// Each given to `sh -c`, in order.
    pub cmds: Vec<String>,
    /// Their common settings.
    pub settings: StageSettings,
}

/// What the commands of a stage share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StageSettings {
    /// Seconds one command may take.
    pub timeout_seconds: Option<u64>,
    /// How often a failed command is tried again.
    pub retries: u32,
    /// Variables besides the environment every check gets.
    pub env: BTreeMap<String, String>,
    /// Where they run, relative to the repository; empty is its root. Never leads out of it by its text.
    pub workdir: String,
}

/// The stage that logs in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Auth {
    /// Its commands.
    pub commands: Commands,
    /// Whether they need a terminal and a person.
    pub interactive: bool,
}

/// The stages that bring the thing up and take it down.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deploy {
    /// Brings it up.
    pub setup_cmds: Vec<String>,
    /// Asks whether it is up.
    pub health_cmds: Vec<String>,
    /// Takes it down; never tried again.
    pub teardown_cmds: Vec<String>,
    /// When it is taken down.
    pub teardown_policy: TeardownPolicy,
    /// What they share.
    pub settings: StageSettings,
    /// Whether and how the cluster's state is written down at the end.
    pub kubectl_dump: Option<KubectlDump>,
}

/// When a deployment is taken down; in any case only when its setup was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TeardownPolicy {
    /// Whatever happened.
    #[default]
    Always,
    /// When everything passed.
    OnSuccess,
    /// When something failed.
    OnFailure,
    /// Never.
    Never,
}

/// What is written down of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KubectlDump {
    /// The namespace of the logs; `None` is the one kubectl is set to.
    pub namespace: Option<String>,
    /// Which pods' logs.
    pub label_selector: Option<String>,
    /// Whether logs are written down; only with a selector.
    pub include_logs: bool,
}

/// The stage that measures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Benchmark {
    /// Its commands.
    pub commands: Commands,
    /// A JSON object the commands must write anew, relative to the repository.
    pub metrics_path: Option<String>,
    /// Keys it must have.
    pub required_keys: Vec<String>,
}
