//! Which paths a phase may touch, and which of the repository's files are parked while an agent works.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};

use crate::adapters::process::beneath::PASSING;
use crate::adapters::workspace::protected::is_protected;
use crate::domain::guard::Scope;
use crate::domain::id::AttemptNo;
use crate::ports::workspace::{GuardOrder, WorkspaceError};

/// The folder of the engine's small files in a workspace; git is told to leave it alone.
pub(super) const ENGINE_FOLDER: &str = ".aider_fsm";

/// The one file in it that an agent may write.
pub(super) const ACTIONS: &str = ".aider_fsm/actions.yml";

/// What a repository may hold at its root that configures an agent's program with code, keys or another home: claude
/// (`.claude`, `.mcp.json`), codex (`.codex`, and `.env`, from which it takes `CODEX_HOME`), opencode, aider, cursor, gemini,
/// qwen, windsurf, crush, and what editors and shells run of themselves (`.vscode`, `.envrc`). Source: the configuration pages of those programs, as
/// gathered in `docs/security.md`. Instructions in plain words (`AGENTS.md`, `CLAUDE.md`) stay; they are protected.
pub(in crate::adapters::workspace) const PARKED: [&str; 17] = [
    ".claude",
    ".mcp.json",
    ".codex",
    "opencode.json",
    "opencode.jsonc",
    ".opencode",
    ".aider.conf.yml",
    ".aider.conf.yaml",
    ".cursor",
    ".gemini",
    ".qwen",
    ".windsurf",
    ".crush.json",
    "crush.json",
    ".vscode",
    ".envrc",
    ".env",
];

/// How the names of aider's model files begin, which are parked too.
pub(in crate::adapters::workspace) const PARKED_PREFIX: &str = ".aider.model.";

/// What git itself writes in its directory in the course of plain work, and what no command is taken from.
const FREE_IN_GIT: [&str; 18] = [
    "objects",
    "logs",
    "index",
    "COMMIT_EDITMSG",
    "TAG_EDITMSG",
    "SQUASH_MSG",
    "MERGE_MSG",
    "MERGE_HEAD",
    "MERGE_MODE",
    "MERGE_RR",
    "AUTO_MERGE",
    "ORIG_HEAD",
    "FETCH_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "gc.log",
    "gc.pid",
    // The number opencode gives a project.
    "opencode",
];

/// The words of an order that decide, as they are kept with a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Terms {
    pub(super) attempt: AttemptNo,
    pub(super) scope: Scope,
    plan: String,
    contract: String,
    protect: Vec<String>,
    unprotect: Vec<String>,
}

impl Terms {
    pub(super) fn of(order: &GuardOrder) -> Self {
        let path = |text: &str| text.trim_start_matches("./").trim_end_matches('/').to_owned();
        Self {
            attempt: order.attempt,
            scope: order.scope,
            plan: path(&order.plan),
            contract: path(&order.contract),
            protect: order.protect.clone(),
            unprotect: order.unprotect.clone(),
        }
    }
}

/// The rules of one phase.
pub(super) struct Rules {
    pub(super) terms: Terms,
    protect: GlobSet,
    unprotect: GlobSet,
}

impl Rules {
    /// Compiles the globs.
    pub(super) fn new(terms: Terms) -> Result<Self, WorkspaceError> {
        let (protect, unprotect) = (globs(&terms.protect)?, globs(&terms.unprotect)?);
        Ok(Self { terms, protect, unprotect })
    }

    /// Says whether the phase may make, change or remove what is at a path.
    ///
    /// `is_folder` matters where a link in the place of a folder would lead around a rule about what is in it.
    pub(super) fn allows(&self, path: &str, is_folder: bool) -> bool {
        if path.as_bytes().starts_with(PASSING) || path.contains("/.agentpr-passing") {
            return false;
        }
        if let Some(inner) = in_git(path) {
            return is_free_in_git(inner) && (self.terms.scope == Scope::Build || inner != "index");
        }
        match self.terms.scope {
            Scope::Nothing => false,
            Scope::Plan => path == self.terms.plan,
            Scope::Build => !self.is_protected(path) && (is_folder || !self.leads_to_protected(path)),
        }
    }

    /// Says whether it is the plan, which must be a plain file: others read it.
    pub(super) fn is_plan(&self, path: &str) -> bool {
        path == self.terms.plan
    }

    /// Says whether a path is taken away for the time of the phase.
    pub(super) fn parks(&self, path: &str) -> bool {
        let root = path.split('/').next().unwrap_or_default();
        if !(PARKED.contains(&root) || root.starts_with(PARKED_PREFIX)) {
            return false;
        }
        let holds = |file: &str| file == root || is_below(file, root);
        let is_needed = holds(&self.terms.plan) || holds(&self.terms.contract);
        !is_needed && !self.unprotect.is_match(path)
    }

    /// Says whether a path is in the picture even when git ignores it.
    pub(super) fn forces(&self, path: &str) -> bool {
        path == ENGINE_FOLDER || self.parks(path) || self.is_protected(path)
    }

    /// Says whether a folder that git ignores may have something of the picture in it.
    ///
    /// The built-in names do not count there: packages that tools fetch bring such files along by the thousand.
    pub(super) fn may_hold_forced(&self, folder: &str) -> bool {
        [&self.terms.plan, &self.terms.contract].into_iter().any(|file| is_below(file, folder))
            || !self.terms.protect.is_empty()
    }

    /// Says whether a path in an ignored folder is in the picture.
    pub(super) fn forces_in_ignored(&self, path: &str) -> bool {
        path == self.terms.contract || path == self.terms.plan || self.protect.is_match(path)
    }

    fn is_protected(&self, path: &str) -> bool {
        if path == self.terms.contract || path == self.terms.plan || self.protect.is_match(path) {
            return true;
        }
        if is_below(path, ENGINE_FOLDER) {
            return path != ACTIONS;
        }
        (is_protected(path) || self.parks(path)) && !self.unprotect.is_match(path)
    }

    fn leads_to_protected(&self, path: &str) -> bool {
        let fixed = [".github", ENGINE_FOLDER, &self.terms.contract, &self.terms.plan];
        fixed.iter().any(|file| path == *file || is_below(file, path))
    }
}

/// Says whether a path lies in a folder.
pub(super) fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// The path inside the git directory, if it is one; empty for the directory itself.
pub(super) fn in_git(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(".git")?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// Says whether git may write there in any phase; alternates decide which repository is read, so they are not free.
pub(super) fn is_free_in_git(inner: &str) -> bool {
    let first = inner.split('/').next().unwrap_or_default();
    match inner {
        "objects" | "objects/info" | "objects/info/alternates" | "objects/info/http-alternates" => false,
        // What `git gc` writes for servers without git.
        "info/refs" => true,
        _ => {
            FREE_IN_GIT.contains(&first) || first.starts_with("rebase-") || first.starts_with("sharedindex.")
        }
    }
}

fn globs(patterns: &[String]) -> Result<GlobSet, WorkspaceError> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
        for glob in [pattern.to_owned(), format!("{pattern}/**")] {
            let made = GlobBuilder::new(&glob).literal_separator(true).build();
            set.add(made.map_err(|err| WorkspaceError::Failed(format!("glob `{pattern}`: {}", err.kind())))?);
        }
    }
    set.build().map_err(|err| WorkspaceError::Failed(format!("globs: {err}")))
}
