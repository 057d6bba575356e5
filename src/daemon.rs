//! The composition root: the one place that knows every adapter, and hands them to the app.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::adapters::action::ActionRunner;
use crate::adapters::artifact::ArtifactStore;
use crate::adapters::check::CheckRunner;
use crate::adapters::clock::SystemClock;
use crate::adapters::forge::gh::gh_token;
use crate::adapters::forge::github::client::{ClientSettings, GitHubClient, Login, Secret as Hush};
use crate::adapters::forge::github::forge::{ForkPolicy, GitHubForge, GitHubForgeSettings};
use crate::adapters::forge::github::keys::GitHubKeys;
use crate::adapters::forge::github::payload::GitHubPayloads;
use crate::adapters::forge::local::LocalForge;
use crate::adapters::forge::none::NoHooks;
use crate::adapters::forge::routed::RoutedForge;
pub use crate::adapters::git::askpass::{VARIABLE as ASKPASS, askpass_entry};
use crate::adapters::git::control::ControlRepos;
use crate::adapters::git::place::{GitHubPlace, GitHubUse};
use crate::adapters::git::program::Git;
use crate::adapters::git::remote::Remotes;
use crate::adapters::local::GitLocalRepos;
use crate::adapters::local::fake_forge::{FakeForgeSettings, FakeGitHub};
use crate::adapters::probe::{ProbeSettings, SystemProbe};
use crate::adapters::process::environment::ChildEnvironment;
use crate::adapters::process::group::Supervisor;
pub use crate::adapters::process::launch::entry as launch;
use crate::adapters::process::overrides::Overrides;
use crate::adapters::process::redact::{Redactor, secrets_in_files_of, secrets_of};
use crate::adapters::process::sandbox::{Sandbox, SandboxSettings};
pub use crate::adapters::process::shield::close_to_neighbours;
use crate::adapters::random::SystemRandom;
use crate::adapters::store::owner::this_process;
use crate::adapters::store::sqlite::SqliteStore;
use crate::adapters::worker::agent::{Key, Setup};
use crate::adapters::worker::{WorkerSettings, Workers};
use crate::adapters::workspace::{CHANGE_CAP, GitWorkspace, WorkspaceSettings};
use crate::app::prompt::Prompts;
use crate::app::verify::Verifier;
use crate::app::{App, AppError, FakeForge, KnownGitHub, Masking, OperatorNotifier, Ports, Settings};
use crate::config::{
    AgentSettings, Config, Environment, ForgeChoice, ForkChoice, GitHubSettings, Origin, Secret, templates_in,
};
use crate::ports::clock::Clock;
use crate::ports::forge::Forge;
use crate::ports::payload::Hooks;
use crate::surfaces::cli::{Access, Wire};

/// The user of an opencode server that was started without naming one.
const OPENCODE_USER: &str = "opencode";

/// The kernel's own link to this program; it holds even after an upgrade took the file's place.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// How long GitHub may take for one answer.
const GITHUB_CALL: Duration = Duration::from_secs(30);

/// Wires this machine's adapters.
pub struct Wiring;

