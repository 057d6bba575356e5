//! Settings: flag before environment before file before default, and each value knows where it came from.
//!
//! The only place that reads files and variables for settings. The environment is handed in, because only `main.rs` reads
//! it. Nothing is created by reading.

mod agents;
mod budget;
mod file;
mod forge;
mod github;
mod github_login;
mod layer;
mod policy;
mod prices;
mod prompts;
mod roles;
mod secret;
mod webhook;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::domain::agent::budget::Budgets;
use crate::domain::agent::role::Roles;
use crate::domain::agent::usage::Prices;
use crate::domain::id::BranchName;
use crate::domain::spec::Limits;

pub use agents::AgentSettings;
use file::FileSettings;
pub use forge::ForgeChoice;
pub use github::{ForkChoice, GitHubSettings};
pub use github_login::{FoundToken, GitHubApp};
use layer::Layers;
pub use layer::{Environment, Origin, Sourced};
pub use policy::Policies;
pub use prompts::templates_in;
pub use secret::{Hidden, Secret, secret_in};
pub use webhook::WebhookSettings;

/// Paths named on the command line.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "each is the flag of its name")]
pub struct Flags {
    pub config: Option<PathBuf>,
    pub data_dir: Option<PathBuf>,
    pub db: Option<PathBuf>,
    pub workspace_root: Option<PathBuf>,
    pub integration_root: Option<PathBuf>,
    pub github_token_file: Option<PathBuf>,
}

/// Every setting, with its origin.
#[derive(Debug, Clone)]
pub struct Config {
    /// The settings file that is read when it is there.
    pub file: Sourced<PathBuf>,
    /// Where store, artifacts and repositories lie.
    pub data_dir: Sourced<PathBuf>,
    /// The store.
    pub db: Sourced<PathBuf>,
    /// Where agents work.
    pub workspace_root: Sourced<PathBuf>,
    /// Where contracts and templates of the operator lie.
    pub integration_root: Sourced<PathBuf>,
    /// Where the local forge keeps its pull requests.
    pub forge_root: Sourced<PathBuf>,
    /// Which forge runs are pushed to.
    pub forge: Sourced<ForgeChoice>,
    /// What a run's branch begins with.
    pub branch_prefix: Sourced<String>,
    /// The name on commits the engine makes.
    pub commit_name: Sourced<String>,
    /// The address on commits the engine makes.
    pub commit_email: Sourced<String>,
    /// Runs worked on at once, 1 to 64.
    pub max_parallel: Sourced<usize>,
    /// The agent of a submitted run that names none.
    pub agent: Sourced<Option<String>>,
    /// Variables given to agents and checks; `None` takes the built-in list.
    pub runtime_env_overrides: Sourced<Option<PathBuf>>,
    /// What agents and checks may read besides the system's folders and what is theirs; absolute.
    pub sandbox_readable: Sourced<Vec<PathBuf>>,
    /// A folder whose prompts take the place of the built-in ones.
    pub prompts_dir: Sourced<Option<PathBuf>>,
    /// Rules of new runs.
    pub policies: Policies,
    /// Settings of every agent known by name.
    pub agents: BTreeMap<String, AgentSettings>,
    /// Agents and models of roles.
    pub roles: Roles,
    /// What models cost.
    pub prices: Prices,
    /// What agents may use.
    pub budgets: Budgets,
    /// GitHub: where it is, who we are there, how pull requests are made.
    pub github: GitHubSettings,
    /// Where deliveries of GitHub come in.
    pub webhook: WebhookSettings,
    /// Limits of a run that brings none.
    pub limits: Limits,
    /// Where each limit came from, by its name in the file.
    pub limit_origins: Vec<(&'static str, Origin)>,
    /// This process's variables that are text; agents and checks get an allow-listed part of them.
    pub parent_env: BTreeMap<String, String>,
    /// Where programs are looked for, as `PATH` has it.
    pub search_path: OsString,
}

/// Why there are no settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file that was named is not there or not readable.
    #[error("the settings file `{}` cannot be read: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The file says something that makes no settings.
    #[error("the settings file `{}` is not valid: {why}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its place.
        why: String,
    },
    /// A value breaks its rule.
    #[error("`{name}` (from {origin}) is not valid: {why}")]
    Value {
        /// The setting.
        name: String,
        /// Where it came from.
        origin: Origin,
        /// The rule.
        why: String,
    },
    /// There is no place for data.
    #[error(
        "there is no place for data: neither --data-dir, AGENTPR_DATA_DIR, XDG_DATA_HOME nor HOME is set"
    )]
    NoHome,
}

