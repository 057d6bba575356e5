//! Which command tests a repository: found by looking at its files, never by asking the agent.
//!
//! Markers are tried in order: node, python, rust, go, make. The first that offers a command is taken, its test command
//! before its build command. A marker that offers none (a `package.json` that only formats) does not hide the next one.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// Bytes of a marker file that are read; larger ones are no marker.
const MARKER_CAP: u64 = 1024 * 1024;

/// Folders below the root that are looked into for test files.
const TEST_DEPTH: usize = 3;

/// Directory entries looked at before the search for test files gives up.
const ENTRIES_CAP: usize = 20_000;

/// The command that tests the checkout, else the one that builds it; `None` when there is neither.
pub fn detect(root: &Path) -> Option<String> {
    let found = node(root).or_else(|| python(root)).or_else(|| rust(root)).or_else(|| go(root));
    found.or_else(|| make(root))
}

fn node(root: &Path) -> Option<String> {
    let package: Value = serde_json::from_str(&marker(root, "package.json")?).ok()?;
    let script = |name: &str| package.get("scripts")?.get(name)?.as_str();
    let has = |name: &str| is_file(&root.join(name));
    let manager = if has("bun.lock") || has("bun.lockb") {
        "bun"
    } else if has("pnpm-lock.yaml") {
        "pnpm"
    } else if has("yarn.lock") {
        "yarn"
    } else {
        "npm"
    };
    // `bun test` is bun's own runner; `bun run test` is the script.
    let run = if manager == "bun" { "bun run" } else { manager };
    // What `npm init` writes fails on purpose and tests nothing.
    if script("test").is_some_and(|text| !text.trim().is_empty() && !text.contains("no test specified")) {
        return Some(format!("{run} test"));
    }
    script("build").filter(|text| !text.trim().is_empty()).map(|_| format!("{manager} run build"))
}

fn python(root: &Path) -> Option<String> {
    let is_python = ["pyproject.toml", "setup.py", "setup.cfg"].iter().any(|name| is_file(&root.join(name)));
    let has_tests = || {
        let mut budget = ENTRIES_CAP;
        root.join("tests").is_dir()
            || root.join("test").is_dir()
            || has_test_file(root, TEST_DEPTH, &mut budget)
    };
    (is_python && has_tests()).then(|| "python -m pytest --tb=short -q".to_owned())
}

fn rust(root: &Path) -> Option<String> {
    is_file(&root.join("Cargo.toml")).then(|| "cargo test".to_owned())
}

fn go(root: &Path) -> Option<String> {
    is_file(&root.join("go.mod")).then(|| "go test ./...".to_owned())
}

fn make(root: &Path) -> Option<String> {
    let text = marker(root, "Makefile")?;
    let has_test = text.lines().any(|line| {
        line.split_once(':').is_some_and(|(targets, rest)| {
            !line.starts_with(['\t', '#'])
                && !rest.starts_with('=')
                && targets.split_whitespace().any(|name| name == "test")
        })
    });
    Some(if has_test { "make test".to_owned() } else { "make".to_owned() })
}

fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

/// The text of a marker file; links are not followed, for they may lead out of the checkout.
fn marker(root: &Path, name: &str) -> Option<String> {
    let path = root.join(name);
    let found = fs::symlink_metadata(&path).ok()?;
    if !found.is_file() || found.len() > MARKER_CAP {
        return None;
    }
    fs::read(&path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn has_test_file(folder: &Path, depth: usize, budget: &mut usize) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    let mut folders = Vec::new();
    for entry in entries.flatten() {
        if *budget == 0 {
            return false;
        }
        *budget -= 1;
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !name.starts_with('.') && name != "node_modules" => {
                folders.push(entry.path());
            }
            Ok(kind) if kind.is_file() => {
                let is_python = name.ends_with(".py");
                if is_python && (name.starts_with("test_") || name.ends_with("_test.py")) {
                    return true;
                }
            }
            _ => {}
        }
    }
    depth > 1 && folders.iter().any(|folder| has_test_file(folder, depth - 1, budget))
}
