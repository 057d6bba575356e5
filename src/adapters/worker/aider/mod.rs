//! aider: one message for each start, its words read line by line.
//!
//! It has no protocol: what it did is read from words for people, and its exit code is 0 whatever happened. Only the file of the message
//! and what the repository holds go in; it edits files it was shown or that its model named after it had seen the map of the
//! repository. It runs no commands, so the engine's checks are the first to try what it wrote.

use std::fs;
use std::path::Path;

use async_trait::async_trait;

use super::agent::{Agent, Installed, Stage};
use super::conversation;
use crate::adapters::process::tree::remove_tree;
use crate::domain::agent::known::{KNOWN, KnownAgent};
use crate::ports::worker::{WorkReport, WorkerError};

pub mod arguments;
pub mod protocol;
pub mod signals;

/// How the names begin of the folders it keeps its map of the repository in, at the repository's root.
const MAP_PREFIX: &str = ".aider.tags.cache.";

/// The adapter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Aider;

#[async_trait]
impl Agent for Aider {
    fn known(&self) -> &'static KnownAgent {
        &KNOWN[3]
    }

    /// The program is a script of an environment of Python's: what it is made of lies in the folder above its own.
    fn native(&self, found: &Path) -> (std::path::PathBuf, Vec<std::path::PathBuf>) {
        let program = found.canonicalize().unwrap_or_else(|_| found.to_owned());
        let mut folders: Vec<_> = program.parent().map(Path::to_owned).into_iter().collect();
        let environment = program.parent().and_then(Path::parent);
        if let Some(environment) = environment.filter(|folder| folder.join("pyvenv.cfg").is_file()) {
            folders = vec![environment.to_owned()];
            // The interpreter of an environment is a link to one that may lie anywhere, such as in a home.
            let interpreter = environment.join("bin/python").canonicalize().ok();
            folders.extend(
                interpreter.as_deref().and_then(Path::parent).and_then(Path::parent).map(Path::to_owned),
            );
        }
        (program, folders)
    }

    fn help_args(&self) -> &'static [&'static [&'static str]] {
        &[&["--help"]]
    }

    fn capabilities(&self, installed: &Installed) -> Vec<&'static str> {
        let all = [
            ("--model", "model"),
            ("--chat-mode", "read-only"),
            ("--restore-chat-history", "resume"),
            ("--reasoning-effort", "effort"),
        ];
        all.into_iter().filter(|(option, _)| installed.has_option(option)).map(|(_, can)| can).collect()
    }

    /// What keeps it from committing, from asking, and from writing into the repository beside its work.
    fn needs(&self) -> &'static [&'static str] {
        &[
            "--message-file",
            "--yes-always",
            "--no-auto-commits",
            "--no-dirty-commits",
            "--chat-history-file",
            "--input-history-file",
            "--chat-mode",
            "--dry-run",
        ]
    }

    fn login_file(&self) -> Option<&'static str> {
        None
    }

    async fn run(&self, stage: &Stage<'_>) -> Result<WorkReport, WorkerError> {
        let launch = arguments::launch(stage)?;
        let report = conversation::converse(stage, launch, Box::new(signals::Reader::default())).await;
        forget_map(&stage.order.workspace);
        report
    }
}

/// Removes the map it leaves in the repository. What stays after a crash is passed over when the change is captured.
fn forget_map(workspace: &Path) {
    let entries = fs::read_dir(workspace).into_iter().flatten().filter_map(Result::ok);
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(MAP_PREFIX)) {
        if let Err(err) = remove_tree(&entry.path()) {
            tracing::warn!(path = %entry.path().display(), %err, "could not remove aider's map");
        }
    }
}
