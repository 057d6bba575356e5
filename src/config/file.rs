//! The settings file: its shape, and how it is read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ConfigError;
use super::agents::FileAgent;
use super::budget::FileBudgets;
use super::forge::ForgeChoice;
use super::github::FileGitHub;
use super::layer::Origin;
use super::policy::FilePolicy;
use super::prices::FilePrice;
use super::roles::FileChoice;
use super::webhook::FileWebhook;
use crate::domain::agent::role::Role;
use crate::domain::spec::Limits;

/// The file as written; `docs/config.example.toml` shows every key.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileSettings {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) db: Option<PathBuf>,
    pub(super) workspace_root: Option<PathBuf>,
    pub(super) integration_root: Option<PathBuf>,
    pub(super) forge_root: Option<PathBuf>,
    pub(super) forge: Option<ForgeChoice>,
    pub(super) branch_prefix: Option<String>,
    pub(super) commit_name: Option<String>,
    pub(super) commit_email: Option<String>,
    pub(super) max_parallel: Option<usize>,
    pub(super) agent: Option<String>,
    pub(super) runtime_env_overrides: Option<PathBuf>,
    pub(super) sandbox_readable: Option<Vec<PathBuf>>,
    pub(super) prompts_dir: Option<PathBuf>,
    pub(super) limits: FileLimits,
    pub(super) policy: FilePolicy,
    pub(super) repository: BTreeMap<String, FilePolicy>,
    pub(super) agents: BTreeMap<String, FileAgent>,
    pub(super) roles: BTreeMap<Role, FileChoice>,
    pub(super) prices: BTreeMap<String, FilePrice>,
    pub(super) budget: FileBudgets,
    pub(super) github: FileGitHub,
    pub(super) webhook: FileWebhook,
}

/// The table `[limits]`: what is left out keeps its default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileLimits {
    max_iteration_count: Option<u32>,
    max_run_minutes: Option<u64>,
    attempt_secs: Option<u64>,
    check_secs: Option<u64>,
    max_interruptions: Option<u32>,
    silence_secs: Option<u64>,
    memory_mib: Option<u64>,
    processes: Option<u32>,
    disk_mib: Option<u64>,
    quota_wait_minutes: Option<u64>,
}

impl FileSettings {
    /// Reads the file; a missing one is empty unless it must be there.
    pub(super) fn read(path: &Path, must_exist: bool) -> Result<Self, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(err) if err.kind() == std::io::ErrorKind::NotFound && !must_exist => {
                return Ok(Self::default());
            }
            Err(err) => return Err(ConfigError::Unreadable { path: path.to_owned(), why: err.to_string() }),
        };
        toml::from_str(&text)
            .map_err(|err| ConfigError::Malformed { path: path.to_owned(), why: told(&err, &text) })
    }
}

/// What is wrong and where. Of the line only its key is repeated: what stands after that may be a token.
fn told(err: &toml::de::Error, text: &str) -> String {
    let why = err.message().trim();
    let Some(start) = err.span().map(|span| span.start) else { return why.to_owned() };
    let before = text.get(..start).unwrap_or_default();
    let (number, begin) = (before.matches('\n').count() + 1, before.rfind('\n').map_or(0, |at| at + 1));
    let line = text.get(begin..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    match line.split_once('=') {
        Some((key, _)) => format!("line {number}, `{}`: {why}", key.trim()),
        None => format!("line {number}: {why}"),
    }
}

impl FileLimits {
    /// The limits, and where each came from.
    pub(super) fn resolve(&self, file: &Path) -> (Limits, Vec<(&'static str, Origin)>) {
        let default = Limits::default();
        let limits = Limits {
            max_iteration_count: self.max_iteration_count.unwrap_or(default.max_iteration_count),
            max_run_minutes: self.max_run_minutes.or(default.max_run_minutes),
            attempt_secs: self.attempt_secs.unwrap_or(default.attempt_secs),
            check_secs: self.check_secs.unwrap_or(default.check_secs),
            max_interruptions: self.max_interruptions.unwrap_or(default.max_interruptions),
            silence_secs: self.silence_secs.unwrap_or(default.silence_secs),
            memory_mib: self.memory_mib.unwrap_or(default.memory_mib),
            processes: self.processes.unwrap_or(default.processes),
            disk_mib: self.disk_mib.unwrap_or(default.disk_mib),
            quota_wait_minutes: self.quota_wait_minutes.unwrap_or(default.quota_wait_minutes),
        };
        let named = [
            ("max_iteration_count", self.max_iteration_count.is_some()),
            ("max_run_minutes", self.max_run_minutes.is_some()),
            ("attempt_secs", self.attempt_secs.is_some()),
            ("check_secs", self.check_secs.is_some()),
            ("max_interruptions", self.max_interruptions.is_some()),
            ("silence_secs", self.silence_secs.is_some()),
            ("memory_mib", self.memory_mib.is_some()),
            ("processes", self.processes.is_some()),
            ("disk_mib", self.disk_mib.is_some()),
            ("quota_wait_minutes", self.quota_wait_minutes.is_some()),
        ];
        let origin = |in_file| if in_file { Origin::File(file.to_owned()) } else { Origin::Default };
        (limits, named.into_iter().map(|(name, in_file)| (name, origin(in_file))).collect())
    }
}

/// One limit as text; an unlimited one is empty.
pub(super) fn shown(limits: &Limits, name: &str) -> String {
    match name {
        "max_iteration_count" => limits.max_iteration_count.to_string(),
        "max_run_minutes" => limits.max_run_minutes.map(|minutes| minutes.to_string()).unwrap_or_default(),
        "attempt_secs" => limits.attempt_secs.to_string(),
        "check_secs" => limits.check_secs.to_string(),
        "silence_secs" => limits.silence_secs.to_string(),
        "memory_mib" => limits.memory_mib.to_string(),
        "processes" => limits.processes.to_string(),
        "disk_mib" => limits.disk_mib.to_string(),
        "quota_wait_minutes" => limits.quota_wait_minutes.to_string(),
        _ => limits.max_interruptions.to_string(),
    }
}
