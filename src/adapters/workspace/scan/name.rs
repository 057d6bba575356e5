//! Paths and modes of a change: what they say before any content is read.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{EXECUTABLE, Entry, SUBMODULE};
use super::{Subject, finding};
use crate::adapters::workspace::protected::{Protected, Protection, fold, is_ignorable};
use crate::domain::policy::{Finding, Policy, Severity};
use crate::ports::workspace::WorkspaceError;

/// Files that name what is installed, and from where.
const LOCKFILES: [&str; 17] = [
    "bun.lock",
    "bun.lockb",
    "cargo.lock",
    "composer.lock",
    "deno.lock",
    "flake.lock",
    "gemfile.lock",
    "go.sum",
    "gradle.lockfile",
    "mix.lock",
    "npm-shrinkwrap.json",
    "package-lock.json",
    "package.resolved",
    "pipfile.lock",
    "pnpm-lock.yaml",
    "poetry.lock",
    "uv.lock",
];

/// Names that begin with `.git` and that git takes no orders from.
const HARMLESS_GIT_NAMES: [&str; 6] =
    [".github", ".gitignore", ".gitkeep", ".gitlab", ".gitea", ".git-blame-ignore-revs"];

pub(super) fn look(entries: &[Entry], policy: &Policy) -> Vec<Finding> {
    let protection = Protection::new(&policy.pipeline, &policy.protect, &policy.unprotect);
    entries.iter().flat_map(|entry| judge(entry, &protection)).collect()
}

fn judge(entry: &Entry, protection: &Protection) -> Vec<Finding> {
    let path = entry.path.as_str();
    let block = |rule: &str, detail: &str| finding(rule, Severity::Blocking, path, detail);
    let note = |rule: &str, detail: &str| finding(rule, Severity::Note, path, detail);
    let mut found = Vec::new();
    match protection.of(path) {
        None => {}
        Some(Protected::Machinery) => {
            found.push(block("protected_path", "decides what runs elsewhere or who may change what"));
        }
        Some(Protected::AgentConfig) => {
            found.push(block("agent_instructions", "steers the agents that work on this repository later"));
        }
        Some(Protected::Contract) => found.push(block("protected_path", "is the verification contract")),
        Some(Protected::Named) => found.push(block("protected_path", "is protected by the operator")),
    }
    // What is gone or is as it was can do nothing by its name or mode.
    if !entry.is_there() {
        return found;
    }
    if entry.new_mode == SUBMODULE {
        found.push(block("submodule", "is a submodule: code of another repository"));
    }
    if path.split('/').any(is_odd_git_name) {
        found.push(block(
            "git_file",
            "is a name that git takes orders from, or one that some file systems take for it",
        ));
    }
    if let Some(why) = traversal(path) {
        found.push(block("path_traversal", why));
    }
    if path.chars().any(|c| is_ignorable(c) || c.is_control()) {
        found.push(block("bidi", "the path has characters that cannot be seen"));
    }
    if entry.new_mode == EXECUTABLE && entry.old_mode != EXECUTABLE {
        found.push(note("executable", "can be executed now"));
    }
    let name = fold(path.rsplit('/').next().unwrap_or_default());
    if LOCKFILES.contains(&name.as_str()) || name == "yarn.lock" {
        found.push(note("lockfile", "decides what is installed"));
    }
    found
}

/// Says whether a name is `.git` for some file system: in other letters, with invisible characters, in the short form of
/// Windows, with a stream or with dots and blanks behind it.
pub(super) fn is_git_name(name: &str) -> bool {
    let plain = plain(name);
    plain == ".git" || is_short_form(&plain, "git~")
}

/// Also every other name of `.git…` but the harmless ones and the protected ones, which are told by their own rule.
fn is_odd_git_name(name: &str) -> bool {
    let plain = plain(name);
    let told = [".gitmodules", ".gitattributes", ".gitlab-ci.yml"];
    let is_told = told.contains(&name) || HARMLESS_GIT_NAMES.contains(&name);
    is_git_name(name)
        || is_short_form(&plain, "gitmod~")
        || is_short_form(&plain, "gitatt~")
        || plain.starts_with(".git") && !is_told
}

fn plain(name: &str) -> String {
    let folded = fold(name);
    let last = folded.split('\\').next_back().unwrap_or_default().to_owned();
    let before_stream = last.split(':').next().unwrap_or_default();
    before_stream.trim_end_matches(['.', ' ']).to_owned()
}

fn is_short_form(name: &str, stem: &str) -> bool {
    name.strip_prefix(stem)
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

fn traversal(path: &str) -> Option<&'static str> {
    let bytes = path.as_bytes();
    if path.starts_with('/') || matches!(bytes, [b'A'..=b'Z' | b'a'..=b'z', b':', b'/' | b'\\', ..]) {
        return Some("is an absolute path");
    }
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Some("has a part that names no file");
    }
    path.contains('\\').then_some("has a backslash, which separates folders on Windows")
}

/// Changed paths that are another path of the commit for a file system that ignores letter case; folders count too.
pub(super) fn clashes(subject: &Subject<'_>, entries: &[Entry]) -> Result<Vec<Finding>, WorkspaceError> {
    let changed: BTreeSet<&str> =
        entries.iter().filter(|entry| entry.is_there()).flat_map(|entry| with_folders(&entry.path)).collect();
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let listed =
        subject.git().run(["ls-tree", "-r", "-z", "--name-only"]).arg(subject.head.as_str()).output()?;
    let text = String::from_utf8_lossy(&listed.stdout);
    let wanted: BTreeMap<String, &str> = changed.iter().map(|path| (fold(path), *path)).collect();
    let mut seen: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for path in text.split('\0').filter(|path| !path.is_empty()).flat_map(with_folders) {
        if let Some((folded, _)) = wanted.get_key_value(&fold(path)) {
            seen.entry(folded).or_default().insert(path);
        }
    }
    let mut found = Vec::new();
    for paths in seen.values().filter(|paths| paths.len() > 1) {
        let words: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
        let path = paths.iter().find(|path| changed.contains(*path)).copied().unwrap_or_default();
        let detail = format!("{} are one where letter case does not count", words.join(" and "));
        found.push(finding("case_clash", Severity::Blocking, path, detail));
    }
    if listed.truncated {
        let detail = "the commit has too many paths to compare them all";
        found.push(finding("case_clash", Severity::Blocking, "", detail));
    }
    Ok(found)
}

/// A path and every folder above it.
fn with_folders(path: &str) -> impl Iterator<Item = &str> {
    let folders = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
    folders.filter(|folder| !folder.is_empty()).chain([path])
}
