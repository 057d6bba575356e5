//! What aider is started with.
//!
//! **Nothing of its own in the repository.** The message and the histories lie in its own home. Its map of the repository can only lie
//! in the repository: it is removed after each start, and no capture takes it. Nothing is committed: the engine does that.
//!
//! **The repository's settings.** aider reads `.aider.conf.yml`, `.env` and `.aider.model.*.yml` from the repository besides any that
//! are named to it, and no option keeps it from that. The engine parks those files while an agent works; besides, what they could
//! do most harm with is said again on the command line, which wins over them, and `PYTHON_DOTENV_DISABLED` keeps `.env` out.
//!
//! **No traffic but the model's.** It fetches a list of prices when its copy is a day old. A fresh copy with nothing in it is put in
//! its place; the prices then are those it was installed with.
//!
//! **Its own start.** Python programs of a run keep what they compile below the run. aider is so large that compiling it takes half a
//! minute, so what was compiled when it was installed is used where it is there, and not written to.
//!
//! **The key** goes into its environment only. It runs no commands that could inherit it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::adapters::process::beneath::Root;
use crate::adapters::process::tree::{private_dir_below, write_anew};
use crate::adapters::worker::agent::{Launch, Stage};
use crate::adapters::worker::leavings::keep_only;
use crate::domain::confine::SandboxMode;
use crate::ports::worker::WorkerError;

/// The plan of a run and its specification, which are shown to it where they exist; it may not change them while it builds.
const SHOWN: [&str; 2] = ["PLAN.md", "SPEC.md"];

/// What it reads from its user's home. The run's home is written to by every agent of the run, and what another one left there could
/// name the address this one's key is sent to.
const OF_USER: [&str; 5] =
    [".aider", ".aider.conf.yml", ".aider.model.settings.yml", ".aider.model.metadata.json", ".env"];

/// How long a request may take, in seconds. It tries nine times, with a minute of pauses in all (measured on 0.86.2).
const REQUEST_SECS: &str = "300";

/// Switches that are given where the program lists them, in the order they are given.
const SWITCHES: [&str; 19] = [
    "--yes-always",
    "--no-auto-commits",
    "--no-dirty-commits",
    "--no-gitignore",
    "--no-check-update",
    "--analytics-disable",
    "--no-show-model-warnings",
    "--no-show-release-notes",
    "--no-pretty",
    "--no-stream",
    "--no-fancy-input",
    "--no-detect-urls",
    "--no-suggest-shell-commands",
    "--no-auto-lint",
    "--no-auto-test",
    "--no-notifications",
    "--no-watch-files",
    "--no-copy-paste",
    "--disable-playwright",
];

/// Variables that are always set. The width keeps messages on one line each.
const ALWAYS: [(&str, &str); 5] = [
    ("AIDER_ANALYTICS_DISABLE", "true"),
    ("LITELLM_LOCAL_MODEL_COST_MAP", "True"),
    ("PYTHON_DOTENV_DISABLED", "1"),
    ("COLUMNS", "4000"),
    ("NO_COLOR", "1"),
];

/// Writes what it reads and says how it is started.
///
/// # Errors
/// [`WorkerError::Unavailable`] when its files cannot be written, and when it has neither a model nor a key: it would offer a login in
/// a browser and wait for it.
pub fn launch(stage: &Stage<'_>) -> Result<Launch, WorkerError> {
    if stage.model().is_none() && stage.setup.key.is_none() {
        let why =
            "aider has neither a model nor a key: name a model for it, or give it a key in its settings";
        return Err(WorkerError::Unavailable(why.to_owned()));
    }
    let env = env(stage);
    prepare(stage, env.get("HOME").map(PathBuf::from).as_deref()).map_err(|err| {
        let home = stage.home.display();
        WorkerError::Unavailable(format!("aider's files below `{home}` cannot be written: {err}"))
    })?;
    Ok(Launch { args: args(stage), env, stdin: None, readable: Vec::new() })
}

