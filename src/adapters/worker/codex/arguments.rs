//! How codex is started: settings in, a [`Launch`] out.
//!
//! Everything is said on the command line, so that `config.toml` in the agent's home, which its own commands may have written, is not
//! read where codex can be told so. No key and no prompt is in it.
//!
//! The sandbox. codex's own is bubblewrap too, and it cannot be put up inside the engine's: measured with 0.169 in tier 2, commands
//! then fail without an event and patches fail, while the program ends with 0; Landlock forbids every mount (landlock(7)), so tier 1
//! is the same. So inside a wall codex is told `danger-full-access`, whatever is wished, and the wall does what the mode says: the
//! workspace is read-only for the mode `read-only`, and for that mode only: a role that does not write needs it from whoever gives the
//! order. Without a wall the mode is codex's own, and a role that does not write is `read-only`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::home::{LAST_MESSAGE, SCHEMA, prepare};
use crate::adapters::worker::agent::{Installed, Launch, Setup, Stage};
use crate::domain::confine::{SandboxMode, Tier};
use crate::ports::worker::{WorkOrder, WorkerError};

/// Where codex keeps everything of its own; it must exist.
const HOME: &str = "CODEX_HOME";

/// The variable its built-in provider takes a key from. `OPENAI_API_KEY` is not sent by it.
const KEY: &str = "CODEX_API_KEY";

/// The name of a provider at another address than the built-in one's.
const PROVIDER: &str = "agentpr";

/// Features that reach outside the workspace, start programs of somebody else's, or never give up.
const OFF: [&str; 13] = [
    "plugins",
    "remote_plugin",
    "apps",
    "hooks",
    "memories",
    "goals",
    "multi_agent",
    "multi_agent_v2",
    "daemon_auto_start",
    "browser_use",
    "computer_use",
    "skill_mcp_dependency_install",
    "unbounded_connection_retries",
];

/// Tries of a request, beyond the first, when its answer is an error; the engine waits and starts anew after that.
const REQUEST_RETRIES: u32 = 2;

/// Tries of a request, beyond the first, when its stream breaks.
const STREAM_RETRIES: u32 = 3;

/// Milliseconds a stream may be silent: codex's own default, said so that it does not change.
const STREAM_IDLE_MS: u32 = 300_000;

/// What the argument list is made from.
#[derive(Debug, Clone, Copy)]
pub struct Wishes<'a> {
    /// What is asked.
    pub order: &'a WorkOrder,
    /// The program.
    pub installed: &'a Installed,
    /// The operator's settings.
    pub setup: &'a Setup,
    /// The agent's own home.
    pub home: &'a Path,
    /// The run's runtime directory.
    pub runtime: &'a Path,
    /// The clean environment, without what this adapter adds.
    pub env: &'a BTreeMap<String, String>,
    /// The tier the program will run under.
    pub tier: Tier,
}

/// Makes codex ready in the stage's home and says how it is started.
///
/// # Errors
/// [`WorkerError::Unavailable`] when a file cannot be written, or the conversation has a name that codex would not look for.
pub fn launch(stage: &Stage<'_>) -> Result<Launch, WorkerError> {
    let wishes = Wishes {
        order: stage.order,
        installed: stage.installed,
        setup: stage.setup,
        home: &stage.home,
        runtime: &stage.runtime,
        env: &stage.env,
        tier: stage.tier,
    };
    if let Some(id) = stage.resume().filter(|id| !is_thread(id)) {
        let why = format!("`{id}` is no conversation of codex; begin a new one");
        return Err(WorkerError::Unavailable(why));
    }
    prepare(wishes.home, wishes.order, wishes.setup).map_err(|err| {
        WorkerError::Unavailable(format!(
            "codex's home `{}` cannot be made ready: {err}",
            stage.home.display()
        ))
    })?;
    Ok(Launch {
        args: arguments(&wishes),
        env: environment(&wishes),
        stdin: Some(stage.order.prompt.clone()),
        readable: Vec::new(),
    })
}

