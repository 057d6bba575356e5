//! claude: one start of `claude -p` for each attempt, its events read line by line.
//!
//! The prompt goes in on standard input, which is closed then. The program has no dialog of trust in this mode, so nothing of the
//! repository's own settings is loaded ([`arguments`] says how). Its exit code is not enough: [`signals`] judges by the closing
//! event.

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::agent::{Agent, Installed, Stage};
use super::conversation;
use crate::domain::agent::known::{KNOWN, KnownAgent};
use crate::ports::worker::{WorkReport, WorkerError};

pub mod arguments;
pub mod protocol;
pub mod signals;
pub mod trouble;

/// The first bytes of a program for Linux.
const ELF: [u8; 4] = *b"\x7fELF";

/// The adapter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Claude;

#[async_trait]
impl Agent for Claude {
    fn known(&self) -> &'static KnownAgent {
        &KNOWN[2]
    }

    /// Looks through the package of npm: its `bin/claude.exe` is the program itself when the package's install script ran, and a
    /// note that it did not run otherwise; the program is in the package of the platform beside it then.
    fn native(&self, found: &Path) -> (PathBuf, Vec<PathBuf>) {
        let file = found.canonicalize().unwrap_or_else(|_| found.to_owned());
        let program = if is_elf(&file) { file } else { of_platform(&file).unwrap_or(file) };
        let folder = program.parent().map(Path::to_owned);
        (program, folder.into_iter().collect())
    }

    fn help_args(&self) -> &'static [&'static [&'static str]] {
        &[&["--help"]]
    }

    fn capabilities(&self, installed: &Installed) -> Vec<&'static str> {
        let all = [
            ("--output-format", "json"),
            ("--resume", "resume"),
            ("--model", "model"),
            ("--json-schema", "schema"),
            ("--permission-mode", "read-only"),
            ("--max-budget-usd", "budget"),
        ];
        all.into_iter().filter(|(option, _)| installed.has_option(option)).map(|(_, can)| can).collect()
    }

    /// Without the last two a repository's own settings would run programs and choose the address that the key is sent to.
    fn needs(&self) -> &'static [&'static str] {
        &[
            "--print",
            "--output-format",
            "--verbose",
            "--permission-mode",
            "--setting-sources",
            "--strict-mcp-config",
        ]
    }

    fn login_file(&self) -> Option<&'static str> {
        Some(".claude/.credentials.json")
    }

    async fn run(&self, stage: &Stage<'_>) -> Result<WorkReport, WorkerError> {
        let launch = arguments::launch(stage)?;
        // Steps have no price of their own: without a table a limit on money would call a halt at the first of them.
        let tells_steps = stage.price.is_some() || stage.order.allowance.micros.is_none();
        conversation::converse(stage, launch, Box::new(signals::Reader::new(tells_steps))).await
    }
}

/// The program of this platform's package, beside the package that `file` is in.
fn of_platform(file: &Path) -> Option<PathBuf> {
    let package = file.ancestors().find(|folder| folder.ends_with("@anthropic-ai/claude-code"))?;
    let around = [package.parent()?.to_owned(), package.join("node_modules/@anthropic-ai")];
    let mut found: Vec<PathBuf> = around
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flat_map(|entries| entries.filter_map(Result::ok))
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("claude-code-"))
        .map(|entry| entry.path().join("claude"))
        .filter(|program| is_elf(program))
        .collect();
    found.sort();
    found.into_iter().next()
}

fn is_elf(file: &Path) -> bool {
    use std::io::Read as _;
    let mut head = [0; 4];
    std::fs::File::open(file).is_ok_and(|mut file| file.read_exact(&mut head).is_ok()) && head == ELF
}