impl Wire for Wiring {
    fn open(
        &self,
        config: &Config,
        access: Access,
        notifier: Arc<dyn OperatorNotifier>,
    ) -> Result<App, AppError> {
        let store = Arc::new(open_store(config, access)?);
        let parent = &config.parent_env;
        let search_path = config.search_path.to_string_lossy().into_owned();
        let data_dir = absolute(&config.data_dir.value)?;
        let workspace_root = absolute(&config.workspace_root.value)?;
        let clock = Arc::new(SystemClock::new());
        let github = GitHub::of(config, &data_dir, Arc::clone(&clock) as Arc<_>)?;
        let mut git = Git::new(parent);
        // By its name: what git starts has another `/proc/self`.
        if let Ok(program) = std::env::current_exe() {
            git = git.asking_with(program);
        }
        let mut remotes = Remotes::new(absolute(&config.forge_root.value)?);
        if let Some(github) = &github {
            git = git.with_keys(Arc::new(GitHubKeys::new(&config.github.web_url, github.client.clone())));
            remotes = remotes.with_github(github.place.clone());
        }
        let control = ControlRepos::new(data_dir.clone(), git.clone());
        let (forge, hooks) = forges(config, github, remotes.clone(), &control, Arc::clone(&clock) as Arc<_>);
        let redactor = redactor(config);
        let artifacts = Arc::new(ArtifactStore::new(data_dir.join("artifacts"), redactor.clone()));
        let environment = ChildEnvironment::new(data_dir.clone(), parent, overrides(config)?);
        let looked_at = ProbeSettings {
            search_path: std::env::split_paths(&config.search_path).collect(),
            programs: programs(config),
            parent: parent.clone(),
            data_dir: data_dir.clone(),
            db: absolute(&config.db.value)?,
            config_file: config.file.value.clone(),
        };
        let supervisor = supervisor(config, [&data_dir, &workspace_root], redactor.clone());
        let agents_file = data_dir.join("agents.json");
        let workspace = WorkspaceSettings {
            data_dir,
            workspace_root: workspace_root.clone(),
            author_name: config.commit_name.value.clone(),
            author_email: config.commit_email.value.clone(),
            change_cap: CHANGE_CAP,
        };
        let ports = Ports {
            upkeep: Arc::clone(&store) as Arc<_>,
            ledger: Arc::clone(&store) as Arc<_>,
            inbox: Arc::clone(&store) as Arc<_>,
            payloads: Arc::new(GitHubPayloads),
            hooks,
            store,
            clock,
            random: Arc::new(SystemRandom),
            redaction: Arc::new(redactor),
            probe: Arc::new(SystemProbe::new(looked_at, supervisor.sandbox().clone())),
            workspace: Arc::new(GitWorkspace::new(workspace, remotes, control.clone())),
            worker: Arc::new(Workers::new(
                environment.clone(),
                Arc::clone(&artifacts) as Arc<_>,
                supervisor.clone(),
                worker_settings(config, agents_file),
            )),
            checks: Arc::new(CheckRunner::new(
                environment.clone(),
                control,
                Arc::clone(&artifacts) as Arc<_>,
                supervisor.clone(),
            )),
            actions: Arc::new(ActionRunner::new(environment, Arc::clone(&artifacts) as Arc<_>, supervisor)),
            forge,
            artifacts,
            local: Arc::new(GitLocalRepos::new(git, search_path)),
            notifier,
        };
        let settings = Settings {
            owner: this_process("agentpr"),
            branch_prefix: config.branch_prefix.value.clone(),
            max_parallel: config.max_parallel.value,
            limits: config.limits.clone(),
            policy: config.policies.default.clone(),
            repository_policies: config.policies.repositories.clone(),
            agent: config.agent.value.clone(),
            workspace_root,
            trailers: config.github.trailers.clone(),
            github: known_github(&config.github),
            roles: config.roles.clone(),
            budgets: config.budgets,
            prompts: prompts(config)?,
        };
        Ok(App::new(ports, settings))
    }

    fn masking(&self, config: &Config) -> Arc<dyn Masking> {
        Arc::new(redactor(config))
    }

    fn verifier(&self, config: &Config) -> Result<Arc<dyn Verifier>, AppError> {
        let data_dir = absolute(&config.data_dir.value)?;
        let workspace_root = absolute(&config.workspace_root.value)?;
        let redactor = redactor(config);
        let supervisor = supervisor(config, [&data_dir, &workspace_root], redactor.clone());
        let control = ControlRepos::new(data_dir.clone(), Git::new(&config.parent_env));
        let artifacts = Arc::new(ArtifactStore::new(data_dir.join("artifacts"), redactor));
        let environment = ChildEnvironment::new(data_dir, &config.parent_env, overrides(config)?);
        Ok(Arc::new(CheckRunner::new(environment, control, artifacts, supervisor)))
    }

    fn fake_forge(&self, config: &Config, dir: &Path) -> Result<Arc<dyn FakeForge>, AppError> {
        let program = std::env::current_exe().ok();
        let settings = FakeForgeSettings {
            beside: program.and_then(|program| Some(program.parent()?.to_owned())),
            search_path: config.search_path.to_string_lossy().into_owned(),
            git: Git::new(&config.parent_env),
            dir: dir.to_owned(),
        };
        Ok(Arc::new(FakeGitHub::start(settings)?))
    }
}

