//! Protected paths: files that decide what runs elsewhere, what steers an agent, or who may change what.
//!
//! A change to one is shown first and by name to the person who decides; nothing here refuses it.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Folders whose every file decides what runs elsewhere, at the root or below any folder.
const FOLDERS: [&str; 11] = [
    ".github/workflows",
    ".github/actions",
    ".gitea/workflows",
    ".forgejo/workflows",
    ".gitlab",
    ".circleci",
    ".buildkite",
    ".woodpecker",
    ".devcontainer",
    ".husky",
    ".vscode",
];

/// Files that decide what runs elsewhere or who may change what, wherever they lie.
const FILES: [&str; 18] = [
    "codeowners",
    ".gitmodules",
    ".gitattributes",
    ".gitlab-ci.yml",
    "jenkinsfile",
    ".envrc",
    ".travis.yml",
    ".drone.yml",
    ".woodpecker.yml",
    "azure-pipelines.yml",
    "bitbucket-pipelines.yml",
    "appveyor.yml",
    ".pre-commit-config.yaml",
    "dependabot.yml",
    "dependabot.yaml",
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
];

/// Folders whose every file configures or steers coding agents.
const AGENT_FOLDERS: [&str; 11] = [
    ".cursor",
    ".claude",
    ".codex",
    ".opencode",
    ".gemini",
    ".windsurf",
    ".clinerules",
    ".roo",
    ".kiro",
    ".continue",
    ".github/instructions",
];

/// Files that configure or steer coding agents, wherever they lie.
const AGENT_FILES: [&str; 13] = [
    "agents.md",
    "agents.override.md",
    "claude.md",
    "claude.local.md",
    "gemini.md",
    "opencode.json",
    "opencode.jsonc",
    ".mcp.json",
    ".cursorrules",
    ".windsurfrules",
    ".aider.conf.yml",
    ".goosehints",
    "copilot-instructions.md",
];

/// Why a path is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protected {
    /// It decides what runs elsewhere, or who may change what.
    Machinery,
    /// It configures or steers the agents that come after.
    AgentConfig,
    /// It is the verification contract.
    Contract,
    /// The operator named it.
    Named,
}

/// The protected paths of one run: the built-in ones, the contract, and what the operator says.
#[derive(Debug, Clone)]
pub struct Protection {
    contract: String,
    protect: GlobSet,
    unprotect: GlobSet,
}

impl Protection {
    /// Puts it together. A pattern that is none protects the path it spells and lifts nothing.
    pub fn new(contract: &str, protect: &[String], unprotect: &[String]) -> Self {
        Self {
            contract: fold(contract.trim_start_matches("./")),
            protect: globs(protect, true),
            unprotect: globs(unprotect, false),
        }
    }

    /// Why a path is protected; `None` when it is not. What the operator names wins over what the operator lifts.
    pub fn of(&self, path: &str) -> Option<Protected> {
        let folded = fold(path);
        if !self.contract.is_empty() && folded == self.contract {
            return Some(Protected::Contract);
        }
        if self.protect.is_match(&folded) {
            return Some(Protected::Named);
        }
        built_in(&folded).filter(|_| !self.unprotect.is_match(path))
    }
}

/// Says whether a path is among the built-in ones; letter case does not matter, as on file systems that ignore it.
pub fn is_protected(path: &str) -> bool {
    built_in(&fold(path)).is_some()
}

/// A path as a file system may see it that ignores letter case and characters without width.
pub(super) fn fold(path: &str) -> String {
    path.chars().filter(|c| !is_ignorable(*c)).flat_map(char::to_lowercase).collect()
}

/// Characters that some file systems leave out when they compare names, and that nobody sees.
pub(super) fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{ad}')
        || matches!(c, '\u{61c}' | '\u{180e}' | '\u{e0000}'..='\u{e007f}')
}

fn built_in(folded: &str) -> Option<Protected> {
    let name = folded.rsplit('/').next().unwrap_or_default();
    let in_one = |folders: &[&str]| {
        folders.iter().any(|folder| {
            let inside = |path: &str| {
                path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            inside(folded)
                || folded.match_indices('/').any(|(at, _)| folded.get(at + 1..).is_some_and(inside))
        })
    };
    let is_cargo = matches!(folded.rsplit_once(".cargo/"), Some((_, "config" | "config.toml")));
    if AGENT_FILES.contains(&name) || in_one(&AGENT_FOLDERS) {
        Some(Protected::AgentConfig)
    } else if FILES.contains(&name) || in_one(&FOLDERS) || is_cargo {
        Some(Protected::Machinery)
    } else {
        None
    }
}

/// `*` stays within a folder, `**` does not; letter case does not matter.
fn globs(patterns: &[String], literally: bool) -> GlobSet {
    let glob =
        |pattern: &str| GlobBuilder::new(pattern).literal_separator(true).case_insensitive(true).build().ok();
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let spelled = || glob(&globset::escape(pattern)).filter(|_| literally);
        if let Some(glob) = glob(pattern).or_else(spelled) {
            set.add(glob);
        }
    }
    set.build().unwrap_or_default()
}
