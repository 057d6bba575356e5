//! OpenAI's codex, by `codex exec --json`, as version 0.169 does it; what other versions lack is left out by what their help lists.

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use crate::adapters::worker::agent::{Agent, Installed, Stage};
use crate::adapters::worker::conversation::converse;
use crate::adapters::worker::pulse::wall_ms;
use crate::domain::agent::known::{KNOWN, KnownAgent};
use crate::ports::worker::{WorkReport, WorkerError};

pub mod arguments;
pub mod home;
pub mod protocol;
pub mod rollout;
pub mod signals;
pub mod trouble;

/// Processors by Rust's name: the npm package with codex's program for it, and the folder in that.
const PACKAGES: [(&str, &str, &str); 2] = [
    ("x86_64", "codex-linux-x64", "x86_64-unknown-linux-musl"),
    ("aarch64", "codex-linux-arm64", "aarch64-unknown-linux-musl"),
];

/// What codex can do, by the word in its help that says so.
const CAPABILITIES: [(&str, &str); 6] = [
    ("json", "--json"),
    ("resume", "resume"),
    ("model", "--model"),
    ("sandbox", "--sandbox"),
    ("output-schema", "--output-schema"),
    ("last-message", "--output-last-message"),
];

/// codex.
#[derive(Debug, Clone, Copy, Default)]
pub struct Codex;

#[async_trait]
impl Agent for Codex {
    fn known(&self) -> &'static KnownAgent {
        let [codex, ..] = &KNOWN;
        codex
    }

    /// Looks through the script that npm installs: it starts the program as a child of its own, which outlives it when it is killed.
    fn native(&self, found: &Path) -> (PathBuf, Vec<PathBuf>) {
        let found = found.canonicalize().unwrap_or_else(|_| found.to_owned());
        let program = behind_script(&found).unwrap_or(found);
        let folder = program.parent().map(Path::to_owned);
        // Beside `bin` lie the programs it calls: its search tool, its bubblewrap.
        let around = folder.as_deref().filter(|folder| folder.ends_with("bin")).and_then(Path::parent);
        let whole = around.filter(|around| around.join("codex-path").is_dir()).map(Path::to_owned);
        (program, whole.or(folder).into_iter().collect())
    }

    fn help_args(&self) -> &'static [&'static [&'static str]] {
        &[&["exec", "--help"], &["exec", "resume", "--help"], &["features", "list"]]
    }

    fn capabilities(&self, installed: &Installed) -> Vec<&'static str> {
        let listed = CAPABILITIES.into_iter().filter(|(_, word)| installed.has_option(word));
        listed.map(|(name, _)| name).collect()
    }

    fn needs(&self) -> &'static [&'static str] {
        &["--json", "--config", "--model", "--sandbox"]
    }

    fn login_file(&self) -> Option<&'static str> {
        Some(".codex/auth.json")
    }

    async fn run(&self, stage: &Stage<'_>) -> Result<WorkReport, WorkerError> {
        let launch = arguments::launch(stage)?;
        let resumed = stage.resume().map(str::to_owned);
        let reader = signals::Reader::new(stage.home.clone(), wall_ms(), resumed);
        converse(stage, launch, Box::new(reader)).await
    }
}

/// The program behind npm's script `.../@openai/codex/bin/codex.js`; `None` when it is no such script, or its package is missing.
fn behind_script(script: &Path) -> Option<PathBuf> {
    let package = script.parent().filter(|bin| bin.ends_with("bin"))?.parent()?;
    if script.extension()? != "js" || !package.ends_with("codex") {
        return None;
    }
    let (_, name, target) =
        PACKAGES.into_iter().find(|(processor, ..)| *processor == std::env::consts::ARCH)?;
    let inside = package.join("node_modules/@openai").join(name);
    let beside = package.parent()?.join(name);
    // Earlier packages brought their programs along, and the script still looks for those.
    let folders = [beside, inside, package.to_owned()].map(|folder| folder.join("vendor").join(target));
    let programs = folders.iter().flat_map(|folder| [folder.join("bin/codex"), folder.join("codex/codex")]);
    programs.into_iter().find_map(|program| program.canonicalize().ok().filter(|found| found.is_file()))
}