/// The arguments.
pub fn args(stage: &Stage<'_>) -> Vec<String> {
    let has = |option: &str| stage.installed.has_option(option);
    let in_home = |name: &str| stage.home.join(name).to_string_lossy().into_owned();
    let writes = stage.order.role.writes() && stage.order.confinement.mode != SandboxMode::ReadOnly;
    let mut args = vec!["--message-file".to_owned(), message(&stage.home).to_string_lossy().into_owned()];
    args.extend(SWITCHES.into_iter().filter(|option| has(option)).map(str::to_owned));
    let mut push = |option: &str, value: &str| args.extend([option.to_owned(), value.to_owned()]);
    push("--chat-history-file", &in_home("chat.md"));
    push("--input-history-file", &in_home("input"));
    if has("--timeout") {
        push("--timeout", REQUEST_SECS);
    }
    if has("--set-env") {
        // Taken from the command line, the list is taken from there alone.
        push("--set-env", "AIDER_ANALYTICS_DISABLE=true");
    }
    if let Some(model) = stage.model() {
        push("--model", model);
    }
    if let Some(url) = stage.setup.base_url.as_deref().filter(|_| provider(stage) == "OPENAI") {
        push("--openai-api-base", url);
    }
    if let Some(effort) = stage.setup.effort.as_deref().filter(|_| has("--reasoning-effort")) {
        push("--reasoning-effort", effort);
    }
    for name in SHOWN.into_iter().filter(|name| is_file(&stage.order.workspace.join(name))) {
        // While a plan is made it is what the talk is about, and no reference.
        push(if writes { "--read" } else { "--file" }, name);
    }
    if stage.resume().is_some() && has("--restore-chat-history") && is_file(&stage.home.join("chat.md")) {
        args.push("--restore-chat-history".to_owned());
    }
    args.extend(stage.setup.args.iter().cloned());
    args.extend(stage.order.extra_args.iter().cloned());
    if !writes {
        // At the end, so that no argument of an operator's undoes it.
        args.extend(["--chat-mode", "ask", "--dry-run"].map(str::to_owned));
    }
    args
}

/// The environment.
pub fn env(stage: &Stage<'_>) -> BTreeMap<String, String> {
    let mut env = stage.env.clone();
    for (name, value) in ALWAYS {
        env.insert(name.to_owned(), value.to_owned());
    }
    if stage.installed.folders.iter().any(|folder| is_compiled(folder)) {
        env.remove("PYTHONPYCACHEPREFIX");
        env.insert("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned());
    }
    let provider = provider(stage);
    if let Some(key) = &stage.setup.key {
        env.insert(format!("{provider}_API_KEY"), key.value.clone());
    }
    if let Some(url) = &stage.setup.base_url {
        env.insert(format!("{provider}_API_BASE"), url.clone());
    }
    env
}

/// The model's provider, as the names of its variables begin: that of the operator's variable where it is named in the usual way.
fn provider<'a>(stage: &'a Stage<'_>) -> &'a str {
    let variable = stage.setup.key.as_ref().map_or("", |key| key.variable.as_str());
    match variable.strip_suffix("_API_KEY") {
        Some(provider) if !provider.is_empty() && !provider.starts_with("AGENTPR") => provider,
        _ => "OPENAI",
    }
}

/// Says whether an environment of Python's holds the program compiled.
fn is_compiled(environment: &Path) -> bool {
    let versions = fs::read_dir(environment.join("lib")).into_iter().flatten().filter_map(Result::ok);
    versions.into_iter().any(|version| version.path().join("site-packages/aider/__pycache__").is_dir())
}

fn message(home: &Path) -> PathBuf {
    home.join("message.md")
}

fn is_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_file())
}

fn prepare(stage: &Stage<'_>, home: Option<&Path>) -> io::Result<()> {
    keep_only(&stage.home, &[b"chat.md", b"input"])?;
    // A message that begins with one of these is a command of the program's own, which may run programs.
    let prompt = &stage.order.prompt;
    let is_command = prompt.starts_with(['/', '!']);
    let prompt = if is_command { format!("Task:\n{prompt}") } else { prompt.clone() };
    write_anew(&message(&stage.home), prompt.as_bytes())?;
    let Some(home) = home.filter(|home| home.starts_with(&stage.runtime)) else { return Ok(()) };
    let below = Root::open(home)?;
    for name in OF_USER {
        below.remove(name.as_bytes())?;
    }
    let caches = home.join(".aider/caches");
    private_dir_below(&stage.runtime, &caches)?;
    // An empty list would be fetched again.
    write_anew(&caches.join("model_prices_and_context_window.json"), b"{\"none\":{}}\n")
}