/// The arguments. Nothing secret and no prompt is among them.
pub fn arguments(wishes: &Wishes<'_>) -> Vec<String> {
    let Wishes { order, installed, setup, home, .. } = *wishes;
    let mut args = Args(vec!["exec".to_owned(), "--json".to_owned()]);
    for option in ["--skip-git-repo-check", "--ignore-user-config", "--ignore-rules"] {
        args.flag(installed, option);
    }
    args.option(installed, "--cd", &order.workspace.to_string_lossy());
    args.option(installed, "--output-last-message", &home.join(LAST_MESSAGE).to_string_lossy());
    if order.output_schema.is_some() {
        args.option(installed, "--output-schema", &home.join(SCHEMA).to_string_lossy());
    }
    if let Some(model) = order.model.as_deref().or(setup.model.as_deref()) {
        args.pair("--model", model);
    }
    let mode = sandbox(wishes);
    args.pair("--sandbox", mode.name());
    let full_auto = mode == SandboxMode::WorkspaceWrite && installed.has_option("--full-auto");
    let ask = mode != SandboxMode::WorkspaceWrite && installed.has_option("--ask-for-approval");
    if full_auto {
        args.flag(installed, "--full-auto");
    } else if ask {
        args.pair("--ask-for-approval", "on-request");
    } else {
        args.config("approval_policy", "\"never\"");
    }
    args.settings(wishes, mode);
    args.0.extend(setup.args.iter().chain(&order.extra_args).cloned());
    // Every option stands before `resume`: after it, most of them are refused.
    if let Some(session) = &order.resume {
        args.pair("resume", &session.id);
    }
    args.0.push("-".to_owned());
    args.0
}

/// The environment. The key is in it under the name codex looks for, and nowhere else.
pub fn environment(wishes: &Wishes<'_>) -> BTreeMap<String, String> {
    let mut env = wishes.env.clone();
    env.insert(HOME.to_owned(), wishes.home.to_string_lossy().into_owned());
    // Resets are told as local times, without a zone.
    env.insert("TZ".to_owned(), "UTC".to_owned());
    if let Some(key) = &wishes.setup.key {
        env.insert(key_variable(wishes.setup).to_owned(), key.value.clone());
    }
    env
}

/// codex's own sandbox.
pub fn sandbox(wishes: &Wishes<'_>) -> SandboxMode {
    match (wishes.tier, wishes.order.confinement.mode) {
        (Tier::Landlock | Tier::Bubblewrap, _) => SandboxMode::DangerFullAccess,
        (Tier::Open, _) if !wishes.order.role.writes() => SandboxMode::ReadOnly,
        (Tier::Open, SandboxMode::Auto) => SandboxMode::WorkspaceWrite,
        (Tier::Open, mode) => mode,
    }
}

struct Args(Vec<String>);

impl Args {
    fn flag(&mut self, installed: &Installed, option: &str) {
        if installed.has_option(option) {
            self.0.push(option.to_owned());
        }
    }

    fn option(&mut self, installed: &Installed, option: &str, value: &str) {
        if installed.has_option(option) {
            self.pair(option, value);
        }
    }

    fn pair(&mut self, option: &str, value: &str) {
        self.0.extend([option.to_owned(), value.to_owned()]);
    }

    /// A setting; `value` is TOML. A name that the installed version does not know is ignored by it.
    fn config(&mut self, name: &str, value: &str) {
        self.pair("--config", &format!("{name}={value}"));
    }