impl Config {
    /// Reads the settings.
    ///
    /// A file that nobody named may be missing; one that somebody named must be there.
    ///
    /// # Errors
    /// [`ConfigError`] naming the value and its origin.
    pub fn load(flags: &Flags, environment: &Environment) -> Result<Self, ConfigError> {
        let file = settings_path(flags, environment);
        let settings = match &file {
            Some(file) => FileSettings::read(&file.value, file.origin != Origin::Default)?,
            None => FileSettings::default(),
        };
        let file = file.unwrap_or_else(|| Sourced { value: PathBuf::new(), origin: Origin::Default });
        let layers = Layers { environment, file: &file.value };
        let data_dir = layers
            .path(flags.data_dir.as_ref(), "AGENTPR_DATA_DIR", settings.data_dir.as_ref())
            .or_else(|| default_data_dir(environment).map(|value| Sourced { value, origin: Origin::Default }))
            .ok_or(ConfigError::NoHome)?;
        let under = |name: &str| Sourced { value: data_dir.value.join(name), origin: Origin::Default };
        let place = |flag: Option<&PathBuf>, variable, setting: Option<&PathBuf>, name: &str| {
            layers.path(flag, variable, setting).unwrap_or_else(|| under(name))
        };
        let word = |variable, setting: Option<&String>, default: &str| {
            let found = layers.text(variable, setting)?;
            Ok(found.unwrap_or_else(|| Sourced { value: default.to_owned(), origin: Origin::Default }))
        };
        let (limits, limit_origins) = settings.limits.resolve(&file.value);
        let config = Self {
            db: place(flags.db.as_ref(), "AGENTPR_DB", settings.db.as_ref(), "agentpr.db"),
            workspace_root: place(
                flags.workspace_root.as_ref(),
                "AGENTPR_BASE_DIR",
                settings.workspace_root.as_ref(),
                "workspaces",
            ),
            integration_root: place(
                flags.integration_root.as_ref(),
                "AGENTPR_INTEGRATION_ROOT",
                settings.integration_root.as_ref(),
                "integration",
            ),
            forge_root: place(None, "AGENTPR_FORGE_ROOT", settings.forge_root.as_ref(), "forge"),
            forge: ForgeChoice::read(&layers, settings.forge)?,
            branch_prefix: word("AGENTPR_BRANCH_PREFIX", settings.branch_prefix.as_ref(), "agentpr/")?,
            commit_name: word("AGENTPR_COMMIT_NAME", settings.commit_name.as_ref(), "agentpr")?,
            commit_email: word("AGENTPR_COMMIT_EMAIL", settings.commit_email.as_ref(), "agentpr@localhost")?,
            max_parallel: layers.number("max_parallel", "AGENTPR_MAX_PARALLEL", settings.max_parallel, 2)?,
            agent: layers
                .text("AGENTPR_AGENT", settings.agent.as_ref())?
                .map_or(Sourced::none(), Sourced::some),
            runtime_env_overrides: layers
                .path(None, "AGENTPR_RUNTIME_ENV_OVERRIDES", settings.runtime_env_overrides.as_ref())
                .map_or(Sourced::none(), Sourced::some),
            sandbox_readable: layers.paths("AGENTPR_SANDBOX_READABLE", settings.sandbox_readable.as_ref()),
            prompts_dir: layers
                .path(None, "AGENTPR_PROMPTS_DIR", settings.prompts_dir.as_ref())
                .map_or(Sourced::none(), Sourced::some),
            agents: agents::read(&layers, &settings.agents)?,
            roles: roles::read(&layers, &settings.roles)?,
            prices: prices::read(&layers, &settings.prices)?,
            budgets: budget::read(&layers, &settings.budget)?,
            github: github::read(&layers, &settings.github, flags.github_token_file.as_deref())?,
            webhook: webhook::read(&layers, &settings.webhook)?,
            policies: Policies::read(&layers, &settings.policy, &settings.repository)?,
            limits,
            limit_origins,
            parent_env: text_only(environment),
            search_path: environment.get(std::ffi::OsStr::new("PATH")).cloned().unwrap_or_default(),
            data_dir,
            file,
        };
        config.check()?;
        Ok(config)
    }

