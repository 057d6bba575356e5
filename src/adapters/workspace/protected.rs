//! Protected paths: files that decide what runs elsewhere, or who may change what.
//!
//! A change to one is shown first and by name to the person who decides; nothing here refuses it.

/// Folders whose every file is protected, at the root or below any folder.
const FOLDERS: [&str; 7] =
    [".github/workflows", ".github/actions", ".circleci", ".cursor", ".claude", ".codex", ".opencode"];

/// File names that are protected wherever they lie.
const FILES: [&str; 11] = [
    "codeowners",
    ".gitmodules",
    ".gitattributes",
    ".gitlab-ci.yml",
    "jenkinsfile",
    "agents.md",
    "claude.md",
    "opencode.json",
    ".mcp.json",
    ".cursorrules",
    ".envrc",
];

/// Says whether a path is protected; letter case does not matter, as on file systems that ignore it.
pub fn is_protected(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let name = path.rsplit('/').next().unwrap_or_default();
    let below =
        |folder: &str| path.starts_with(&format!("{folder}/")) || path.contains(&format!("/{folder}/"));
    FILES.contains(&name) || FOLDERS.iter().any(|folder| below(folder) || path == *folder)
}