/// Puts the supervisor of agents and checks together. What is hidden from them: the operator's home and what is the engine's
/// own, its settings in the system's folder included.
fn supervisor(config: &Config, own: [&std::path::PathBuf; 2], redactor: Redactor) -> Supervisor {
    let home = config.parent_env.get("HOME").map(std::path::PathBuf::from);
    let system = std::path::PathBuf::from("/etc/agentpr");
    let hidden =
        own.into_iter().cloned().chain(home.filter(|home| home.is_absolute())).chain([system]).collect();
    let settings = SandboxSettings {
        search_path: config.search_path.to_string_lossy().into_owned(),
        hidden,
        readable: config.sandbox_readable.value.clone(),
    };
    Supervisor::new(OWN_PROGRAM.into(), Sandbox::new(settings), redactor)
}

/// Knows the secrets of this process's environment and the keys of agents, whatever their variables are called.
fn redactor(config: &Config) -> Redactor {
    let keys = worker_settings(config, PathBuf::new()).secrets();
    let env = &config.parent_env;
    let github = config.github.secrets().map(str::to_owned);
    Redactor::new(secrets_of(env).into_iter().chain(secrets_in_files_of(env)).chain(keys).chain(github))
}

/// What is made of the settings of GitHub; nothing is asked yet.
struct GitHub {
    client: GitHubClient,
    place: GitHubPlace,
}

impl GitHub {
    /// `None` where the settings say that no run is there.
    fn of(config: &Config, data_dir: &Path, clock: Arc<dyn Clock>) -> Result<Option<Self>, AppError> {
        let settings = &config.github;
        let when = match config.forge.value {
            ForgeChoice::Local => return Ok(None),
            ForgeChoice::Auto => GitHubUse::Auto,
            ForgeChoice::GitHub => GitHubUse::Always,
        };
        let host = settings.web_url.split_once("://").map_or("", |(_, host)| host).to_owned();
        let (search_path, parent) = (config.search_path.clone(), config.parent_env.clone());
        let asked = LazyLock::new(move || gh_token(&search_path, &host, &parent));
        let gh: Arc<dyn Fn() -> Option<Hush> + Send + Sync> =
            Arc::new(move || asked.as_deref().map(Hush::new));
        let (login, is_known): (Login, Arc<dyn Fn() -> bool + Send + Sync>) = match settings {
            GitHubSettings { app: Some(app), .. } => {
                let key_pem = Hush::new(app.key.reveal());
                let installation = app.installation.ok_or_else(|| {
                    AppError::Invalid("a GitHub App needs `installation_id` in the table `github`".to_owned())
                })?;
                (Login::App { app_id: app.id, installation, key_pem }, Arc::new(|| true))
            }
            GitHubSettings { token: Some(token), .. } => {
                (Login::Token(Hush::new(token.value.reveal())), Arc::new(|| true))
            }
            _ => (Login::Later(Arc::clone(&gh)), Arc::new(move || gh().is_some())),
        };
        let client = ClientSettings {
            api_url: settings.api_url.clone(),
            login,
            state_dir: data_dir.join("github"),
            write_gap: settings.write_gap,
            time_limit: GITHUB_CALL,
        };
        Ok(Some(Self {
            client: GitHubClient::new(client, clock)?,
            place: GitHubPlace::new(&settings.web_url, when, is_known),
        }))
    }
}

/// The forge of runs, and who is asked about hooks.
fn forges(
    config: &Config,
    github: Option<GitHub>,
    remotes: Remotes,
    control: &ControlRepos,
    clock: Arc<dyn Clock>,
) -> (Arc<dyn Forge>, Arc<dyn Hooks>) {
    let local = LocalForge::new(remotes.clone(), control.clone());
    let Some(github) = github else { return (Arc::new(local), Arc::new(NoHooks)) };
    let settings = GitHubForgeSettings {
        web_url: config.github.web_url.clone(),
        login: config.github.login.clone(),
        fork: match config.github.fork {
            ForkChoice::Auto => ForkPolicy::Auto,
            ForkChoice::Always => ForkPolicy::Always,
            ForkChoice::Never => ForkPolicy::Never,
        },
        draft: config.github.draft,
        labels: config.github.labels.clone(),
        maintainer_can_modify: config.github.maintainer_can_modify,
    };
    let forge = GitHubForge::new(github.client, settings, control.clone(), clock);
    (Arc::new(RoutedForge::new(remotes, local, forge.clone())), Arc::new(forge))
}

