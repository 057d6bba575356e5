//! Writing a file into a workspace an agent has had its hands in: which paths a request may name, and what may be there already.

use std::io;
use std::path::Path;

use rustix::fs::FileType;

use crate::adapters::process::beneath::{Root, is_kind};

/// A stable word and a sentence.
pub(super) type Fault = (&'static str, &'static str);

/// Folders that belong to git or to the engine, wherever they lie.
const OWNED: [&str; 2] = [".git", ".aider_fsm"];

/// The parts of a path below a workspace.
///
/// # Errors
/// `path_outside_repo` or `path_is_protected`.
pub(super) fn parts_of(path: &str) -> Result<Vec<&str>, Fault> {
    const OUTSIDE: Fault = ("path_outside_repo", "must be relative and stay in the repository");
    if path.starts_with(['/', '~'])
        || path.ends_with('/')
        || path.contains(|c: char| c.is_control() || c == '\\')
    {
        return Err(OUTSIDE);
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.is_empty() || parts.contains(&"..") {
        return Err(OUTSIDE);
    }
    // Some file systems take `.GIT` for `.git`.
    if parts.iter().any(|part| OWNED.iter().any(|owned| part.eq_ignore_ascii_case(owned))) {
        return Err(("path_is_protected", "belongs to git or to the engine"));
    }
    if let [first, second, ..] = parts.as_slice()
        && first.eq_ignore_ascii_case(".github")
        && (second.eq_ignore_ascii_case("workflows") || second.eq_ignore_ascii_case("actions"))
    {
        return Err(("path_is_protected", "decides what runs at the forge"));
    }
    Ok(parts)
}

/// Writes a file below `workspace`, with the folders on the way; `protected` and what lies below them is not touched.
///
/// The old file stays until the new one is whole, and lends it its permissions.
///
/// # Errors
/// `path_outside_repo`, `path_is_protected`, `path_is_link`, `not_a_file` or `write_failed`, with a sentence.
pub(super) fn write_inside(
    workspace: &Path,
    path: &str,
    content: &[u8],
    protected: &[String],
) -> Result<(), (&'static str, String)> {
    let told = |(code, why): Fault| (code, why.to_owned());
    let failed = |err: io::Error| ("write_failed", err.to_string());
    let parts = parts_of(path).map_err(told)?;
    if protected.iter().any(|other| covers(other, &parts)) {
        return Err(("path_is_protected", "is the plan, the contract or a protected path".to_owned()));
    }
    let Some((name, folders)) = parts.split_last() else {
        return Err(("path_outside_repo", "names no file".to_owned()));
    };
    let root = Root::open(workspace).map_err(failed)?;
    let mut way = String::new();
    for part in folders {
        way = if way.is_empty() { (*part).to_owned() } else { format!("{way}/{part}") };
        match root.stat(way.as_bytes()).map_err(failed)? {
            None => break,
            Some(found) if is_kind(&found, FileType::Directory) => {}
            Some(found) if is_kind(&found, FileType::Symlink) => {
                return Err(("path_is_link", format!("`{part}` is a link")));
            }
            Some(_) => return Err(("not_a_file", format!("`{part}` is no folder"))),
        }
    }
    let path = [folders, &[*name]].concat().join("/");
    let mode = match root.stat(path.as_bytes()).map_err(failed)? {
        None => 0o644,
        Some(found) if is_kind(&found, FileType::RegularFile) => found.st_mode & 0o777,
        Some(found) if is_kind(&found, FileType::Symlink) => {
            return Err(("path_is_link", "the file is a link".to_owned()));
        }
        Some(_) => return Err(("not_a_file", "something that is no file has that name".to_owned())),
    };
    // Each step is made from an open folder once more, so a link put there since leads nowhere either.
    root.make_way(path.as_bytes()).map_err(failed)?;
    root.put(path.as_bytes(), content, mode, None).map_err(failed)
}

/// Says whether `other` is the path itself or a folder above it; letter case does not matter.
fn covers(other: &str, parts: &[&str]) -> bool {
    let other: Vec<&str> = other.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    !other.is_empty()
        && other.len() <= parts.len()
        && other.iter().zip(parts).all(|(a, b)| a.eq_ignore_ascii_case(b))
}
