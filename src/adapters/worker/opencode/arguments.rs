//! How opencode's server is started: its settings in one variable, everything it keeps below the agent's own home, nothing fetched.
//!
//! Its settings are in no file and none of the repository are read; of its home only what it keeps as data, its conversations and its login,
//! outlives a start. Nothing secret is on the command line or in the settings: the
//! password and the key are in variables, and the settings name theirs.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::client::Model;
use crate::adapters::process::tree::{private_dir_below, write_anew};
use crate::adapters::worker::agent::{Launch, Stage};
use crate::adapters::worker::leavings::keep_only;
use crate::adapters::worker::login::lend;
use crate::domain::agent::role::Role;

/// The variable with the model's key, which the settings name.
const KEY: &str = "AGENTPR_OPENCODE_KEY";

/// Milliseconds a model's server may take to begin an answer, and between two pieces of it; then opencode asks again, five times.
const WAIT_MS: u32 = 120_000;

/// Providers whose protocol opencode knows by their name. Another one is spoken to as most servers are.
const KNOWN_PROVIDERS: [&str; 14] = [
    "anthropic",
    "amazon-bedrock",
    "azure",
    "cerebras",
    "cohere",
    "deepseek",
    "github-copilot",
    "google",
    "google-vertex",
    "groq",
    "mistral",
    "openai",
    "openrouter",
    "xai",
];

/// Switches that keep it from looking for anything outside: measured, each of them fetches something or runs what the repository brings.
const OFF: [(&str, &str); 5] = [
    ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
    ("OPENCODE_DISABLE_MODELS_FETCH", "1"),
    ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1"),
    ("OPENCODE_DISABLE_DEFAULT_PLUGINS", "1"),
    ("OPENCODE_DISABLE_PROJECT_CONFIG", "1"),
];

/// Keeps npm from the network in the folder of its settings, where it would install a package at every start, and hang for more than a
/// minute without a network. A variable would do the same to the commands of the agent, which may need the registry.
const NPMRC: &str = "offline=true\n";

/// The agent of opencode's for a role.
pub(super) fn agent(role: Role) -> &'static str {
    if role.writes() { "build" } else { "plan" }
}

/// What a session in a role may not do, whatever else it is allowed. Its `plan` agent may not edit but run commands that do, and start
/// others that edit; so all three are taken away.
pub(super) fn denied(role: Role) -> &'static [&'static str] {
    if role.writes() {
        &["external_directory", "question"]
    } else {
        &["external_directory", "question", "edit", "bash", "task"]
    }
}

/// The start of a server that takes `password`.
///
/// # Errors
/// What is wrong, for people.
pub(super) fn launch(stage: &Stage<'_>, password: &str) -> Result<Launch, String> {
    let model = model(stage)?;
    let mut env = stage.env.clone();
    // A plugin, an agent or settings that a command of an earlier start left would run, or choose the address the key is sent to.
    keep_only(&stage.home, &[b"data"])
        .map_err(|err| format!("cannot clear `{}`: {err}", stage.home.display()))?;
    for (variable, folder) in [
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_DATA_HOME", "data"),
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_STATE_HOME", "state"),
    ] {
        let path = stage.home.join(folder);
        private_dir_below(&stage.home, &path)
            .map_err(|err| format!("cannot make `{}`: {err}", path.display()))?;
        env.insert(variable.to_owned(), path.to_string_lossy().into_owned());
    }
    quiet(&stage.home).map_err(|err| format!("cannot write `{}`: {err}", stage.home.display()))?;
    if let Some(login) = &stage.setup.login {
        let folder = stage.home.join("data/opencode");
        private_dir_below(&stage.home, &folder)
            .and_then(|()| lend(login, &folder, "auth.json"))
            .map_err(|err| format!("cannot copy the login file: {err}"))?;
    }
    for (variable, value) in OFF {
        env.insert(variable.to_owned(), value.to_owned());
    }
    if let Some(key) = &stage.setup.key {
        env.insert(KEY.to_owned(), key.value.clone());
    }
    env.insert("OPENCODE_CONFIG_CONTENT".to_owned(), settings(stage, model.as_ref()).to_string());
    env.insert("OPENCODE_SERVER_USERNAME".to_owned(), USER.to_owned());
    env.insert("OPENCODE_SERVER_PASSWORD".to_owned(), password.to_owned());
    let mut args: Vec<String> =
        ["serve", "--hostname", "127.0.0.1", "--port", "0"].map(str::to_owned).to_vec();
    args.extend(stage.setup.args.iter().chain(&stage.order.extra_args).cloned());
    Ok(Launch { args, env, stdin: None, readable: Vec::new() })
}

/// The user of a server of ours.
pub(super) const USER: &str = "opencode";

/// The model of a stage.
///
/// # Errors
/// What is wrong with its name.
pub(super) fn model(stage: &Stage<'_>) -> Result<Option<Model>, String> {
    let Some(text) = stage.model() else { return Ok(None) };
    match Model::of(text) {
        Some(model) => Ok(Some(model)),
        None => Err(format!("opencode names a model as `provider/model`, and `{text}` is not one")),
    }
}

fn settings(stage: &Stage<'_>, model: Option<&Model>) -> Value {
    let role = stage.order.role;
    let mut permission = Map::from_iter([("*".to_owned(), json!("allow"))]);
    permission.extend(denied(role).iter().map(|name| ((*name).to_owned(), json!("deny"))));
    let mut settings = json!({
        "autoupdate": false,
        "share": "disabled",
        "permission": permission,
        "agent": {agent(role): {"permission": permission}},
    });
    if let Some(model) = model {
        let name = format!("{}/{}", model.provider, model.name);
        settings["model"] = json!(name);
        // Titles are asked of it; without it another provider would be looked for.
        settings["small_model"] = json!(name);
        settings["enabled_providers"] = json!([model.provider]);
        let provider = provider(stage, model);
        settings["provider"] = json!({ model.provider.as_str(): provider });
    }
    settings
}

fn provider(stage: &Stage<'_>, model: &Model) -> Value {
    let mut options = json!({"timeout": false, "headerTimeout": WAIT_MS, "chunkTimeout": WAIT_MS});
    if stage.setup.key.is_some() {
        options["apiKey"] = json!(format!("{{env:{KEY}}}"));
    }
    let mut provider = json!({});
    if let Some(url) = &stage.setup.base_url {
        options["baseURL"] = json!(url);
        provider["models"] = json!({ model.name.as_str(): {} });
        if !KNOWN_PROVIDERS.contains(&model.provider.as_str()) {
            provider["npm"] = json!("@ai-sdk/openai-compatible");
        }
    }
    provider["options"] = options;
    provider
}

/// Keeps opencode from installing what it would like to have.
fn quiet(home: &Path) -> std::io::Result<()> {
    let folder = home.join("config/opencode");
    private_dir_below(home, &folder)?;
    write_anew(&folder.join(".npmrc"), NPMRC.as_bytes())
}