    /// Every setting as name, shown value and origin, in the order of the example file.
    pub fn rows(&self) -> Vec<(String, String, Origin)> {
        let path = |name: &str, set: &Sourced<PathBuf>| {
            (name.to_owned(), set.value.display().to_string(), set.origin.clone())
        };
        let text =
            |name: &str, set: &Sourced<String>| (name.to_owned(), set.value.clone(), set.origin.clone());
        let maybe = |name: &str, set: &Sourced<Option<PathBuf>>| {
            let shown = set.value.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
            (name.to_owned(), shown, set.origin.clone())
        };
        let readable = self.sandbox_readable.value.iter().map(|path| path.display().to_string());
        let mut rows = vec![
            path("data_dir", &self.data_dir),
            path("db", &self.db),
            path("workspace_root", &self.workspace_root),
            path("integration_root", &self.integration_root),
            path("forge_root", &self.forge_root),
            ("forge".to_owned(), self.forge.value.word().to_owned(), self.forge.origin.clone()),
            text("branch_prefix", &self.branch_prefix),
            text("commit_name", &self.commit_name),
            text("commit_email", &self.commit_email),
            (
                "max_parallel".to_owned(),
                self.max_parallel.value.to_string(),
                self.max_parallel.origin.clone(),
            ),
            ("agent".to_owned(), self.agent.value.clone().unwrap_or_default(), self.agent.origin.clone()),
            maybe("runtime_env_overrides", &self.runtime_env_overrides),
            (
                "sandbox_readable".to_owned(),
                readable.collect::<Vec<_>>().join(":"),
                self.sandbox_readable.origin.clone(),
            ),
            maybe("prompts_dir", &self.prompts_dir),
        ];
        rows.extend(self.limit_origins.iter().map(|(name, origin)| {
            (format!("limits.{name}"), file::shown(&self.limits, name), origin.clone())
        }));
        rows.extend(self.policies.rows(&self.file.value));
        let in_file = Origin::File(self.file.value.clone());
        rows.extend(agents::rows(&self.agents));
        rows.extend(roles::rows(&self.roles, &in_file));
        rows.extend(prices::rows(&self.prices, &in_file));
        rows.extend(budget::rows(&self.budgets, &in_file));
        rows.extend(self.github.rows());
        rows.extend(self.webhook.rows());
        rows
    }

    fn check(&self) -> Result<(), ConfigError> {
        let prefix = &self.branch_prefix;
        BranchName::new(format!("{}run", prefix.value))
            .map_err(|err| prefix.wrong("branch_prefix", err.rule))?;
        for (name, set) in [("commit_name", &self.commit_name), ("commit_email", &self.commit_email)] {
            let text = set.value.trim();
            if text.is_empty()
                || text.len() > 200
                || text.contains(|c: char| c.is_control() || c == '<' || c == '>')
            {
                return Err(set.wrong(name, "1 to 200 bytes on one line without `<` and `>`"));
            }
        }
        if !(1..=64).contains(&self.max_parallel.value) {
            return Err(self.max_parallel.wrong("max_parallel", "a number from 1 to 64"));
        }
        if self.sandbox_readable.value.iter().any(|path| !path.is_absolute()) {
            return Err(self.sandbox_readable.wrong("sandbox_readable", "absolute paths"));
        }
        if self.limits.attempt_secs == 0 || self.limits.check_secs == 0 {
            let origin = Origin::File(self.file.value.clone());
            let why = "a time limit is 1 second or more".to_owned();
            return Err(ConfigError::Value { name: "limits".to_owned(), origin, why });
        }
        Ok(())
    }
}

/// The settings file: named, or where the XDG rules put it; `None` when there is not even a home.
fn settings_path(flags: &Flags, environment: &Environment) -> Option<Sourced<PathBuf>> {
    let layers = Layers { environment, file: Path::new("") };
    layers.path(flags.config.as_ref(), "AGENTPR_CONFIG", None).or_else(|| {
        let base = layer::absolute_path(environment, "XDG_CONFIG_HOME")
            .or_else(|| Some(layer::absolute_path(environment, "HOME")?.join(".config")))?;
        Some(Sourced { value: base.join("agentpr").join("config.toml"), origin: Origin::Default })
    })
}

fn default_data_dir(environment: &Environment) -> Option<PathBuf> {
    layer::absolute_path(environment, "XDG_DATA_HOME")
        .or_else(|| Some(layer::absolute_path(environment, "HOME")?.join(".local").join("share")))
        .map(|base| base.join("agentpr"))
}

fn text_only(environment: &Environment) -> BTreeMap<String, String> {
    environment
        .iter()
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned())))
        .collect()
}