/// What is known of GitHub without asking it.
fn known_github(settings: &GitHubSettings) -> KnownGitHub {
    let app = settings.app.as_ref().map(|app| format!("the key of App {}", app.id));
    let login = app.or_else(|| settings.token.as_ref().map(|token| token.from.clone()));
    KnownGitHub { login, web_url: settings.web_url.clone(), api_url: settings.api_url.clone() }
}

/// The programs of agents that the operator named.
fn programs(config: &Config) -> BTreeMap<String, PathBuf> {
    let named = config.agents.iter().filter_map(|(name, agent)| Some((name.clone(), agent.program.clone()?)));
    named.collect()
}

/// What the worker is told of the operator's settings; it remembers what it found out about programs in `cache`.
fn worker_settings(config: &Config, cache: PathBuf) -> WorkerSettings {
    let home = config.parent_env.get("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    let setups = config.agents.iter().map(|(name, agent)| (name.clone(), setup(agent))).collect();
    WorkerSettings { setups, prices: config.prices.clone(), cache: Some(cache), home }
}

fn setup(agent: &AgentSettings) -> Setup {
    let key =
        |secret: &Secret| Key { variable: secret.variable.clone(), value: secret.value.reveal().to_owned() };
    let server_login = agent.server_password.as_ref().map(|password| {
        let user = agent.server_user.as_deref().unwrap_or(OPENCODE_USER);
        (user.to_owned(), password.value.reveal().to_owned())
    });
    Setup {
        program: agent.program.clone(),
        model: agent.model.clone(),
        base_url: agent.base_url.clone(),
        key: agent.key.as_ref().map(key),
        login: agent.login.clone(),
        args: agent.args.clone(),
        effort: agent.effort.clone(),
        pool: agent.pool.clone(),
        url: agent.url.clone(),
        server_login,
    }
}

/// Masks what goes to the operator's logs. Nothing is prepared before the first line, for most calls write none.
pub fn log_mask(environment: &Environment) -> impl Fn(&str) -> String + Send + Sync + 'static {
    let environment: BTreeMap<String, String> = environment
        .iter()
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned())))
        .collect();
    let redactor = LazyLock::new(move || {
        Redactor::new(secrets_of(&environment).into_iter().chain(secrets_in_files_of(&environment)))
    });
    move |line| redactor.text(line)
}

fn open_store(config: &Config, access: Access) -> Result<SqliteStore, AppError> {
    let path = absolute(&config.db.value)?;
    let nobody_named_it = config.db.origin == Origin::Default;
    Ok(match access {
        Access::Read => SqliteStore::open_read_only(&path)?,
        Access::Create => SqliteStore::create(&path)?,
        Access::CreateDefault if nobody_named_it => SqliteStore::create(&path)?,
        Access::Write | Access::CreateDefault => SqliteStore::open(&path)?,
    })
}

/// The templates of prompts, with the operator's own in their places.
fn prompts(config: &Config) -> Result<Prompts, AppError> {
    let Some(folder) = &config.prompts_dir.value else { return Ok(Prompts::default()) };
    let own =
        templates_in(folder).map_err(|why| AppError::Invalid(format!("the setting `prompts_dir`: {why}")))?;
    Prompts::with(own)
}

fn overrides(config: &Config) -> Result<Overrides, AppError> {
    match &config.runtime_env_overrides.value {
        None => Ok(Overrides::default()),
        Some(path) => Overrides::load(path).map_err(|err| AppError::Invalid(err.to_string())),
    }
}

/// A path that means the same in every directory: git and agents are started elsewhere.
fn absolute(path: &std::path::Path) -> Result<std::path::PathBuf, AppError> {
    std::path::absolute(path)
        .map_err(|err| AppError::Invalid(format!("`{}` is not a path: {err}", path.display())))
}
