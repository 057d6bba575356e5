//! What a repository is made with, by the files at its root. An agent may have written them: plain files only, and few bytes.

use std::path::Path;

use super::place::read_plain;
use crate::ports::probe::Project;

/// Bytes of a project file that are read.
const FILE_CAP: u64 = 1024 * 1024;

const PYTHON_FILES: [&str; 4] = ["pyproject.toml", "requirements.txt", "requirements-dev.txt", "setup.py"];

const PYTHON_TOOLS: [&str; 5] = ["rye", "poetry", "hatch", "uv", "tox"];

const JAVASCRIPT_FILES: [&str; 7] = [
    "package.json",
    "bun.lock",
    "bun.lockb",
    "pnpm-lock.yaml",
    "yarn.lock",
    "package-lock.json",
    "npm-shrinkwrap.json",
];

/// Lock files, the first found wins, with the manager that writes them.
const LOCKS: [(&str, &str); 6] = [
    ("bun.lock", "bun"),
    ("bun.lockb", "bun"),
    ("pnpm-lock.yaml", "pnpm"),
    ("yarn.lock", "yarn"),
    ("package-lock.json", "npm"),
    ("npm-shrinkwrap.json", "npm"),
];

const OTHERS: [(&str, &str); 3] = [("Cargo.toml", "cargo"), ("go.mod", "go"), ("Makefile", "make")];

/// Looks at a repository.
pub(super) fn look(repository: &Path) -> Project {
    // Of the entry itself: a link to a file elsewhere says nothing about this repository.
    let has =
        |name: &str| std::fs::symlink_metadata(repository.join(name)).is_ok_and(|found| found.is_file());
    let python_tools = python_tools(repository, &has);
    let javascript = JAVASCRIPT_FILES.iter().any(|name| has(name));
    let mut javascript_tools = Vec::new();
    if javascript {
        javascript_tools.push(javascript_manager(repository, &has));
        if has("package.json") {
            javascript_tools.push("node".to_owned());
        }
    }
    Project {
        python: PYTHON_FILES.iter().any(|name| has(name)),
        python_tools,
        javascript,
        javascript_tools,
        other_tools: OTHERS
            .iter()
            .filter(|(file, _)| has(file))
            .map(|(_, tool)| (*tool).to_owned())
            .collect(),
    }
}

/// Tools with a table in pyproject.toml, or with files of their own; a pyproject.toml that cannot be read names none.
fn python_tools(repository: &Path, has: &dyn Fn(&str) -> bool) -> Vec<String> {
    let text = read_plain(&repository.join("pyproject.toml"), FILE_CAP).unwrap_or_default();
    let table = text.parse::<toml::Table>().unwrap_or_default();
    let named = |tool: &str| table.get("tool").and_then(|tools| tools.get(tool)).is_some();
    let own_files = |tool: &str| match tool {
        "tox" => has("tox.ini") || repository.join(".tox").is_dir(),
        "poetry" => has("poetry.lock"),
        "uv" => has("uv.lock"),
        _ => false,
    };
    PYTHON_TOOLS.into_iter().filter(|tool| named(tool) || own_files(tool)).map(str::to_owned).collect()
}

/// The package manager: by lock file, else as `packageManager` of package.json begins, else npm.
fn javascript_manager(repository: &Path, has: &dyn Fn(&str) -> bool) -> String {
    if let Some((_, manager)) = LOCKS.iter().find(|(file, _)| has(file)) {
        return (*manager).to_owned();
    }
    let text = read_plain(&repository.join("package.json"), FILE_CAP).unwrap_or_default();
    let package: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let named = package.get("packageManager").and_then(serde_json::Value::as_str).unwrap_or_default();
    let known = |manager: &&str| named.strip_prefix(manager).is_some_and(|rest| rest.starts_with('@'));
    ["bun", "pnpm", "yarn", "npm"].into_iter().find(|manager| known(manager)).unwrap_or("npm").to_owned()
}