    fn settings(&mut self, wishes: &Wishes<'_>, mode: SandboxMode) {
        for (name, value) in [
            ("analytics.enabled", "false"),
            ("feedback.enabled", "false"),
            ("check_for_update_on_startup", "false"),
            ("web_search", "\"disabled\""),
            ("history.persistence", "\"none\""),
            // A login shell reads /etc/profile, which may replace the search path the run was given.
            ("allow_login_shell", "false"),
        ] {
            self.config(name, value);
        }
        for feature in OFF.into_iter().filter(|feature| has_feature(wishes.installed, feature)) {
            // `--disable` ends with code 1 for a feature that is gone; this is only warned about.
            self.config(&format!("features.{feature}"), "false");
        }
        if let Some(effort) = &wishes.setup.effort {
            self.config("model_reasoning_effort", &quoted(effort));
        }
        self.config("shell_environment_policy", &shell_environment(wishes));
        if mode == SandboxMode::WorkspaceWrite {
            self.config(
                "sandbox_workspace_write.network_access",
                &wishes.order.confinement.network.to_string(),
            );
            let roots: Vec<String> =
                writable(wishes).iter().map(|path| quoted(&path.to_string_lossy())).collect();
            self.config("sandbox_workspace_write.writable_roots", &format!("[{}]", roots.join(",")));
        }
        self.provider(wishes.setup);
    }

    /// A provider at the operator's address. The built-in one cannot be moved without it trying WebSockets first, and has no bounds.
    fn provider(&mut self, setup: &Setup) {
        let Some(url) = &setup.base_url else { return };
        let auth = match (&setup.key, &setup.login) {
            (Some(_), _) => format!(",env_key={}", quoted(key_variable(setup))),
            (None, Some(_)) => ",requires_openai_auth=true".to_owned(),
            (None, None) => String::new(),
        };
        self.config("model_provider", &quoted(PROVIDER));
        self.config(
            &format!("model_providers.{PROVIDER}"),
            &format!(
                "{{name={},base_url={},wire_api=\"responses\"{auth},request_max_retries={REQUEST_RETRIES},\
                 stream_max_retries={STREAM_RETRIES},stream_idle_timeout_ms={STREAM_IDLE_MS}}}",
                quoted(PROVIDER),
                quoted(url)
            ),
        );
    }
}

/// What the model's commands get: everything the run has, its mark too, but no key; and the time zone as it was.
///
/// The program itself keeps the key in its environment, which a command of the same user can read in `/proc` unless codex's own
/// sandbox stands between. So the key should be one that can be taken back.
fn shell_environment(wishes: &Wishes<'_>) -> String {
    let mut hidden: BTreeSet<&str> = BTreeSet::from([KEY, "OPENAI_API_KEY"]);
    hidden.insert(key_variable(wishes.setup));
    let zone = wishes.env.get("TZ").map(|zone| format!(",set={{TZ={}}}", quoted(zone)));
    if zone.is_none() {
        hidden.insert("TZ");
    }
    let hidden: Vec<String> = hidden.into_iter().map(quoted).collect();
    format!(
        "{{inherit=\"all\",ignore_default_excludes=false,exclude=[{}]{}}}",
        hidden.join(","),
        zone.unwrap_or_default()
    )
}

/// The variable the key is handed over in.
fn key_variable(setup: &Setup) -> &str {
    match (&setup.key, &setup.base_url) {
        (Some(key), Some(_)) => &key.variable,
        _ => KEY,
    }
}

/// Folders of the run that its tools keep their things in; never the agent's home, where a command could lay a trap for the next start.
fn writable(wishes: &Wishes<'_>) -> BTreeSet<PathBuf> {
    let named: BTreeSet<PathBuf> = wishes
        .env
        .values()
        .map(PathBuf::from)
        .filter(|path| path.starts_with(wishes.runtime) && path != wishes.runtime && path.is_dir())
        .filter(|path| !path.starts_with(wishes.home) && !wishes.home.starts_with(path))
        .collect();
    let inside_another = |path: &PathBuf| path.ancestors().skip(1).any(|around| named.contains(around));
    named.iter().filter(|path| !inside_another(path)).cloned().collect()
}

/// Says whether the installed version has a feature; one that lists none may have any.
fn has_feature(installed: &Installed, feature: &str) -> bool {
    let listed = |name: &str| installed.help.lines().any(|line| line.split_whitespace().next() == Some(name));
    // Every version that lists features has this one.
    !listed("shell_tool") || listed(feature)
}

/// Says whether a name has the form of a thread's. codex takes any other as a new conversation's, and forgets the old one.
fn is_thread(id: &str) -> bool {
    id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// A text as a TOML string, which JSON's are too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
