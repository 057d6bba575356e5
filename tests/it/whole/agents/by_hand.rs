//! Each program started by hand, without agentpr: that it edits, runs a check and ends is what the scripted model must bring about.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::super::{CHECK, FILES};
use super::MACHINE;
use crate::harness::agents::need;
use crate::harness::git;
use crate::harness::model::{Client, Model};

/// A repository, a home and a folder for temporary files, which go away together.
struct Desk {
    root: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { root: tempfile::tempdir().unwrap() };
        for folder in ["repo", "home/codex", "tmp"] {
            std::fs::create_dir_all(desk.root.path().join(folder)).unwrap();
        }
        let repo = desk.root.path().join("repo");
        for (name, text) in FILES {
            std::fs::write(repo.join(name), text).unwrap();
        }
        git::git(&repo, &["init", "--quiet", "--initial-branch=main"]);
        git::git(&repo, &["add", "--all"]);
        git::git(&repo, &["commit", "--quiet", "--message", "Begin"]);
        desk
    }

    /// Runs a program in the repository with nothing of this machine but the search path.
    fn run(&self, program: &Path, args: &[&str], env: &[(&str, &str)]) -> Output {
        let at = |name: &str| self.root.path().join(name);
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(at("repo"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", at("home"))
            .env("TMPDIR", at("tmp"))
            .envs(env.iter().copied())
            .stdin(Stdio::null());
        command.output().unwrap()
    }
}

/// Starts a client in its unattended way, with a model at `url`.
fn work(desk: &Desk, client: Client, program: &Path, url: &str) -> Output {
    let home = desk.root.path().join("home").display().to_string();
    match client {
        Client::Codex => {
            let provider = format!(
                "model_providers.own={{name=\"own\",base_url=\"{url}\",wire_api=\"responses\",env_key=\"OWN_KEY\"}}"
            );
            let line = ["exec", "--json", "--model", "m", "-c", "model_provider=\"own\"", "-c", &provider];
            let calm = ["-c", "analytics.enabled=false", "--disable", "plugins", "--disable", "apps"];
            // The walls are tested elsewhere; here a machine without any does as well.
            let rest = ["--sandbox", "danger-full-access", "Say 42."];
            let args = [&line[..], &calm, &rest].concat();
            desk.run(program, &args, &[("OWN_KEY", "k"), ("CODEX_HOME", &format!("{home}/codex"))])
        }
        Client::Claude => {
            let line =
                ["-p", "--output-format", "stream-json", "--verbose", "--permission-mode", "acceptEdits"];
            let args = [&line[..], &["--model", "m", "--allowedTools=Bash", "--", "Say 42."]].concat();
            let env = [
                ("ANTHROPIC_BASE_URL", url),
                ("ANTHROPIC_API_KEY", "k"),
                ("CLAUDE_CONFIG_DIR", &home),
                ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
                ("CLAUDE_CODE_TMPDIR", &home),
                ("DISABLE_AUTOUPDATER", "1"),
            ];
            desk.run(program, &args, &env)
        }
        Client::Opencode => {
            let config = serde_json::json!({"autoupdate": false, "share": "disabled", "model": "own/m",
                "small_model": "own/m", "permission": {"*": "allow"},
                "provider": {"own": {"npm": "@ai-sdk/openai-compatible", "models": {"m": {}},
                    "options": {"baseURL": url, "apiKey": "k"}}}});
            let env = [
                ("OPENCODE_CONFIG_CONTENT", config.to_string().as_str()),
                ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
                ("OPENCODE_DISABLE_MODELS_FETCH", "1"),
                ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1"),
                ("OPENCODE_DISABLE_DEFAULT_PLUGINS", "1"),
                ("npm_config_offline", "true"),
            ]
            .map(|(name, value)| (name, value.to_owned()));
            let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
            desk.run(program, &["run", "--format", "json", "Say 42."], &env)
        }
        Client::Aider => {
            let model = ["--model", "openai/m", "--openai-api-base", url, "--openai-api-key", "k"];
            let calm =
                ["--yes-always", "--no-check-update", "--analytics-disable", "--no-show-model-warnings"];
            let plain =
                ["--no-pretty", "--no-fancy-input", "--no-gitignore", "--no-detect-urls", "--map-tokens=0"];
            let deed = ["--no-auto-commits", "--no-dirty-commits", "--edit-format", "diff", "--auto-test"];
            let rest = ["--test-cmd", CHECK, "--message", "Say 42.", "answer.txt"];
            let args = [&model[..], &calm, &plain, &deed, &rest].concat();
            desk.run(program, &args, &[("LITELLM_LOCAL_MODEL_COST_MAP", "True")])
        }
    }
}

fn edits_checks_and_ends(client: Client) {
    let Some(program) = need(client) else { return };
    let desk = Desk::new();
    let model = Model::start(client, client.repairs("answer.txt", "41\n", "42\n", CHECK));
    let _others = MACHINE.blocking_read();
    let output = work(&desk, client, &program, &model.base_url());
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    let repo = desk.root.path().join("repo");
    assert_eq!(std::fs::read_to_string(repo.join("answer.txt")).unwrap(), "42\n", "{told}");
    assert_eq!(output.status.code(), Some(0), "{told}");

    let asked = model.asked();
    assert!(asked.iter().all(|asked| asked.has_auth && asked.prompt.contains("Say 42.")), "{told}");
    if client == Client::Aider {
        assert!(told.contains("Applied edit to answer.txt") && !told.contains("FAIL: not 42"), "{told}");
        return;
    }
    // The model heard of the failing check before the edit; that it heard of the passing one is the fifth request.
    assert_eq!(asked.len(), 5, "{told}");
    assert!(asked[1].body.to_string().contains("FAIL: not 42"), "{}", asked[1].body);
    let heard = |at: usize| asked[at].body.to_string().matches("FAIL: not 42").count();
    assert_eq!(heard(4), heard(1), "the second check passes: {}", asked[4].body);
}

#[test]
fn codex_edits_checks_and_ends() {
    edits_checks_and_ends(Client::Codex);
}

#[test]
fn claude_edits_checks_and_ends() {
    edits_checks_and_ends(Client::Claude);
}

#[test]
fn opencode_edits_checks_and_ends() {
    edits_checks_and_ends(Client::Opencode);
}

#[test]
fn aider_edits_checks_and_ends() {
    edits_checks_and_ends(Client::Aider);
}
