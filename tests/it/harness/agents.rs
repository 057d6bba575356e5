//! The real agents: where they are on this machine, and what a test does without one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use serde_json::Value;

use super::model::Client;
use super::skip::{say, skipped};

/// The versions the adapters were proved with; CI installs these.
const PINS: &str = include_str!("../../../.ci/agents/package.json");

/// Programs whose version was looked at already.
static KNOWN: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Finds an agent: where CI puts it, in the folder of the same shape that `AGENTPR_TEST_AGENTS` names, on the search path.
pub(crate) fn find(client: Client) -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().map(|target| target.join("agents"));
    let named = std::env::var_os("AGENTPR_TEST_AGENTS").map(PathBuf::from);
    let installed = target.into_iter().chain(named);
    let folders = installed.flat_map(|root| [root.join("node_modules/.bin"), root.join("aider/bin")]);
    let search = std::env::var_os("PATH").unwrap_or_default();
    let mut places = folders.chain(std::env::split_paths(&search)).map(|folder| folder.join(client.name()));
    places.find(|program| program.is_file())
}

/// An agent that the running test needs; without it the test says that it is skipped, and the test returns.
///
/// Another version than the pinned one is used as well, with a note on standard error.
#[track_caller]
pub(crate) fn need(client: Client) -> Option<PathBuf> {
    let Some(program) = find(client) else {
        skipped(&format!("{} not found", client.name()));
        return None;
    };
    let mut known = KNOWN.lock().unwrap();
    if !known.contains(&program) {
        let (found, pinned) = (version(&program), pin(client));
        if !found.split(|c: char| !(c.is_ascii_digit() || c == '.')).any(|word| word == pinned) {
            let named = program.display();
            say(&format!("note: {named} says it is `{found}`; its adapter was proved with {pinned}"));
        }
        known.push(program.clone());
    }
    Some(program)
}

/// The version CI installs.
pub(crate) fn pin(client: Client) -> String {
    let pins: Value = serde_json::from_str(PINS).unwrap();
    let pin = match client {
        Client::Codex => &pins["dependencies"]["@openai/codex"],
        Client::Claude => &pins["dependencies"]["@anthropic-ai/claude-code"],
        Client::Opencode => &pins["dependencies"]["opencode-ai"],
        Client::Aider => &pins["python"]["aider-chat"],
    };
    pin.as_str().unwrap().to_owned()
}

/// What a program says its version is, asked in a home of its own.
fn version(program: &Path) -> String {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command.arg("--version").current_dir(home.path()).env("HOME", home.path()).env("TMPDIR", home.path());
    let output = command.stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
